-- No query reads these: the search index beside the journal and usage_beside serve them (decisions 0016, 0022, 0032).

DROP INDEX entries_operation;
DROP INDEX entries_finess_et;
DROP INDEX entries_not_ok;
