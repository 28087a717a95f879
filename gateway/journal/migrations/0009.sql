-- Several gateways on one journal (decision 0046). Acts: admin entries in the order in which they became true, whatever log has
-- them, and what gateways tell each other; seen: the last one that a log's writer did as well. Who asks about a doubt, until when.
CREATE TABLE acts (n INTEGER PRIMARY KEY, log INTEGER NOT NULL, pos INTEGER, told BLOB);
ALTER TABLE log_heads ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE doubts ADD COLUMN asked_until TEXT;
