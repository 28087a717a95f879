"""What may be asked of the rates over HTTP, and the tag of an answer: the same tag means the same bytes (design §6)."""
from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, timedelta

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.doors.journal_asked import Problem
from gateway.settings import Environment
from gateway.usage.periods import FIRST_PERIOD_MONTHS, MOST_MONTHS, add_months, begun, may_end, parse_month

_MONTH = r"^[1-9]\d{3}-(0[1-9]|1[0-2])$"
_GRAPPE = r"^[a-z0-9][a-z0-9-]{0,63}$"
_SETTLED = timedelta(days=8)  # after its end plus the grace, nothing in an open window still depends on the hour
_TAG = re.compile(r'\s*(?:W/)?("[^"]*")\s*')


class _Asked(BaseModel):
    """What every question says. An unknown parameter is refused: a slip must not show another month."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    grappe: str = Field(pattern=_GRAPPE, description="Identifiant de la grappe, l'une de celles de la clé.")
    start: str | None = Field(
        None, alias="from", pattern=_MONTH, description="AAAA-MM : premier mois de la première période ; sinon celui du registre."
    )
    environment: Environment | None = Field(None, description="Environnement ; celui de la passerelle par défaut.")
    version: int | None = Field(None, ge=1, description="Version close de la fenêtre de « mois » ; la dernière par défaut.")

    mois: str | None = Field(None, pattern=_MONTH, description="AAAA-MM : la seule fenêtre qui finit ce mois-là.")

    def check(self, now: datetime) -> None:
        """Raises Problem for a month in which nothing can be counted yet."""
        for name, text, known in (("mois", self.mois, may_end), ("from", self.start, begun)):
            if text is not None and not known(parse_month(text), now):
                raise Problem("parametre", "Ce mois est à venir : rien n'y est compté.", parametres=[name])

    @property
    def first_month(self) -> date | None:
        return None if self.start is None else parse_month(self.start)


class AskedRates(_Asked):
    """Which measures."""

    months: int | None = Field(
        None, ge=FIRST_PERIOD_MONTHS, le=MOST_MONTHS, description="Nombre de mois, les trois de la première période compris."
    )

    def check(self, now: datetime) -> None:
        """Raises Problem for parameters that do not go together too."""
        if self.mois is not None and self.months is not None:
            raise Problem("parametre", "« mois » donne une fenêtre, « months » plusieurs : choisissez.", parametres=["months"])
        if self.version is not None and self.mois is None:
            raise Problem("parametre", "Une version est celle d'une fenêtre : donnez aussi « mois ».", parametres=["version"])
        super().check(now)

    @property
    def month(self) -> date | None:
        return None if self.mois is None else parse_month(self.mois)

    @property
    def end(self) -> date | None:
        """The day after the last window; None when it goes on to the present."""
        if self.month is not None:
            return add_months(self.month, 1)
        return None if self.first_month is None or self.months is None else add_months(self.first_month, self.months)


class AskedDetail(_Asked):
    """Which numerator to open."""

    mois: str = Field(pattern=_MONTH, description="AAAA-MM : la fenêtre qui finit ce mois-là.")
    finess_et: str = Field(pattern=r"^[0-9A-Z]{9}$", description="Numéro FINESS de l'ESSMS.")
    indicateur: str = Field(pattern=r"^IND-[A-Z]{3}-\d\d$", description="IND-MSS-01 ou IND-DMP-01.")

    @property
    def month(self) -> date:
        return parse_month(self.mois)

    @property
    def end(self) -> date:
        """The day after the window."""
        return add_months(self.month, 1)


_FIELDS = {field: item for model in (AskedRates, AskedDetail) for field, item in model.model_fields.items()}


def is_parameter(name: str) -> bool:
    """Whether a name is one of ours: any other is the caller's own text, and is not repeated."""
    return name == "forme" or name in {item.alias or field for field, item in _FIELDS.items()}


def still_moving(now: datetime, end: date | None) -> str:
    """What the clock alone may still change in windows that end there, to the hour, as every zone of an ESSMS is whole hours
    from UTC; '' when nothing."""
    return "" if end is not None and now.date() > end + _SETTLED else now.strftime("%Y-%m-%dT%H")


def tag_of(*parts: object) -> str:
    """A strong entity tag (RFC 9110 §8.8.3) of what an answer is a function of."""
    content = orjson.dumps(parts, default=str)
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has this answer already (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)
