"""The national JSON adapter: envelope to intent, result to reply."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.errors import (
    DuplicateError,
    InvalidError,
    MessageError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnknownOutcomeError,
    UnsupportedError,
)
from gateway.inbound.national import NationalAdapter
from gateway.intents import Answer, Intent, Reply, Result, Status, Verb, VisitClass
from gateway.settings import PeerSettings

MSGID = "H43010000001202603010905070001"
PEER = PeerSettings(name="HIS", institutions=["H43010000001"])


class StoppedClock:
    """2026-03-01 09:05:07.042 for ever."""

    def now(self) -> datetime:
        """That moment."""
        return datetime(2026, 3, 1, 9, 5, 7, 42000, tzinfo=CHINA)

    def monotonic(self) -> float:
        """Not used here."""
        return 0.0


@pytest.fixture
def adapter() -> NationalAdapter:
    """An adapter that carries two transactions."""
    return NationalAdapter({"1101", "2207"}, StoppedClock())


def envelope(**changes: Any) -> bytes:
    """A settlement as a hospital composes it."""
    document = {
        "infno": "2207",
        "msgid": MSGID,
        "mdtrtarea_admvs": "430100",
        "insuplc_admdvs": "440300",
        "fixmedins_code": "H43010000001",
        "opter_type": "1",
        "opter": "007",
        "opter_name": "收费员",
        "inf_time": "2026-03-01 09:05:07",
        "sign_no": "S1",
        "input": {
            "data": {
                "psn_no": "43010000000000000001",
                "mdtrt_cert_type": "02",
                "mdtrt_cert_no": "x",
                "mdtrt_id": "M1",
                "medfee_sumamt": 12.5,
            }
        },
    } | changes
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()


def body(answer: Answer) -> dict[str, Any]:
    """The reply, parsed."""
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed


def result(status: Status, **fields: Any) -> Result:
    """A result of a carried transaction."""
    return Result(status=status, intent=Intent(verb=Verb.CARRY), **fields)


async def problems_of(adapter: NationalAdapter, raw: bytes, path: str = "") -> list[Problem]:
    """What is wrong with an envelope."""
    with pytest.raises(MessageError) as caught:
        await adapter.read(raw, PEER, {"infno": path} if path else {})
    return list(caught.value.problems)


async def test_an_envelope_becomes_an_intent_that_carries_it(adapter: NationalAdapter) -> None:
    """The keys that route and hold the visit come from the input, with their places."""
    message = await adapter.read(envelope(), PEER, {"infno": "2207"})
    assert (message.sender, message.control_id, message.kind) == ("H43010000001", MSGID, "2207")
    intent, problems = await adapter.understand(message, PEER)
    assert problems == []
    assert intent.verb is Verb.CARRY
    assert intent.visit_class is VisitClass.OUTPATIENT
    assert intent.carried_infno == "2207"
    assert intent.carried["data"]["medfee_sumamt"] == Decimal("12.5")
    assert intent.person.get("psn_no") == "43010000000000000001"
    assert intent.person.place("psn_no") == "input.data.psn_no"
    assert intent.person.get("insuplc_admdvs") == "440300"
    assert intent.visit.get("mdtrt_id") == "M1"
    header = intent.carried_header.values
    assert (header["opter"], header["opter_name"], header["sign_no"]) == ("007", "收费员", "S1")
    assert header["msgid"] == MSGID


async def test_numbers_in_the_header_are_taken_as_text(adapter: NationalAdapter) -> None:
    """Clients write opter_type and infno as numbers."""
    message = await adapter.read(envelope(infno=2207, opter_type=2), PEER, {})
    intent, _ = await adapter.understand(message, PEER)
    assert message.kind == "2207"
    assert intent.facility.get("opter_type") == "2"


async def test_the_number_may_stand_in_the_path_alone(adapter: NationalAdapter) -> None:
    """POST /fsi/1101 with an envelope that names none."""
    message = await adapter.read(envelope(infno=None), PEER, {"infno": "1101"})
    assert message.kind == "1101"


async def test_path_and_envelope_must_name_one_transaction(adapter: NationalAdapter) -> None:
    """A 2207 posted to /fsi/1101 is a mistake whose victim is money."""
    (problem,) = await problems_of(adapter, envelope(), "1101")
    assert (problem.code, problem.place) == (ProblemCode.FIELD_VALUE, "infno")


async def test_an_unknown_transaction_is_refused(adapter: NationalAdapter) -> None:
    """Nothing is passed through that no definition describes."""
    with pytest.raises(UnsupportedError):
        await adapter.read(envelope(infno="9999"), PEER, {})


async def test_everything_missing_in_the_header_is_told_at_once(
    adapter: NationalAdapter,
) -> None:
    """One answer names number, message id and institution."""
    problems = await problems_of(adapter, b"{}")
    assert [problem.place for problem in problems] == ["infno", "msgid", "fixmedins_code"]


@pytest.mark.parametrize("msgid", ["H" * 31, "张伟示", "a b"])
async def test_a_message_id_is_thirty_printable_characters(
    adapter: NationalAdapter, msgid: str
) -> None:
    """It is the key of the exchange and goes into logs."""
    (problem,) = await problems_of(adapter, envelope(msgid=msgid))
    assert problem.place == "msgid"
    assert msgid not in problem.zh


async def test_a_missing_input_is_named(adapter: NationalAdapter) -> None:
    """The node that every transaction has."""
    (problem,) = await problems_of(adapter, envelope(input=None))
    assert (problem.code, problem.place) == (ProblemCode.FIELD_REQUIRED, "input")


async def test_a_peer_speaks_only_for_its_institutions(adapter: NationalAdapter) -> None:
    """Otherwise one hospital could fetch the stored answers of another."""
    with pytest.raises(InvalidError) as caught:
        await adapter.read(envelope(fixmedins_code="H44030000001"), PEER, {})
    assert caught.value.problems[0].code is ProblemCode.PEER_DENIED


async def test_the_fingerprint_ignores_when_and_by_which_token(
    adapter: NationalAdapter,
) -> None:
    """A repeat with a new time, sign-in number and e-voucher token is the same message."""

    def with_token(token: str, time: str, amount: str) -> bytes:
        data = {"mdtrt_cert_type": "01", "mdtrt_cert_no": token, "medfee_sumamt": amount}
        return envelope(input={"data": data}, inf_time=time, sign_no=time)

    first = await adapter.read(with_token("a" * 28, "1", "12.50"), PEER, {})
    again = await adapter.read(with_token("b" * 28, "2", "12.50"), PEER, {})
    other = await adapter.read(with_token("a" * 28, "1", "12.51"), PEER, {})
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint
    assert len(first.fingerprint) == 64


def test_an_accepted_transaction_is_the_platforms_reply(adapter: NationalAdapter) -> None:
    """The reply has infcode 0, the output with its exact amounts, times of 17 digits."""
    reply = Reply(
        infcode="0",
        inf_refmsgid="430100202603010905070000000001",
        output={"setlinfo": {"medfee_sumamt": Decimal("12.50")}},
    )
    context = {"infno": "2207", "msgid": MSGID, "received": "20260301090506000"}
    answer = adapter.answer("2207", context, result(Status.DONE, reply=reply))
    assert answer.status == 200
    assert b'"medfee_sumamt":12.50' in answer.body
    found = body(answer)
    assert (found["infcode"], found["err_msg"]) == (0, "")
    assert found["inf_refmsgid"] == "430100202603010905070000000001"
    assert (found["refmsg_time"], found["respond_time"]) == (
        "20260301090506000",
        "20260301090507042",
    )


def test_a_refusal_of_the_platform_is_given_on(adapter: NationalAdapter) -> None:
    """HTTP 200 with the platform's words, as a client of the platform expects."""
    reply = Reply(infcode="-1", err_msg="人员已停保")
    answer = adapter.answer("1101", {}, result(Status.REJECTED, reply=reply))
    found = body(answer)
    assert (answer.status, found["infcode"]) == (200, -1)
    assert (found["err_msg"], found["output"]) == ("人员已停保", None)


def test_a_refusal_of_ours_names_the_place_and_lists_the_problems(
    adapter: NationalAdapter,
) -> None:
    """err_msg for people, problems for programs; 422 and never a send."""
    problem = Problem(
        kind=ProblemKind.NO_CODE,
        code=ProblemCode.MAP_NO_CODE,
        zh="没有对应的国家编码",
        en="no national code",
        place="input.feedetail[1].medins_list_codg",
    )
    answer = adapter.answer("2204", {}, result(Status.INVALID, problems=[problem]))
    found = body(answer)
    assert (answer.status, found["infcode"]) == (422, -1)
    assert found["err_msg"] == "input.feedetail[1].medins_list_codg：没有对应的国家编码"
    assert found["problems"][0]["code"] == "MAP-NO-CODE"


def test_err_msg_has_at_most_two_hundred_characters(adapter: NationalAdapter) -> None:
    """The length of the envelope table."""
    problems = [
        Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.FIELD_VALUE,
            zh="字典值不正确",
            en="no value of the dictionary",
            place=f"input.feedetail[{index}].chrgitm_type",
        )
        for index in range(50)
    ]
    found = body(adapter.answer("2204", {}, result(Status.INVALID, problems=problems)))
    assert len(found["err_msg"]) == 200
    assert len(found["problems"]) == 50


def test_an_unknown_outcome_is_loud_and_not_final(adapter: NationalAdapter) -> None:
    """504, and the first words forbid to repeat."""
    answer = adapter.answer("2207", {}, result(Status.UNKNOWN))
    assert answer.status == 504
    assert body(answer)["err_msg"].startswith("结果未知，请勿重复提交")
    assert not answer.final


def test_what_was_not_sent_may_be_tried_again(adapter: NationalAdapter) -> None:
    """503 with the seconds to wait."""
    answer = adapter.answer("2207", {}, result(Status.NOT_SENT, retry_after=7))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert body(answer)["infcode"] == -1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (
            DuplicateError(
                [
                    Problem(
                        kind=ProblemKind.DUPLICATE,
                        code=ProblemCode.DUPLICATE_KEY,
                        zh="已使用",
                        en="used",
                    )
                ]
            ),
            409,
        ),
        (NotSentError("busy", retry_after=1), 503),
        (UnknownOutcomeError(), 504),
        (RuntimeError("43019919800101001X"), 500),
    ],
    ids=["other content", "not sent", "unknown", "ours"],
)
def test_every_error_has_its_status(
    adapter: NationalAdapter, error: Exception, status: int
) -> None:
    """The class of the error decides; its text never reaches the client."""
    answer = adapter.refuse(b"", {}, error)
    assert answer.status == status
    assert body(answer)["infcode"] == -1
    assert b"43019919800101001X" not in answer.body
