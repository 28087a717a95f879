"""The plan of a demonstration: seeded, on both sides of the target, with every provoked failure."""
from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import failures, scenario
from loadtests.scenario import Plan, Player
from loadtests.world import Person

DENOMINATORS = (25, 80, 38, 125, 61, 48, 80, 14, 15, 115, 45, None)


def person(number: int, finess_et: str, dmp: str = "active") -> Person:
    return Person(
        matricule=f"1{number:014d}", oid="1.2.250.1.213.1.4.8", birth_name="EXEMPLE", first_names=("ALIX",), sex="F",
        birth_date="1940-01-01", birth_place="13055", dmp=dmp, mes="open", insi="found", structure=finess_et,
    )  # fmt: skip


def grappe(denominators: tuple[int | None, ...] = DENOMINATORS) -> list[Player]:
    players = []
    for row, denominator in enumerate(denominators):
        finess_et = f"13000{row:04d}"
        people = [person(row * 1000 + n, finess_et, "closed" if n == 0 else "active") for n in range(denominator or 10)]
        players.append(Player(finess_et, denominator, tuple(people)))
    return players


def numerators(plan: Plan) -> dict[tuple[str, str, int], int]:
    """Counted again from the acts, as a reader of the journal would."""
    messages: Counter[tuple[str, str, int]] = Counter()
    fed: dict[tuple[str, str, int], set[str]] = {}
    for day in plan.days:
        window = 0 if day.month < 3 else day.month - 2
        for incident in day.incidents:
            messages[incident.finess_et, "IND-MSS-01", window] += incident.resent
        for finess_et, acts in day.acts.items():
            for act in acts:
                if act.kind == "message":
                    messages[finess_et, "IND-MSS-01", window] += 1
                else:
                    fed.setdefault((finess_et, "IND-DMP-01", window), set()).add(act.person.matricule)
    return {**+messages, **{key: len(persons) for key, persons in fed.items()}}


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert scenario.plan(grappe(), 4, 7) == scenario.plan(grappe(), 4, 7)
    assert scenario.plan(grappe(), 4, 7).expected != scenario.plan(grappe(), 4, 8).expected


def test_what_is_expected_is_what_the_acts_are_worth() -> None:
    plan = scenario.plan(grappe(), 4, 1)
    assert numerators(plan) == {key: n for key, n in plan.expected.items() if n}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), months=st.integers(1, 6))
def test_some_essms_reach_the_target_and_some_do_not(seed: int, months: int) -> None:
    players = grappe()
    plan = scenario.plan(players, months, seed)
    windows = 1 if months <= 3 else months - 2
    for indicator in ("IND-DMP-01", "IND-MSS-01"):
        for window in range(windows):
            reached = {
                100 * plan.expected[player.finess_et, indicator, window] >= 70 * player.denominator
                for player in players
                if player.denominator
            }
            assert reached == {True, False}, (indicator, window)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), months=st.integers(1, 6))
def test_every_provoked_failure_is_planned(seed: int, months: int) -> None:
    incidents = [incident for day in scenario.plan(grappe(), months, seed).days for incident in day.incidents]
    assert {incident.why for incident in incidents} == set(failures.PROVOKED)


def test_an_expired_token_has_a_day_before_it() -> None:
    for seed in range(20):
        plan = scenario.plan(grappe(), 1, seed)
        assert plan.days[0].incidents == ()


def test_a_closed_dmp_is_found_for_the_incident_and_never_fed() -> None:
    plan = scenario.plan(grappe(), 4, 3)
    [closed] = [incident for day in plan.days for incident in day.incidents if incident.why == failures.DMP_CLOSED]
    assert closed.person is not None and closed.person.dmp == "closed"
    fed = [act.person for day in plan.days for acts in day.acts.values() for act in acts if act.kind == "feed"]
    assert fed and all(one.can_be_fed for one in fed)


def test_insi_is_asked_once_for_each_person_fed() -> None:
    plan = scenario.plan(grappe(), 4, 3)
    fed = [act for day in plan.days for acts in day.acts.values() for act in acts if act.kind == "feed"]
    assert Counter(act.person.matricule for act in fed if act.search) == Counter({act.person.matricule for act in fed})


def test_the_plan_is_about_3500_calls() -> None:
    plan = scenario.plan(grappe(), 4, 1)
    acts = [act for day in plan.days for acts in day.acts.values() for act in acts]
    feeds = [act for act in acts if act.kind == "feed"]
    calls = 2 * len(feeds) + sum(act.search for act in feeds) + (len(acts) - len(feeds))
    assert 2_000 < calls < 4_000


@pytest.mark.parametrize("start", [date(2026, 1, 31), date(2026, 11, 21), date(2028, 2, 29), date(2026, 12, 31)])
def test_days_are_weekdays_of_the_months_that_follow_in_order(start: date) -> None:
    plan = scenario.plan(grappe(), 4, 1)
    days = scenario.calendar(plan, start)
    assert [day for _, day in days] == list(plan.days)
    dates = [on for on, _ in days]
    assert dates == sorted(set(dates)) and dates[0] > start and all(on.weekday() < 5 for on in dates)
    assert [(on.year * 12 + on.month) - (start.year * 12 + start.month) - 1 for on in dates] == [day.month for day in plan.days]
    assert dates[-1] < scenario.end_of(plan, start)
    assert scenario.end_of(plan, start).day == 1


def test_nobody_to_play_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one month"):
        scenario.plan([Player("130000001", 10, ())], 4, 1)
