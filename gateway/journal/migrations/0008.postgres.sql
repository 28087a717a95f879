-- The whole schema of step 8, in PostgreSQL's words (decision 0038); the steps after it have a file for each store. A test compares
-- the two. Text that sorts does so by code point, as in SQLite.
--
-- entries, bodies, blobs, facts and facts_about are cut by month. The month is that in which the writer writes: its session says it
-- (socle.month, as 202611), so that no statement has to, and without it nothing can be written. It never goes back inside a log.

CREATE TABLE store (version bigint NOT NULL, refs_forgotten bigint NOT NULL DEFAULT 0);
INSERT INTO store (version) VALUES (0);

CREATE TABLE log_heads (
    log_id bigint PRIMARY KEY,
    next_seq bigint NOT NULL,
    lease_owner text COLLATE "C" NOT NULL,
    lease_until timestamptz NOT NULL
);

CREATE TABLE entries (
    pos bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    service text COLLATE "C",
    operation text COLLATE "C",
    outcome text COLLATE "C",
    tenant text COLLATE "C" NOT NULL,
    finess_et text COLLATE "C",
    exchanges bigint NOT NULL,
    recovered bigint NOT NULL,
    settles text COLLATE "C",
    recorded_at text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    person_ref text COLLATE "C",
    month integer NOT NULL DEFAULT CAST(current_setting('socle.month') AS integer),
    PRIMARY KEY (pos, month)
) PARTITION BY LIST (month);
CREATE INDEX entries_id ON entries (id);
CREATE INDEX entries_settles ON entries (settles) WHERE settles IS NOT NULL;
CREATE INDEX entries_person ON entries (person_ref) WHERE person_ref IS NOT NULL;
CREATE INDEX entries_closings ON entries (pos) WHERE operation = 'USAGE.CLOTURE';
CREATE INDEX entries_extractions ON entries (pos) WHERE operation = 'DUI.EXTRACTION';
CREATE INDEX entries_retentions ON entries (pos) WHERE operation = 'JOURNAL.RETENTION';

-- One id, one entry, whatever the months and the logs: filled by each INSERT into entries.
CREATE TABLE entry_ids (id text COLLATE "C" PRIMARY KEY, pos bigint NOT NULL);

CREATE FUNCTION entries_are_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entry_ids (id, pos) SELECT id, pos FROM fresh;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_are_new AFTER INSERT ON entries REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION entries_are_new();

CREATE FUNCTION entries_are_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM entry_ids USING gone WHERE entry_ids.id = gone.id;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_are_gone AFTER DELETE ON entries REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION entries_are_gone();

CREATE FUNCTION entries_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'an entry is never changed'; END $$;
CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION entries_never_change();

-- What is left of an entry that retention let go (decision 0040): which places of a stretch of 1024 it left, and their leaves.
CREATE TABLE departed (
    log_id bigint NOT NULL,
    chunk bigint NOT NULL,
    act text COLLATE "C" NOT NULL,
    event_first text COLLATE "C" NOT NULL,
    event_last text COLLATE "C" NOT NULL,
    places text COLLATE "C" NOT NULL,
    leaves bytea NOT NULL,
    PRIMARY KEY (log_id, chunk, act)
);
CREATE INDEX departed_events ON departed (event_last, event_first);

CREATE FUNCTION departed_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a kept leaf is never changed'; END $$;
CREATE TRIGGER departed_never_change BEFORE UPDATE ON departed FOR EACH ROW EXECUTE FUNCTION departed_never_change();
CREATE FUNCTION departed_never_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a kept leaf is never deleted'; END $$;
CREATE TRIGGER departed_never_leave BEFORE DELETE ON departed FOR EACH ROW EXECUTE FUNCTION departed_never_leave();
CREATE TRIGGER departed_never_vanish BEFORE TRUNCATE ON departed FOR EACH STATEMENT EXECUTE FUNCTION departed_never_leave();

-- Only a call whose outcome is known leaves, and only once its leaf is kept.
CREATE FUNCTION entries_never_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.kind = 'call' AND OLD.outcome IS DISTINCT FROM 'in_doubt'
        AND OLD.operation IS DISTINCT FROM 'DUI.EXTRACTION' AND EXISTS (
            SELECT 1 FROM departed
            WHERE log_id = OLD.pos >> 40 AND chunk = (OLD.pos & 1099511627775) >> 10
                AND substr(places, CAST(OLD.pos & 1023 AS integer) + 1, 1) = '1'
        )
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'an entry is never deleted';
END $$;
CREATE TRIGGER entries_never_leave BEFORE DELETE ON entries FOR EACH ROW EXECUTE FUNCTION entries_never_leave();
CREATE TRIGGER entries_never_vanish BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_never_leave();

CREATE TABLE intents (
    call_id text COLLATE "C" PRIMARY KEY,
    log bigint NOT NULL,
    boot text COLLATE "C" NOT NULL,
    operation text COLLATE "C",
    key_ref text COLLATE "C",
    deadline text COLLATE "C" NOT NULL,
    commitment bytea,
    blob bytea,
    draft bytea NOT NULL
);

CREATE TABLE doubts (
    entry_id text COLLATE "C" PRIMARY KEY,
    pos bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    operation text COLLATE "C",
    key_ref text COLLATE "C",
    person_ref text COLLATE "C",
    deadline text COLLATE "C" NOT NULL,
    commitment bytea,
    blob bytea,
    since text COLLATE "C" NOT NULL,
    not_found bigint NOT NULL DEFAULT 0
);
CREATE INDEX doubts_key ON doubts (key_ref) WHERE key_ref IS NOT NULL;

CREATE TABLE refs (
    ref text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    lookup bytea NOT NULL UNIQUE,
    sealed bytea
);

CREATE TABLE keys (
    tenant text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    key_ref text COLLATE "C" NOT NULL,
    log bigint NOT NULL,
    seq bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, operation, key_ref)
);

CREATE TABLE own_keys (
    lookup bytea PRIMARY KEY,
    call_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    person_ref text COLLATE "C",
    answer bytea
);
CREATE INDEX own_keys_person ON own_keys (person_ref) WHERE person_ref IS NOT NULL;

CREATE TABLE bodies (
    pos bigint NOT NULL,
    n bigint NOT NULL,
    role text COLLATE "C" NOT NULL,
    salt bytea NOT NULL,
    month integer NOT NULL DEFAULT CAST(current_setting('socle.month') AS integer),
    PRIMARY KEY (pos, n, month)
) PARTITION BY LIST (month);

CREATE TABLE blobs (
    pos bigint NOT NULL,
    n bigint NOT NULL,
    sealed_key bytea NOT NULL,
    sealed bytea NOT NULL,
    month integer NOT NULL DEFAULT CAST(current_setting('socle.month') AS integer),
    PRIMARY KEY (pos, n, month)
) PARTITION BY LIST (month);
ALTER TABLE blobs ALTER COLUMN sealed SET STORAGE EXTERNAL; -- sealed: there is nothing to compress

CREATE TABLE facts (
    pos bigint NOT NULL,
    body bytea NOT NULL,
    month integer NOT NULL DEFAULT CAST(current_setting('socle.month') AS integer),
    PRIMARY KEY (pos, month)
) PARTITION BY LIST (month);

CREATE TABLE facts_about (
    pos bigint NOT NULL,
    person bytea NOT NULL,
    month integer NOT NULL DEFAULT CAST(current_setting('socle.month') AS integer),
    PRIMARY KEY (pos, person, month)
) PARTITION BY LIST (month);
CREATE INDEX facts_about_person ON facts_about (person);

CREATE FUNCTION facts_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM facts_about WHERE pos = OLD.pos;
    RETURN NULL;
END $$;
CREATE TRIGGER facts_leave AFTER DELETE ON facts FOR EACH ROW EXECUTE FUNCTION facts_leave();

CREATE TABLE usage_units (
    environment text COLLATE "C" NOT NULL,
    indicator text COLLATE "C" NOT NULL,
    finess_et text COLLATE "C" NOT NULL,
    unit_ref text COLLATE "C" NOT NULL,
    event_time text COLLATE "C" NOT NULL,
    log bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (environment, indicator, unit_ref, log, seq)
);
CREATE INDEX usage_units_messages ON usage_units (environment, finess_et, event_time) WHERE indicator = 'IND-MSS-01';
CREATE INDEX usage_units_persons ON usage_units (environment, finess_et, unit_ref, event_time) WHERE indicator = 'IND-DMP-01';
-- Two writers may count one message at the same moment: the row itself is what they agree by.
CREATE UNIQUE INDEX usage_units_once ON usage_units (environment, unit_ref) WHERE indicator = 'IND-MSS-01';

CREATE TABLE usage_beside (
    environment text COLLATE "C" NOT NULL,
    indicator text COLLATE "C" NOT NULL,
    finess_et text COLLATE "C" NOT NULL,
    event_time text COLLATE "C" NOT NULL,
    log bigint NOT NULL,
    seq bigint NOT NULL,
    what text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment, indicator, finess_et, event_time, log, seq)
);

-- The partitions of one month, made beside the tables and then attached: neither readers nor writers wait for it.
CREATE FUNCTION make_month(month integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('socle.make_month'));
    FOREACH name IN ARRAY ARRAY['entries', 'bodies', 'blobs', 'facts', 'facts_about'] LOOP
        IF to_regclass(format('%I', name || '_' || month)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', name || '_' || month, name);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', name, name || '_' || month, month);
        END IF;
    END LOOP;
END $$;

-- SQLite's function of this name, for the lists of texts that statements are given as JSON.
CREATE FUNCTION json_each(list text) RETURNS TABLE (value text) LANGUAGE sql IMMUTABLE AS $$
    SELECT json_array_elements_text(CAST(list AS json))
$$;
