"""The checks that exist, and the sets under which they are run and named in a verdict (design §4).

A set is known by name, version and SHA-256. The hash is taken over the checks' rows, the requirements that they cite, the
source of the modules that judge them, of the one that makes a verdict of what they find, and of those that make the facts: the
same hash is the same judgement.
"""
from __future__ import annotations

import hashlib
import tomllib
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from gateway.conformance.model import FACTS_VERSION, Requirement, Rule
from gateway.conformance.rules import ann, dmp, ins, jrn, mss, psc

#: Everything; its name stands in the verdict of each entry. What is run when nothing is asked.
ALL, SMOKE = "tout", "smoke"
_MODULES = {"INS": ins, "DMP": dmp, "MSS": mss, "PSC": psc, "ANN": ann, "JRN": jrn}


@dataclass(frozen=True, slots=True)
class RuleSet:
    name: str
    version: str
    label: str
    sha256: str
    rules: tuple[Rule, ...]

    def only(self, family: str) -> RuleSet:
        """The checks of one family, under the name, version and hash of the set: it is the same judgement of fewer things."""
        return replace(self, label=f"{self.label}, {family}", rules=tuple(one for one in self.rules if one.family == family))


@cache
def rule_set(name: str) -> RuleSet:
    """Raises KeyError for a name that is not in ``set_names()``."""
    row = _sets()[name]
    known = catalogue()
    chosen = list(known) if row["checks"] == ["*"] else row["checks"]
    rules = tuple(known[one] for one in chosen)
    return RuleSet(name, str(row["version"]), str(row["label"]), _hash(rules), rules)


def set_names() -> list[str]:
    return list(_sets())


@cache
def catalogue() -> dict[str, Rule]:
    """Every check by id, in the catalogue's order."""
    cited = requirements()
    return {row["id"]: _rule(row, cited) for row in _table("catalogue.toml", "check")}


@cache
def requirements() -> dict[str, Requirement]:
    """What the checks cite, by key."""
    found = {}
    for row in _table("requirements.toml", "requirement"):
        one = Requirement(**{name: value for name, value in row.items() if name != "key"})
        found[row["key"]] = replace(one, sha256=hashlib.sha256(one.label.encode()).hexdigest())
    return found


def _rule(row: dict[str, Any], cited: dict[str, Requirement]) -> Rule:
    module = _MODULES[row["family"]]
    return Rule(
        id=row["id"], title=row["title"], text=row["text"], scenario=row["scenario"], place=row["place"],
        expected=row["expected"], family=row["family"], profile=row.get("profile", "Général"),
        criticality=row.get("criticality", "MAJOR"), operations=tuple(row["operations"]),
        requirements=tuple(cited[key] for key in row["requirements"]), provoked=row.get("provoked", False),
        own_doors=row.get("own_doors", False),
        on_call=module.CALL.get(row["id"]), on_run=module.RUN.get(row["id"]),
    )  # fmt: skip


def _hash(rules: tuple[Rule, ...]) -> str:
    rows = [{name: value for name, value in asdict(rule).items() if name not in ("on_call", "on_run")} for rule in rules]
    digest = hashlib.sha256(orjson.dumps([FACTS_VERSION, rows], option=orjson.OPT_SORT_KEYS))
    judging = {"base", *(rule.family.lower() for rule in rules)}  # ins: ins.py, ins_message.py …
    for package, modules in ((__package__, judging), ("gateway.conformance.facts", None), ("gateway.conformance", {"judging"})):
        for one in sorted(files(package).iterdir(), key=lambda one: one.name):
            name, _, ending = one.name.partition(".")
            if ending == "py" and (modules is None or name.partition("_")[0] in modules):
                digest.update(one.read_text("utf-8").encode())
    return digest.hexdigest()


@cache
def _sets() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in _table("sets.toml", "set")}


def _table(name: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))[key]
    return rows
