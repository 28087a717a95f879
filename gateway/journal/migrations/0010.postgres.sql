-- What the gateways of one database hold each other to. names_by: a digest by K, the key that names values, the same for all of them.
-- watching: one of them looks for the refs that nothing names any more; the others tell it in watched which ones they name meanwhile.
ALTER TABLE store ADD COLUMN names_by bytea;
ALTER TABLE store ADD COLUMN watching boolean NOT NULL DEFAULT false;
CREATE TABLE watched (ref text COLLATE "C" PRIMARY KEY);
