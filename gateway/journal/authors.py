"""Who an administrative entry says did something: an organisation or a role, in clear, never a person (design §5.6)."""
from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_FORM = r"^[a-z0-9._-]{1,64}$"
_WHO = re.compile(_FORM)
_MOST_DIGITS = 9  # a FINESS has nine; an RPPS eleven, a matricule thirteen or fifteen


def is_author(text: str) -> bool:
    """Whether an entry may hold this name in clear: of the form, and too few digits to number a person."""
    return _WHO.fullmatch(text) is not None and sum(map(str.isdecimal, text)) <= _MOST_DIGITS


def _checked(text: str) -> str:
    if not is_author(text):
        raise ValueError("un auteur n'est pas le numéro d'une personne : nommez un organisme ou un rôle")
    return text


#: The member ``by`` of a request.
Author = Annotated[str, Field(pattern=_FORM), AfterValidator(_checked)]
