-- Design §5.3, « Own doors »: one row for each Idempotency-Key in use. lookup and fingerprint are keyed digests; answer is sealed.

CREATE TABLE own_keys (
    lookup BLOB PRIMARY KEY,
    call_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    person_ref TEXT,
    answer BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX own_keys_person ON own_keys (person_ref) WHERE person_ref IS NOT NULL;
