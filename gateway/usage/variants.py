"""Numerators under other options than the definition's: they open the counted entries, which say what a message was."""
from __future__ import annotations

from typing import Any

from gateway.usage.counting import Counting, Slot
from gateway.usage.parts import Options

_MESSAGES = "IND-MSS-01"


class NoSuchOption(ValueError):
    """An option that the journal cannot give. The message is French."""


def check(options: Options) -> None:
    """Raises NoSuchOption."""
    if options.deduire_suppressions:
        raise NoSuchOption(
            "déduire les suppressions : la passerelle ne relaie pas d'opération de suppression du DMP, rien ne les compte ; "
            "retirez cette option."
        )


def count_with(options: Options, counting: Counting, slot: Slot) -> int:
    """Units of the slot under these options. Raises NoSuchOption when their entries left."""
    if slot.indicator != _MESSAGES or (options.per == "message" and options.patients):
        return counting.numerator(slot)
    frozen = counting.frozen(slot)
    if frozen is not None and frozen.events:
        raise NoSuchOption(f"elle demande d'ouvrir chaque message, et une mesure est {frozen.text} ; retirez cette option.")
    return sum(_worth(counting.entry(row.place), options) for row in counting.rows(slot))


def _worth(entry: dict[str, Any], options: Options) -> int:
    sent = entry["recipients"] or {"pro": 0, "citoyen": 0, "interne": 0}
    professionals = sent["pro"] + sent["interne"]
    if options.per == "destinataire":
        return int(professionals + (sent["citoyen"] if options.patients else 0)) or int(entry["recipients"] is None)
    return int(options.patients or entry["channel"] != "mss_citoyenne")
