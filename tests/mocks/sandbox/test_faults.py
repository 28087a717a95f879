from typing import Any

import pytest

from mocks.sandbox.faults import Faults, InvalidFault

TIMEOUT = {"operation": "DMP.TD2.1", "kind": "timeout", "delay_s": 2, "for_next": 2}


def test_a_fault_touches_the_calls_of_its_operation_then_disarms_itself() -> None:
    faults = Faults(seed=1)
    fault = faults.arm_json(TIMEOUT)
    assert faults.take("INS.RECHERCHE_TRAITS") is None
    assert [faults.take("DMP.TD2.1") for _ in range(3)] == [fault, fault, None]
    assert faults.to_json() == []


def test_what_is_left_is_shown() -> None:
    faults = Faults(seed=1)
    faults.arm_json(TIMEOUT)
    faults.take("DMP.TD2.1")
    [shown] = faults.to_json()
    assert (shown["for_next"], shown["left"], shown["id"]) == (2, 1, "fault-1")


def test_two_faults_touch_two_calls_in_the_order_armed() -> None:
    faults = Faults(seed=1)
    first = faults.arm_json({**TIMEOUT, "for_next": 1})
    second = faults.arm_json({"operation": "DMP.TD2.1", "kind": "reset"})
    assert [faults.take("DMP.TD2.1"), faults.take("DMP.TD2.1")] == [first, second]


def test_a_rate_draws_the_same_calls_for_the_same_seed() -> None:
    def touched(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.arm_json({"id": "f", "operation": "PSC.TOKEN", "kind": "status", "value": "503", "for_next": 1000, "rate": 0.3})
        return [faults.take("PSC.TOKEN") is not None for _ in range(200)]

    assert touched(1) == touched(1)
    assert touched(1) != touched(2)
    assert 30 < sum(touched(1)) < 90


def test_disarm_one_or_all() -> None:
    faults = Faults(seed=1)
    faults.arm_json({**TIMEOUT, "id": "a"})
    faults.arm_json({**TIMEOUT, "id": "b"})
    faults.disarm("a")
    assert [fault["id"] for fault in faults.to_json()] == ["b"]
    faults.disarm()
    assert faults.to_json() == []


def test_a_fault_armed_for_a_time_touches_every_call_until_then() -> None:
    now = 100.0
    faults = Faults(seed=1, now=lambda: now)
    faults.arm_json({"operation": "PSC.TOKEN", "kind": "reset", "for_s": 30})
    now = 129.0
    assert all(faults.take("PSC.TOKEN") for _ in range(50))
    now = 130.0
    assert (faults.take("PSC.TOKEN"), faults.to_json()) == (None, [])


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([], "objet JSON"),
        ({"kind": "reset"}, "operation"),
        ({**TIMEOUT, "kind": "explode"}, "kind"),
        ({**TIMEOUT, "for_next": 0}, "for_next"),
        ({**TIMEOUT, "delay_s": -1}, "delay_s"),
        ({**TIMEOUT, "rate": 0}, "rate"),
        ({**TIMEOUT, "for_s": 0}, "for_s"),
        ({**TIMEOUT, "delay_s": "nan"}, "delay_s"),
        ({**TIMEOUT, "surprise": 1}, "surprise"),
        ({"operation": "PSC.TOKEN", "kind": "status", "value": "200"}, "400"),
        ({"operation": "DMP.TD2.1", "kind": "soap"}, "code de la faute"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_reason(wanted: Any, reason: str) -> None:
    faults = Faults(seed=1)
    with pytest.raises(InvalidFault, match=reason):
        faults.arm_json(wanted)
    assert faults.to_json() == []
    assert faults.arm_json(TIMEOUT).kind == "timeout"
