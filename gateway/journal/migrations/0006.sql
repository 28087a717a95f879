-- Design §6: what stands beside a rate without being in it, one row for each call of an indicator's operation that is no unit.
-- what: the outcome of a call that did not succeed; non_attribue: it succeeded for no ESSMS; exclu: it succeeded and is worth no
-- unit. finess_et '' is nobody's. A rate then needs no pass over the entries (decision 0032).

CREATE TABLE usage_beside (
    environment TEXT NOT NULL,
    indicator TEXT NOT NULL,
    finess_et TEXT NOT NULL,
    event_time TEXT NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (environment, indicator, finess_et, event_time, log, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_beside
SELECT
    json_extract(text, '$.environment'),
    CASE operation WHEN 'DMP.TD2.1' THEN 'IND-DMP-01' ELSE 'IND-MSS-01' END,
    CASE WHEN worth > 0 AND outcome = 'ok' THEN '' ELSE coalesce(finess_et, '') END,
    json_extract(text, '$.event_time'),
    json_extract(text, '$.log'),
    json_extract(text, '$.seq'),
    CASE WHEN outcome <> 'ok' THEN outcome WHEN worth = 0 THEN 'exclu' ELSE 'non_attribue' END
FROM (
    SELECT
        CAST(body AS TEXT) AS text, operation, outcome, finess_et,
        json_array_length(CAST(body AS TEXT), '$.counts_for') AS worth,
        coalesce(json_extract(CAST(body AS TEXT), '$.attribution'), '') LIKE 'non_attribue%' AS apart
    FROM entries WHERE kind = 'call' AND operation IN ('DMP.TD2.1', 'MSS.SOUMISSION')
)
WHERE outcome <> 'ok' OR finess_et IS NULL OR apart OR worth = 0;

-- A message counts once for good: its rows are counted along time. A person counts once in each window: persons are leapt over
-- one by one, so that what is fed again and again costs a rate nothing. Each row is in one index, as before.
DROP INDEX usage_units_window;
CREATE INDEX usage_units_messages ON usage_units (environment, finess_et, event_time) WHERE indicator = 'IND-MSS-01';
CREATE INDEX usage_units_persons ON usage_units (environment, finess_et, unit_ref, event_time) WHERE indicator = 'IND-DMP-01';
