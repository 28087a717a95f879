-- Design §5, « Stores ». pos = log * 2^40 + seq: one integer key that sorts as (log, seq).

CREATE TABLE log_heads (
    log_id INTEGER PRIMARY KEY,
    next_seq INTEGER NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until TEXT NOT NULL
) STRICT;

CREATE TABLE entries (
    pos INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    service TEXT,
    operation TEXT,
    outcome TEXT,
    tenant TEXT NOT NULL,
    finess_et TEXT,
    exchanges INTEGER NOT NULL,
    recovered INTEGER NOT NULL,
    settles TEXT,
    recorded_at TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX entries_operation ON entries (operation);
CREATE INDEX entries_not_ok ON entries (outcome) WHERE outcome <> 'ok';
CREATE INDEX entries_finess_et ON entries (finess_et) WHERE finess_et IS NOT NULL;
CREATE INDEX entries_settles ON entries (settles) WHERE settles IS NOT NULL;
CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END;
CREATE TRIGGER entries_never_leave BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry is never deleted'); END;

CREATE TABLE intents (
    call_id TEXT PRIMARY KEY,
    log INTEGER NOT NULL,
    boot TEXT NOT NULL,
    operation TEXT,
    key_ref TEXT,
    deadline TEXT NOT NULL,
    commitment BLOB,
    blob BLOB,
    draft BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What must outlive the intent of an entry in doubt; the row dies at settlement.
CREATE TABLE doubts (
    entry_id TEXT PRIMARY KEY,
    pos INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    operation TEXT,
    key_ref TEXT,
    person_ref TEXT,
    deadline TEXT NOT NULL,
    commitment BLOB,
    blob BLOB,
    since TEXT NOT NULL,
    not_found INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX doubts_key ON doubts (key_ref) WHERE key_ref IS NOT NULL;

CREATE TABLE refs (
    ref TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    lookup BLOB NOT NULL UNIQUE,
    sealed BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    tenant TEXT NOT NULL,
    operation TEXT NOT NULL,
    key_ref TEXT NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (tenant, operation, key_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE bodies (
    pos INTEGER NOT NULL,
    n INTEGER NOT NULL,
    role TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (pos, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_units (
    environment TEXT NOT NULL,
    indicator TEXT NOT NULL,
    finess_et TEXT NOT NULL,
    unit_ref TEXT NOT NULL,
    event_time TEXT NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (environment, indicator, unit_ref, log, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_units_window ON usage_units (environment, indicator, finess_et, event_time, unit_ref);
