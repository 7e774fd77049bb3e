"""exp_content of patients from another province."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from gateway.clock import CHINA
from gateway.intents import Intent, Record
from gateway.settlement.extension import extend
from gateway.settlement.preparing import Preparer
from gateway.settlement.visits import Visit, VisitState

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("infno", "med_type", "expected"),
    [
        ("2206", "13", {"OTP_ER_REFL_FLAG": "1"}),
        ("2401", "13", {"IPT_TYPE": "2"}),
        ("2401", "22", {"TRUM_FLAG": "1"}),
        ("2203", "9903", {"TRUM_FLAG": "1"}),
        ("2207", "11", None),
        ("2204", "13", None),
    ],
)
def test_what_the_medical_type_says_is_filled_in(
    infno: str, med_type: str, expected: dict[str, str] | None
) -> None:
    """Rules section 11: 22 and 9903 are injuries; 13 is an emergency; 2204 has no such keys."""
    filled: dict[str, Any] = {"data": {"med_type": med_type}}
    extend(infno, filled, [])
    text = filled["data"].get("exp_content")
    assert (msgspec.json.decode(text) if text else None) == expected


def test_what_the_sender_states_wins() -> None:
    """A transfer in an emergency is 3, and other members of the sender's object stay."""
    filled: dict[str, Any] = {"data": {"med_type": "13", "exp_content": '{"X":"y"}'}}
    extend("2207", filled, [Record({"OTP_ER_REFL_FLAG": "3"})])
    content = msgspec.json.decode(filled["data"]["exp_content"])
    assert content == {"OTP_ER_REFL_FLAG": "3", "X": "y"}


def test_a_local_patient_has_no_such_keys(preparer: Preparer, outpatient: Intent) -> None:
    """The keys are for another province only."""
    outpatient.visit.values["patient_class"] = "E"
    known = Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class=outpatient.visit_class or pytest.fail("no class"),
        state=VisitState.NONE,
    )
    for region, there in (("430100", False), ("440300", True)):
        outpatient.person.values["insuplc_admdvs"] = region
        prepared = preparer.prepare(outpatient, known, NOW)
        data = preparer.fill(prepared.steps[-1], outpatient, known).input["data"]
        assert ("exp_content" in data) is there
