"""What is stored of results and answers: every digit, no source, no e-voucher token."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.intents import (
    Answer,
    Intent,
    Record,
    Reply,
    Resource,
    Result,
    Settlement,
    Source,
    Status,
    Verb,
)
from gateway.journal import storage

TOKEN = "TOKEN-OF-A-VOUCHER"


def result(**members: Any) -> Result:
    """A result of an intent with these members."""
    return Result(status=Status.DONE, intent=Intent(verb=Verb.SETTLE, **members))


def kept(value: Result) -> Result:
    """The result after storing and reading."""
    stored = storage.decode_result(storage.encode_result(value))
    assert stored is not None
    return stored


def test_the_token_of_a_person_is_blanked() -> None:
    """mdtrt_cert_type 01 is the electronic voucher; the original keeps its token for the send."""
    one = result(person=Record({"mdtrt_cert_type": "01", "mdtrt_cert_no": TOKEN, "certno": "X"}))
    assert kept(one).intent.person.values == {
        "mdtrt_cert_type": "01",
        "mdtrt_cert_no": "",
        "certno": "X",
    }
    assert one.intent.person.get("mdtrt_cert_no") == TOKEN


@pytest.mark.parametrize("lasting", ["02", "03"])
def test_the_number_of_a_card_is_kept(lasting: str) -> None:
    """An identity card or insurance card number is no secret of one visit."""
    one = result(person=Record({"mdtrt_cert_type": lasting, "mdtrt_cert_no": "N"}))
    assert kept(one).intent.person.get("mdtrt_cert_no") == "N"


@pytest.mark.parametrize("other", ["1", "10", ""])
def test_a_number_that_may_be_a_token_is_not_kept(other: str) -> None:
    """F-033: without a type that is known to last, the number may be an e-voucher's."""
    one = result(person=Record({"mdtrt_cert_type": other, "mdtrt_cert_no": TOKEN}))
    assert kept(one).intent.person.get("mdtrt_cert_no") == ""


@pytest.mark.parametrize("spelling", ["01", "1", 1])
def test_the_token_in_a_carried_input_is_blanked_wherever_it_stands(spelling: object) -> None:
    """Also in a list, in another node than the type, and with the type as a number."""
    carried = {
        "data": {"mdtrt_cert_type": spelling, "psn_no": "P"},
        "rows": [{"mdtrt_cert_no": TOKEN, "cnt": Decimal("1.50")}],
    }
    one = result(carried=carried, carried_header=Record({"mdtrt_cert_no": TOKEN}))
    data = storage.encode_result(one)
    assert data is not None
    assert TOKEN.encode() not in data
    assert kept(one).intent.carried["rows"] == [{"mdtrt_cert_no": "", "cnt": Decimal("1.50")}]


def test_the_token_that_a_reply_repeats_is_blanked() -> None:
    """Some centres echo what they were given."""
    reply = Reply(
        infcode="0", output={"baseinfo": {"mdtrt_cert_type": "01", "mdtrt_cert_no": TOKEN}}
    )
    assert TOKEN.encode() not in storage.encode_reply(reply)


def test_no_source_of_any_record_is_kept() -> None:
    """Sources name what stood in the message, which may be a name."""
    sourced = Record({"a": "1"}, {"a": Source("PID-5", "张伟示")})
    one = result(person=sourced, charges=[sourced], diagnoses=[sourced])
    one.insurances = [sourced]
    one.settlements = [Settlement(infno="2207", msgid="m", info=sourced, funds=[sourced])]
    data = storage.encode_result(one)
    assert data is not None
    assert "张伟示".encode() not in data
    assert kept(one).settlements[0].funds == [Record({"a": "1"})]


@pytest.mark.parametrize("text", ["12.50", "0.10", "1234567890123.45", "0.000001", "-3.00", "100"])
def test_an_amount_keeps_every_digit(text: str) -> None:
    """Decimal in, the same decimal text out; an integer may come back as an integer."""
    one = result(carried={"amount": Decimal(text)})
    assert str(kept(one).intent.carried["amount"]) == str(Decimal(text))


def test_no_number_is_read_as_a_float() -> None:
    """Not even one that a stranger sent as a float."""
    one = result(carried={"a": 0.1, "b": [1e300], "c": Decimal("0.1")})
    carried = kept(one).intent.carried
    assert {type(carried["a"]), type(carried["b"][0]), type(carried["c"])} == {Decimal}


def test_no_result_is_stored_as_none() -> None:
    """A refused message has an answer and no result."""
    assert storage.encode_result(None) is None
    assert storage.decode_result(None) is None


def test_an_answer_comes_back_byte_for_byte_without_its_resources() -> None:
    """Bodies are bytes of any charset."""
    answer = Answer(
        body="中".encode("gb18030") + b"\x00\xff",
        content_type="x-application/hl7-v2+er7",
        status=202,
        headers={"Location": "/Task/1"},
        outcome=Status.UNKNOWN,
        resources=[Resource(type="Task", id="1", body=b"{}")],
        final=False,
    )
    stored = storage.decode_answer(storage.encode_answer(answer))
    assert stored == msgspec.structs.replace(answer, resources=[])
    assert len(answer.resources) == 1
