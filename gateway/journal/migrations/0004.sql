-- Design §4: what conformance read in a message. Erasable: by entry, and by the persons whom the facts are about.

CREATE TABLE facts (
    pos INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE facts_about (
    pos INTEGER NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (pos, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_about_person ON facts_about (person);
CREATE TRIGGER facts_leave AFTER DELETE ON facts
BEGIN DELETE FROM facts_about WHERE pos = OLD.pos; END;
