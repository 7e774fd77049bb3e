"""A settlement in a reply is compared with what was asked for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.errors import ProblemCode
from gateway.intents import Intent, Record, Source, Verb
from gateway.settlement.agreeing import MismatchError, differing, is_mismatch, mismatches, noted

ASKED = {"data": {"mdtrt_id": "V1", "psn_no": "P1", "medfee_sumamt": Decimal("240.00")}}


@pytest.mark.parametrize(
    ("info", "fields"),
    [
        ({"mdtrt_id": "V1", "psn_no": "P1", "medfee_sumamt": "240.0"}, ()),
        ({"mdtrt_id": "V2"}, ("mdtrt_id",)),
        ({"psn_no": "P2"}, ("psn_no",)),
        ({"medfee_sumamt": "240.01"}, ("medfee_sumamt",)),
        ({"medfee_sumamt": "-240"}, ()),
        ({"medfee_sumamt": "0"}, ("medfee_sumamt",)),
        ({"medfee_sumamt": "many"}, ("medfee_sumamt",)),
        ({"medfee_sumamt": "1", "mdtrt_id": "V2"}, ("mdtrt_id", "medfee_sumamt")),
        ({}, ()),
        ({"psn_no": ""}, ()),
    ],
)
def test_a_field_that_is_there_and_differs_is_named(
    info: dict[str, str], fields: tuple[str, ...]
) -> None:
    """Amounts as numbers and without their sign, ids as text; what is left out is not held."""
    assert differing(ASKED, Record(info)) == fields


def test_a_cancellation_is_held_against_the_settlement_that_it_cancels() -> None:
    """2208 states no total: that of the settlement takes its place."""
    asked = {"data": {"mdtrt_id": "V1", "setl_id": "S1"}}
    assert differing(asked, Record({"medfee_sumamt": "-239.00"}), "240.00") == ("medfee_sumamt",)
    assert differing(asked, Record({"medfee_sumamt": "-240.00"}), "240.00") == ()


def test_the_problem_stands_at_the_place_of_the_field_in_the_message() -> None:
    """In both languages, as an error."""
    intent = Intent(verb=Verb.SETTLE, place="MSH-9")
    intent.settlement = Record({"medfee_sumamt": "240.00"}, {"medfee_sumamt": Source("FT1-11")})
    total, person = mismatches("2207", ("medfee_sumamt", "psn_no"), intent)
    assert (total.code, total.place, person.place) == (ProblemCode.FSI_MISMATCH, "FT1-11", "MSH-9")
    assert total.stops
    assert "医疗费总额" in total.zh
    assert "total" in total.en


@pytest.mark.parametrize("setl_id", ["T1", ""])
def test_the_note_of_the_send_says_what_differs_and_which_settlement_it_is(setl_id: str) -> None:
    """What an operator needs; read again after a restart."""
    note = str(MismatchError(("mdtrt_id", "medfee_sumamt"), setl_id))
    assert is_mismatch(note)
    assert noted(note) == ("mdtrt_id", "medfee_sumamt")
    assert note.endswith(f"medfee_sumamt; setl_id {setl_id}" if setl_id else "medfee_sumamt")


def test_another_note_is_no_mismatch() -> None:
    """A broken connection says nothing of what was settled."""
    assert not is_mismatch("no reply in time")
    assert noted("no reply in time: mdtrt_id") == ()


def test_text_of_the_platform_does_not_reach_the_note() -> None:
    """A setl_id that is no number is left out: it could be a name."""
    assert "张" not in str(MismatchError(("psn_no",), "张三"))
