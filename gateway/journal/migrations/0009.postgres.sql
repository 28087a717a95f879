-- Several gateways on one journal (decision 0046). Acts: admin entries in the order in which they became true, whatever log has
-- them, and what gateways tell each other; seen: the last one that a log's writer did as well. Who asks about a doubt, until when.
CREATE TABLE acts (n bigint PRIMARY KEY, log bigint NOT NULL, pos bigint, told bytea);
ALTER TABLE log_heads ADD COLUMN seen bigint NOT NULL DEFAULT 0;
ALTER TABLE doubts ADD COLUMN asked_until timestamptz;

-- The row of store is what numbers them: whoever adds one holds it until the commit, so that none appears after a later one.
ALTER TABLE store ADD COLUMN acts bigint NOT NULL DEFAULT 0;
INSERT INTO acts (n, log, pos)
SELECT row_number() OVER (ORDER BY recorded_at, pos), pos >> 40, pos FROM entries WHERE kind = 'admin';
UPDATE store SET acts = (SELECT count(*) FROM acts);
