"""From the tables of a convention to a grappe of the registry: read, normalise, join, judge, propose, confirm.

Nothing here corrects a number by itself: a rule (R0 to R9, programme-indicateurs §4) says what it found, a person decides.
"""
