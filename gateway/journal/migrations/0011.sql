-- Erasure alone read this index, which every commit filled at random places (decision 0057).
DROP INDEX entries_person;
