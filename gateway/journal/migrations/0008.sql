-- Design §5, « Stores »: what is left of an entry that retention let go (decision 0040). One row for each act and each stretch of
-- 1024 places: which of them left (1 where an entry did), and their leaf hashes, 32 bytes each, in order. act is the id of the
-- admin entry that says so, written in the same transaction; event_first and event_last bound what left, so that a window knows
-- whether it was touched.

CREATE TABLE departed (
    log_id INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    act TEXT NOT NULL,
    event_first TEXT NOT NULL,
    event_last TEXT NOT NULL,
    places TEXT NOT NULL,
    leaves BLOB NOT NULL,
    PRIMARY KEY (log_id, chunk, act)
) STRICT;
CREATE INDEX departed_events ON departed (event_last, event_first);
CREATE TRIGGER departed_never_change BEFORE UPDATE ON departed
BEGIN SELECT RAISE(ABORT, 'a kept leaf is never changed'); END;
CREATE TRIGGER departed_never_leave BEFORE DELETE ON departed
BEGIN SELECT RAISE(ABORT, 'a kept leaf is never deleted'); END;

-- Only a call whose outcome is known leaves, and only once its leaf is kept; an admin entry, a closing, an extraction, a
-- settlement, a gap and what was ever in doubt stay for good.
DROP TRIGGER entries_never_leave;
CREATE TRIGGER entries_never_leave BEFORE DELETE ON entries
WHEN OLD.kind <> 'call' OR OLD.outcome = 'in_doubt' OR OLD.operation IS 'DUI.EXTRACTION' OR NOT EXISTS (
    SELECT 1 FROM departed
    WHERE log_id = OLD.pos >> 40 AND chunk = (OLD.pos & 1099511627775) >> 10 AND substr(places, (OLD.pos & 1023) + 1, 1) = '1'
)
BEGIN SELECT RAISE(ABORT, 'an entry is never deleted'); END;

-- The acts are read by every verification and recount: found without a walk over the entries, as closings are (migration 0007).
CREATE INDEX entries_retentions ON entries (pos) WHERE operation = 'JOURNAL.RETENTION';
