"""The rules of programme-indicateurs §4 written a second time, slowly and without the code under test."""
from __future__ import annotations

LETTERS = {"A": 1, "B": 2}
TERRITORIES = {"971": "1", "972": "2", "973": "3", "974": "4", "975": "5"}


def luhn(number: str) -> bool:
    total = 0
    for index, char in enumerate(number[::-1]):
        digit = LETTERS[char] if char in LETTERS else int(char)
        total += digit if index % 2 == 0 else sum(map(int, str(2 * digit)))
    return total % 10 == 0


def in_place(number: str, postcode: str) -> bool:
    if postcode.startswith("20"):
        return number[:2] == ("2A" if postcode < "20200" else "2B")
    if postcode.startswith("976"):
        return number[:2] == "98"
    if postcode.startswith("97"):
        return number[:2] == "97" and number[3] == TERRITORIES[postcode[:3]]
    return number[:2] == postcode[:2]


def good(number: str, postcode: str) -> bool:
    shaped = len(number) == 9 and number[0].isdecimal() and number[2:].isdecimal() and number[1] in "0123456789AB"
    return shaped and luhn(number) and in_place(number, postcode)


def bare(typed: str) -> str:
    return "".join(char for char in typed if char.isalnum()).upper()


def insertions(number: str, postcode: str) -> set[str]:
    made = {number[:at] + char + number[at:] for at in range(9) for char in "0123456789AB"}
    return {one for one in made if good(one, postcode)}


def deletions(number: str, postcode: str) -> set[str]:
    return {one for at in range(len(number)) if good(one := number[:at] + number[at + 1 :], postcode)}


def expected(typed: list[str], postcode: str, others: set[str]) -> tuple[str, str, str]:
    """(retenu, statut, regle) of one row before R8; ``typed`` in document order, no blank; ``others``: every number typed."""
    if not typed:
        return "", "a_verifier", "R6"
    numbers = list(dict.fromkeys(map(bare, typed)))
    right = [one for one in numbers if good(one, postcode)]
    if len(numbers) == 1 and right:
        return numbers[0], "confirme", "R0" if all(one == numbers[0] for one in typed) else "R1"
    if len(right) == 1:
        rest = [one for one in numbers if one not in right]
        lost = all(len(one) == 8 and one in {right[0][:i] + right[0][i + 1 :] for i in range(9)} for one in rest)
        return right[0], "confirme", "R4" if lost else "R2"
    if right:
        return numbers[0], "a_verifier", "R2"
    for length, made, rule in ((8, insertions, "R3"), (10, deletions, "R5")):
        if all(len(one) == length for one in numbers):
            found = set.intersection(*(made(one, postcode) for one in numbers))
            if len(found) == 1 and not found & others:
                return found.pop(), "corrige_propose", rule
    first = numbers[0]
    if len(first) == 9 and first[2:].isdecimal() and first[0].isdecimal() and first[1] in "0123456789AB" and luhn(first):
        return first, "a_verifier", "R7"
    return first, "a_verifier", "R6"


def shared(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    kept = [one[0] for one in rows]
    return [(one[0], "a_verifier", "R8") if one[0] and kept.count(one[0]) > 1 else one for one in rows]
