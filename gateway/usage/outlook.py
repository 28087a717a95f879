"""Where an open window is going: straight on at its own pace, on integers (``parts.METHOD``)."""
from __future__ import annotations

from datetime import datetime, timedelta

from gateway.grappes.finess import zone_of
from gateway.usage.measure import Measure
from gateway.usage.parts import Projection


def projection(measure: Measure, now: datetime) -> Projection | None:
    """None for a window that is over or not begun, and for what has no target to reach or comes from an extraction."""
    if measure.source != "journal" or measure.needed is None or measure.status == "hors_champ" or measure.state != "ouvert":
        return None
    today = now.astimezone(zone_of(measure.finess_et or "")).date()
    window = measure.window
    days, of_days = (today - window.start).days + 1, (window.end - window.start).days
    if not 1 <= days <= of_days:
        return None
    at_end = measure.numerator * of_days // days
    if measure.numerator == 0 or measure.remaining == 0:
        return Projection(days, of_days, at_end, None)
    on = window.start + timedelta(days=-(-measure.needed * days // measure.numerator) - 1)
    return Projection(days, of_days, at_end, on if on < window.end else None)
