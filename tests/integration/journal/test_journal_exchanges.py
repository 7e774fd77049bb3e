"""A message is stored once, and answered the same however often it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from gateway.errors import StateError
from gateway.intents import (
    Answer,
    Intent,
    Message,
    Record,
    Result,
    Settlement,
    Source,
    Status,
    Verb,
    VisitClass,
)
from gateway.journal import AuditEvent, ExchangeRow, Journal

NOW = "2026-03-02 11:59:58"
Open = Callable[[], Awaitable[Journal]]
Make = Callable[..., Message]


async def test_a_message_never_seen_is_new_and_keeps_its_bytes_and_context(
    journal: Journal, message: Make
) -> None:
    """The bytes and the context come back as they were given."""
    begun = await journal.begin_exchange(
        message(context={"version": "2.5.1", "price": Decimal("12.50")}), b"MSH|\x00\xff", NOW
    )
    assert begun.kind == "new"
    assert await journal.raw(begun.exchange_id) == b"MSH|\x00\xff"
    assert await journal.context(begun.exchange_id) == {
        "version": "2.5.1",
        "price": Decimal("12.50"),
    }


async def test_the_row_of_an_exchange_says_who_sent_what_and_when(
    journal: Journal, message: Make
) -> None:
    """Every member of the row has the value of the message."""
    begun = await journal.begin_exchange(message(control_id="A1"), b"", NOW)
    assert await journal.exchange(begun.exchange_id) == ExchangeRow(
        exchange_id=begun.exchange_id,
        protocol="hl7v2",
        peer="his",
        sender="HIS|HOSPITAL",
        control_id="A1",
        kind="DFT^P03",
        fingerprint="f" * 64,
        status="open",
        final=False,
        received_at=NOW,
        answered_at="",
    )


async def test_the_same_message_again_gets_the_stored_answer(
    open_journal: Open, message: Make
) -> None:
    """Also after a restart: body, status and headers are those of the first time."""
    journal = await open_journal()
    one = message()
    begun = await journal.begin_exchange(one, b"", NOW)
    answer = Answer(
        body=b"MSA|AA\xff", content_type="x-application/hl7-v2+er7", status=201, headers={"A": "b"}
    )
    await journal.finish_exchange(begun.exchange_id, answer, None)
    same = await journal.begin_exchange(one, b"", NOW)
    journal = await open_journal()
    later = await journal.begin_exchange(one, b"", NOW)
    assert same == later
    assert (later.kind, later.exchange_id, later.answer) == ("replay", begun.exchange_id, answer)


async def test_a_key_used_for_other_content_is_a_conflict(journal: Journal, message: Make) -> None:
    """The fingerprint decides, whether or not the first message was answered."""
    begun = await journal.begin_exchange(message(control_id="K"), b"", NOW)
    changed = message(control_id="K", fingerprint="0" * 64)
    assert (await journal.begin_exchange(changed, b"", NOW)).kind == "conflict"
    await journal.finish_exchange(begun.exchange_id, Answer(body=b""), None)
    again = await journal.begin_exchange(changed, b"", NOW)
    assert (again.kind, again.exchange_id, again.answer) == ("conflict", begun.exchange_id, None)


@pytest.mark.parametrize("changed", ["protocol", "sender", "control_id"])
async def test_protocol_sender_and_control_id_together_are_the_key(
    journal: Journal, message: Make, changed: str
) -> None:
    """A message that differs in one of them is another message."""
    await journal.begin_exchange(message(control_id="K"), b"", NOW)
    other = message(**{"control_id": "K", changed: "other"})
    assert (await journal.begin_exchange(other, b"", NOW)).kind == "new"


async def test_a_message_that_is_worked_on_is_running(journal: Journal, message: Make) -> None:
    """A second copy finds the first one in the same process."""
    one = message()
    first = await journal.begin_exchange(one, b"", NOW)
    second = await journal.begin_exchange(one, b"", NOW)
    assert (second.kind, second.exchange_id) == ("running", first.exchange_id)


async def test_a_message_that_a_stopped_process_left_open_is_resumed_once(
    open_journal: Open, message: Make
) -> None:
    """The first to bring it after the restart takes it over, with the context first stored."""
    journal = await open_journal()
    one = message(context={"charset": "GB18030"})
    first = await journal.begin_exchange(one, b"", NOW)
    journal = await open_journal()
    second = await journal.begin_exchange(one, b"", NOW)
    assert (second.kind, second.exchange_id) == ("resume", first.exchange_id)
    assert second.intent_context == {"charset": "GB18030"}
    assert (await journal.begin_exchange(one, b"", NOW)).kind == "running"


async def test_a_released_message_is_resumed_when_it_comes_again(
    journal: Journal, message: Make
) -> None:
    """Nothing was sent for it, so its sender may try again under the same key."""
    one = message()
    begun = await journal.begin_exchange(one, b"", NOW)
    held = await journal.exchange(begun.exchange_id)
    await journal.release_exchange(begun.exchange_id)
    left = await journal.exchange(begun.exchange_id)
    assert held is not None
    assert left is not None
    assert (held.held, left.held, left.status) == (True, False, "open")
    assert (await journal.begin_exchange(one, b"", NOW)).kind == "resume"


async def test_what_a_stopped_process_left_unanswered_is_listed_until_it_is_resumed(
    open_journal: Open, message: Make
) -> None:
    """Oldest first; neither what was answered or released, nor what this process works on."""
    journal = await open_journal()
    one, two, released, answered = (message() for _ in range(4))
    begun = [
        await journal.begin_exchange(each, b"", NOW) for each in (one, two, released, answered)
    ]
    await journal.release_exchange(begun[2].exchange_id)
    await journal.finish_exchange(begun[3].exchange_id, Answer(body=b""), None)
    assert await journal.abandoned() == []
    journal = await open_journal()
    await journal.begin_exchange(message(), b"", NOW)
    left = [begun[0].exchange_id, begun[1].exchange_id]
    assert [row.exchange_id for row in await journal.abandoned()] == left
    assert [row.exchange_id for row in await journal.abandoned(limit=1)] == left[:1]
    assert (await journal.begin_exchange(one, b"", NOW)).kind == "resume"
    assert [row.exchange_id for row in await journal.abandoned()] == left[1:]


async def test_an_answered_message_is_not_released(journal: Journal, message: Make) -> None:
    """Its answer stands."""
    begun = await journal.begin_exchange(message(), b"", NOW)
    await journal.finish_exchange(begun.exchange_id, Answer(body=b""), None)
    with pytest.raises(StateError, match="was answered"):
        await journal.release_exchange(begun.exchange_id)


async def test_a_provisional_answer_is_replaced_and_then_final(
    journal: Journal, message: Make
) -> None:
    """Unknown outcome first, the truth later; then nothing changes it."""
    one = message()
    begun = await journal.begin_exchange(one, b"", NOW)
    unknown = Answer(body=b"?", outcome=Status.UNKNOWN, final=False)
    await journal.finish_exchange(begun.exchange_id, unknown, None)
    row = await journal.exchange(begun.exchange_id)
    assert row is not None
    assert (row.status, row.final) == ("unknown", False)
    assert (await journal.begin_exchange(one, b"", NOW)).answer == unknown

    done = Answer(body=b"!")
    await journal.replace_answer(begun.exchange_id, done, None)
    row = await journal.exchange(begun.exchange_id)
    assert row is not None
    assert (row.status, row.final, row.answered_at) == ("done", True, "2026-03-02 12:00:00.000")
    assert await journal.stored_answer(begun.exchange_id) == done
    with pytest.raises(StateError, match="from final to final"):
        await journal.replace_answer(begun.exchange_id, Answer(body=b"x"), None)
    assert await journal.stored_answer(begun.exchange_id) == done


async def test_a_second_first_answer_is_refused(journal: Journal, message: Make) -> None:
    """A provisional answer is replaced on purpose, never by finishing twice."""
    begun = await journal.begin_exchange(message(), b"", NOW)
    await journal.finish_exchange(begun.exchange_id, Answer(body=b"1", final=False), None)
    with pytest.raises(StateError, match="was answered"):
        await journal.finish_exchange(begun.exchange_id, Answer(body=b"2"), None)
    assert await journal.stored_answer(begun.exchange_id) == Answer(body=b"1", final=False)


async def test_an_unknown_exchange_is_neither_answered_nor_found(journal: Journal) -> None:
    """Reading gives nothing, writing is refused and leaves no event."""
    assert await journal.exchange("none") is None
    assert await journal.raw("none") is None
    assert await journal.context("none") == {}
    assert await journal.stored_answer("none") is None
    assert await journal.stored_result("none") is None
    with pytest.raises(StateError, match="there is no exchange none"):
        await journal.finish_exchange(
            "none", Answer(body=b""), None, events=[AuditEvent("none", "answer")]
        )
    assert (await journal.audit_verify()).rows == 0


async def test_a_result_is_stored_exactly_but_without_its_sources(
    journal: Journal, message: Make
) -> None:
    """Amounts keep their digits; where values stood in the message is not kept."""
    begun = await journal.begin_exchange(message(), b"", NOW)
    intent = Intent(verb=Verb.SETTLE, visit_class=VisitClass.OUTPATIENT)
    intent.person.set("psn_name", "张伟示", Source("PID-5", "张伟示"))
    intent.charges.append(Record({"cnt": "1"}, {"cnt": Source("FT1-10", "1")}))
    settlement = Settlement(
        infno="2207", msgid="m", info=Record({"medfee_sumamt": "12.50"}), funds=[Record({"a": "1"})]
    )
    result = Result(
        status=Status.DONE,
        intent=intent,
        settlements=[settlement],
        output={"setlinfo": {"medfee_sumamt": Decimal("12.50"), "balc": Decimal("0.10")}},
    )
    await journal.finish_exchange(begun.exchange_id, Answer(body=b""), result)
    stored = await journal.stored_result(begun.exchange_id)
    assert stored is not None
    assert stored.intent.person == Record({"psn_name": "张伟示"})
    assert stored.intent.charges == [Record({"cnt": "1"})]
    assert stored.settlements == [settlement]
    assert str(stored.output["setlinfo"]["medfee_sumamt"]) == "12.50"
    assert str(stored.output["setlinfo"]["balc"]) == "0.10"
    assert intent.person.place("psn_name") == "PID-5"


async def test_exchanges_are_listed_newest_first_page_by_page(
    journal: Journal, message: Make
) -> None:
    """`before` continues where the page before ended."""
    ids = [(await journal.begin_exchange(message(), b"", NOW)).exchange_id for _ in range(5)]
    first = await journal.exchanges(limit=2)
    assert [row.exchange_id for row in first] == [ids[4], ids[3]]
    rest = await journal.exchanges(limit=9, before=ids[3])
    assert [row.exchange_id for row in rest] == [ids[2], ids[1], ids[0]]


async def test_exchanges_are_listed_by_status(journal: Journal, message: Make) -> None:
    """Open ones, and ones of an outcome."""
    ids = [(await journal.begin_exchange(message(), b"", NOW)).exchange_id for _ in range(3)]
    await journal.finish_exchange(ids[0], Answer(body=b"", outcome=Status.REJECTED), None)
    await journal.finish_exchange(ids[2], Answer(body=b"", outcome=Status.REJECTED), None)
    rejected = await journal.exchanges(status="rejected")
    assert [row.exchange_id for row in rejected] == [ids[2], ids[0]]
    assert [row.exchange_id for row in await journal.exchanges(status="open")] == [ids[1]]
    assert [
        row.exchange_id for row in await journal.exchanges(status="rejected", before=ids[2])
    ] == [ids[0]]


async def test_text_that_is_no_unicode_is_refused_without_harm(
    journal: Journal, message: Make
) -> None:
    """A lone surrogate cannot be stored; the next message can."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        await journal.begin_exchange(message(control_id="\ud800"), b"", NOW)
    assert (await journal.begin_exchange(message(), b"", NOW)).kind == "new"
