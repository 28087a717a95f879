"""The SQL of counting. ``{units}`` is the table of units, ``{inside}`` the condition of the vector; values are named.

Indicators are written out, as each has an index of its own (migration 0006). A test reads the plan of each statement.
"""
# ruff: noqa: S608 - constants only
from __future__ import annotations

from gateway.journal.departed import HOLDS
from gateway.journal.store import POS_BITS

_MESSAGES, _PERSONS = "IND-MSS-01", "IND-DMP-01"
_IN_WINDOW = "event_time >= :start AND event_time < :end{inside}"
_OF = {
    name: f"FROM {{units}} WHERE environment = :environment AND indicator = '{name}' AND finess_et = :finess_et"
    for name in (_MESSAGES, _PERSONS)
}
#: Every person that the ESSMS ever fed, one after the other, each found by one leap.
_EACH_PERSON = f"""
WITH RECURSIVE each(ref) AS (
    SELECT min(unit_ref) {_OF[_PERSONS]}
    UNION ALL
    SELECT (SELECT min(unit_ref) {_OF[_PERSONS]} AND unit_ref > each.ref) FROM each WHERE each.ref IS NOT NULL
)
"""

NUMERATOR = {
    _MESSAGES: f"SELECT COUNT(*) {_OF[_MESSAGES]} AND {_IN_WINDOW}",  # a message has one row for good: all are distinct
    _PERSONS: (
        f"{_EACH_PERSON} SELECT COUNT(*) FROM each WHERE ref IS NOT NULL"
        f" AND EXISTS (SELECT 1 {_OF[_PERSONS]} AND unit_ref = each.ref AND {_IN_WINDOW})"
    ),
}
ROWS = {
    _MESSAGES: f"SELECT unit_ref, event_time, log, seq {_OF[_MESSAGES]} AND {_IN_WINDOW} ORDER BY event_time, unit_ref, log, seq",
    _PERSONS: (
        f"{_EACH_PERSON} SELECT unit_ref, event_time, log, seq FROM each CROSS JOIN {{units}}"
        f" WHERE each.ref IS NOT NULL AND environment = :environment AND indicator = '{_PERSONS}' AND finess_et = :finess_et"
        f" AND unit_ref = each.ref AND {_IN_WINDOW} ORDER BY event_time, unit_ref, log, seq"
    ),
}
FIRST_UNIT = {
    _MESSAGES: f"SELECT min(event_time) {_OF[_MESSAGES]}{{inside}}",
    _PERSONS: (
        f"{_EACH_PERSON} SELECT min((SELECT min(event_time) {_OF[_PERSONS]} AND unit_ref = each.ref{{inside}}))"
        " FROM each WHERE ref IS NOT NULL"
    ),
}
LAST_UNIT = {
    name: sql.replace("min(event_time)", "max(event_time)").replace("min((", "max((") for name, sql in FIRST_UNIT.items()
}
#: A message counts once for good, whatever the window and the ESSMS; a person once in each window of each ESSMS.
COUNTED = {
    _MESSAGES: (
        f"SELECT log, seq FROM {{units}} WHERE environment = :environment AND indicator = '{_MESSAGES}' AND unit_ref = :unit_ref"
        "{inside} ORDER BY log, seq LIMIT 1"
    ),
    _PERSONS: f"SELECT log, seq {_OF[_PERSONS]} AND unit_ref = :unit_ref AND {_IN_WINDOW} ORDER BY event_time LIMIT 1",
}

_BESIDE = (
    "FROM usage_beside WHERE environment = :environment AND indicator = :indicator AND finess_et = :finess_et"
    " AND event_time >= :start AND event_time < :end{inside}"
)
_PLACE = f"log << {POS_BITS} | seq"
BESIDE = f"SELECT what, COUNT(*) {_BESIDE} GROUP BY what"
BESIDE_ROWS = f"SELECT {_PLACE}, what, event_time {_BESIDE} ORDER BY event_time, log, seq"
DOUBTS = (
    f"SELECT e.pos, s.outcome, s.pos FROM (SELECT {_PLACE} AS place {_BESIDE} AND what = 'in_doubt') b"
    " CROSS JOIN entries e LEFT JOIN entries s ON s.settles = e.id WHERE e.pos = b.place ORDER BY e.pos"
)
DOUBTS_NEAR = DOUBTS.replace("AND what", "AND (event_time < :after OR event_time >= :before) AND what")
#: How many rows of a slot have no entry any more, and when the last of these left.
_LEFT = "SELECT COUNT(*), max(a.recorded_at) FROM ({rows}) u JOIN departed d ON {holds} JOIN entries a ON a.id = d.act"
FROZEN = {name: _LEFT.replace("{rows}", rows).replace("{holds}", HOLDS) for name, rows in ROWS.items()}
FROZEN_BESIDE = _LEFT.replace("{rows}", f"SELECT log, seq {_BESIDE}").replace("{holds}", HOLDS)
LEFT_AT = (
    "SELECT a.recorded_at FROM (SELECT CAST(:log AS bigint) AS log, CAST(:seq AS bigint) AS seq) u"
    f" JOIN departed d ON {HOLDS} JOIN entries a ON a.id = d.act"
)
ANY = (
    "SELECT 1 FROM usage_units WHERE environment = :environment LIMIT 1",
    "SELECT 1 FROM usage_beside WHERE environment = :environment LIMIT 1",
)
ENDS = (
    "SELECT body FROM (SELECT body FROM entries ORDER BY pos LIMIT 50)"
    " UNION ALL SELECT body FROM (SELECT body FROM entries ORDER BY pos DESC LIMIT 50)"
)
