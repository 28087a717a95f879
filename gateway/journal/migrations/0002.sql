-- Design §5.6: what belongs to one person is found by the person's ref, and kept messages lie beside their salts.

DROP TRIGGER entries_never_change;
ALTER TABLE entries ADD COLUMN person_ref TEXT;
UPDATE entries SET person_ref = json_extract(CAST(body AS TEXT), '$.person_ref');
CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END;
CREATE INDEX entries_person ON entries (person_ref) WHERE person_ref IS NOT NULL;

-- One kept message: its own key, sealed by K2, and the message sealed by that key. Goes with its row of bodies.
CREATE TABLE blobs (
    pos INTEGER NOT NULL,
    n INTEGER NOT NULL,
    sealed_key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (pos, n)
) STRICT;
