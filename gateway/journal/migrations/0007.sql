-- A rate reads every closing and every extraction: few among the calls, found without a walk over them. SQLite takes such an index
-- only for a query that holds the very same term: the operation is a literal there.

CREATE INDEX entries_closings ON entries (pos) WHERE operation = 'USAGE.CLOTURE';
CREATE INDEX entries_extractions ON entries (pos) WHERE operation = 'DUI.EXTRACTION';
