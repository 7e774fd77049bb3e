"""A send is durable before it leaves, ends in one of the states of the table, and nobody pays twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import NotSentError, StateError
from gateway.intents import Accepted, Message, NotSent, Outcome, Rejected, Reply, Unknown
from gateway.journal import SEND_TRANSITIONS, AuditEvent, Journal, Send, SendState, VisitRow

Open = Callable[[], Awaitable[Journal]]
Make = Callable[..., Send]

OUTCOMES: dict[str, Outcome] = {
    "accepted": Accepted(Reply(infcode="0", inf_refmsgid="R1", output={"setl_id": "S1"})),
    "rejected": Rejected(Reply(infcode="-1", err_msg="张伟示 没有参保")),
    "not-sent": NotSent("connection refused"),
    "unknown": Unknown("no reply within 60 s"),
}
ENDS = ["accepted", "rejected", "reversed", "confirmed", "manual"]


async def in_state(journal: Journal, send: Send, state: str) -> None:
    """Bring a send into a state by the shortest way."""
    await journal.record_send(send)
    if state in OUTCOMES:
        await journal.record_outcome(send.msgid, OUTCOMES[state])
    elif state != "sending":
        await journal.record_outcome(send.msgid, OUTCOMES["unknown"])
        await journal.resolve_send(send.msgid, state, "")


async def test_a_send_is_found_as_it_was_recorded(journal: Journal, send: Make) -> None:
    """Every member comes back, in the state sending."""
    one = send(reverses="M0", infno="2601")
    await journal.record_send(one)
    row = await journal.send(one.msgid)
    assert row is not None
    assert Send(**{name: getattr(row, name) for name in Send.__struct_fields__}) == one
    assert (row.state, row.created_at) == (SendState.SENDING, "2026-03-02 12:00:00.000")
    assert await journal.send("none") is None


@pytest.mark.parametrize("state", list(OUTCOMES))
async def test_an_outcome_becomes_the_state_of_the_send(
    journal: Journal, send: Make, state: str
) -> None:
    """Rules 2 to 4: each of the four outcomes has its state."""
    one = send()
    await in_state(journal, one, state)
    row = await journal.send(one.msgid)
    assert row is not None
    assert row.state == state
    assert row.note == {"not-sent": "connection refused", "unknown": "no reply within 60 s"}.get(
        state, ""
    )


async def test_a_reply_is_kept_exactly_and_apart_from_the_row(journal: Journal, send: Make) -> None:
    """The platform's text may name a patient: the row that is listed does not have it."""
    one, two = send(), send(visit_key="H43010000001/V2")
    await in_state(journal, one, "rejected")
    row = await journal.send(one.msgid)
    assert row is not None
    assert "张伟示" not in str(row)
    assert row.infcode == "-1"
    reply = await journal.reply(one.msgid)
    assert reply is not None
    assert reply.err_msg == "张伟示 没有参保"

    await journal.record_send(two)
    paid = Reply(infcode="0", inf_refmsgid="R2", output={"fund_pay_sumamt": Decimal("7.00")})
    await journal.record_outcome(two.msgid, Accepted(paid))
    assert await journal.reply(two.msgid) == paid
    assert str((await journal.reply(two.msgid) or paid).output["fund_pay_sumamt"]) == "7.00"
    assert await journal.reply("none") is None


@pytest.mark.parametrize("end", ENDS)
async def test_an_unknown_send_ends_as_the_rules_say(
    journal: Journal, send: Make, end: str
) -> None:
    """Rule 5; the note says how it is known."""
    one = send()
    await in_state(journal, one, "unknown")
    await journal.resolve_send(one.msgid, end, "read back by 3202")
    row = await journal.send(one.msgid)
    assert row is not None
    assert (row.state, row.note) == (end, "read back by 3202")


async def test_a_late_reply_makes_an_unknown_send_accepted(journal: Journal, send: Make) -> None:
    """Rule 5, with the reply that came late."""
    one = send()
    await in_state(journal, one, "unknown")
    await journal.record_outcome(one.msgid, OUTCOMES["accepted"])
    row = await journal.send(one.msgid)
    assert row is not None
    assert (row.state, row.inf_refmsgid, row.note) == ("accepted", "R1", "")


async def test_a_late_reply_is_kept_with_the_state_it_gives(journal: Journal, send: Make) -> None:
    """Rule 5: the reply, its numbers and the visit are stored with the state, in one write."""
    one = send()
    await in_state(journal, one, "unknown")
    reply = Reply(infcode="0", inf_refmsgid="R9", output={"setlinfo": {"setl_id": "T1"}})
    visit = await journal.resolve_send(
        one.msgid, "accepted", "late", reply=reply, visit=VisitRow("v", "settled")
    )
    row = await journal.send(one.msgid)
    assert row is not None
    assert (row.state, row.infcode, row.inf_refmsgid, row.note) == ("accepted", "0", "R9", "late")
    assert await journal.reply(one.msgid) == reply
    assert visit is not None
    assert (await journal.visit("v")) == visit


async def test_what_stays_unknown_may_have_another_note(journal: Journal, send: Make) -> None:
    """Rule 5: a late reply about something else leaves it unknown, says why, and holds the visit."""
    one = send()
    await in_state(journal, one, "unknown")
    await journal.resolve_send(one.msgid, "unknown", "the reply is about something else: psn_no")
    row = await journal.send(one.msgid)
    assert row is not None
    assert (row.state, row.note) == ("unknown", "the reply is about something else: psn_no")
    with pytest.raises(StateError, match="waits for the outcome"):
        await journal.record_send(send(visit_key=one.visit_key))


ILLEGAL_OUTCOMES = [
    (state, outcome)
    for state, outcome in itertools.product(SendState, OUTCOMES)
    if SendState(outcome) not in SEND_TRANSITIONS[state]
]
ILLEGAL_ENDS = [
    (state, end)
    for state, end in itertools.product(SendState, [*SendState, "settled"])
    if state != "unknown" or end not in [*ENDS, "unknown"]
]


@pytest.mark.parametrize(("state", "outcome"), ILLEGAL_OUTCOMES)
async def test_an_outcome_that_the_table_does_not_have_changes_nothing(
    journal: Journal, send: Make, state: str, outcome: str
) -> None:
    """Rules 6 and 7: neither the send nor the visit nor the audit changes."""
    one = send()
    await in_state(journal, one, state)
    before = await journal.send(one.msgid)
    with pytest.raises(StateError):
        await journal.record_outcome(
            one.msgid,
            OUTCOMES[outcome],
            visit=VisitRow("v", "settled"),
            events=[AuditEvent("", "send")],
        )
    assert await journal.send(one.msgid) == before
    assert await journal.visit("v") is None
    assert (await journal.audit_verify()).rows == 0


@pytest.mark.parametrize(("state", "end"), ILLEGAL_ENDS)
async def test_a_resolution_that_the_table_does_not_have_changes_nothing(
    journal: Journal, send: Make, state: str, end: str
) -> None:
    """Only an unknown send is resolved, and only into what the table has."""
    one = send()
    await in_state(journal, one, state)
    before = await journal.send(one.msgid)
    with pytest.raises(StateError):
        await journal.resolve_send(
            one.msgid, end, "x", visit=VisitRow("v", "s"), events=[AuditEvent("", "resolve")]
        )
    assert await journal.send(one.msgid) == before
    assert await journal.visit("v") is None
    assert (await journal.audit_verify()).rows == 0


async def test_the_outcome_of_a_send_that_was_not_recorded_is_refused(journal: Journal) -> None:
    """Nothing leaves without its record, so there is nothing to become."""
    with pytest.raises(StateError, match="there is no send none"):
        await journal.record_outcome("none", OUTCOMES["accepted"])
    with pytest.raises(StateError, match="there is no send none"):
        await journal.resolve_send("none", "manual", "")


async def test_a_msgid_is_used_once(journal: Journal, send: Make) -> None:
    """Also when the first one is long over."""
    one = send()
    await in_state(journal, one, "rejected")
    with pytest.raises(StateError, match="this msgid was used"):
        await journal.record_send(one)


async def test_a_send_of_an_exchange_that_is_not_there_is_refused(
    journal: Journal, send: Make
) -> None:
    """A send belongs to a stored message, or to none."""
    with pytest.raises(StateError, match="there is no exchange none"):
        await journal.record_send(send(exchange_id="none"))


@pytest.mark.parametrize("state", ["sending", "unknown"])
async def test_a_second_money_send_of_a_visit_waits_for_the_first(
    journal: Journal, send: Make, state: str
) -> None:
    """Rule 8; the refused send leaves no trace."""
    first, second = send(), send(infno="2208")
    await in_state(journal, first, state)
    with pytest.raises(StateError, match=f"waits for the outcome of {first.msgid}"):
        await journal.record_send(second, events=[AuditEvent("", "record")])
    assert await journal.send(second.msgid) is None
    assert (await journal.audit_verify()).rows == 0


@pytest.mark.parametrize(
    "state", ["accepted", "rejected", "not-sent", "reversed", "confirmed", "manual"]
)
async def test_a_money_send_with_a_known_end_frees_its_visit(
    journal: Journal, send: Make, state: str
) -> None:
    """The next one may leave."""
    await in_state(journal, send(), state)
    second = send()
    await journal.record_send(second)
    assert await journal.send(second.msgid) is not None


async def test_an_open_money_send_holds_its_own_visit_and_its_money_only(
    journal: Journal, send: Make
) -> None:
    """Another visit, a query of the same visit and its 2601 may leave."""
    first = send()
    await in_state(journal, first, "unknown")
    for free in (
        send(visit_key="H43010000001/V2"),
        send(infno="2206", money=False),
        send(infno="2601", reverses=first.msgid),
    ):
        await journal.record_send(free)
    assert len(await journal.sends(state="sending")) == 3


async def test_of_many_money_sends_at_once_one_leaves(journal: Journal, send: Make) -> None:
    """Sixty-four at the same moment, in one commit or several: one is recorded."""
    sends = [send() for _ in range(64)]
    done = await asyncio.gather(*map(journal.record_send, sends), return_exceptions=True)
    assert [type(one) for one in done if one is not None] == [StateError] * 63
    assert len(await journal.sends()) == 1


async def test_a_reversal_of_unknown_outcome_is_not_repeated(journal: Journal, send: Make) -> None:
    """Rule 8: the second 2601 of a send waits until the first has its end."""
    first, second = (send(infno="2601", reverses="M0") for _ in range(2))
    await in_state(journal, first, "unknown")
    with pytest.raises(StateError, match=f"M0 is being reversed by {first.msgid}"):
        await journal.record_send(second)
    await journal.resolve_send(first.msgid, "manual", "looked up at the centre")
    await journal.record_send(second)


@pytest.mark.parametrize("end", ["accepted", "rejected", "confirmed", "manual"])
async def test_what_is_being_reversed_ends_in_no_other_way(
    journal: Journal, send: Make, end: str
) -> None:
    """Rule 9: a decision does not stand beside a 2601 on its way; it may once that is unknown."""
    first = send()
    await in_state(journal, first, "unknown")
    reversal = send(infno="2601", reverses=first.msgid)
    await journal.record_send(reversal)
    with pytest.raises(StateError, match=f"it is being reversed by {reversal.msgid}"):
        await journal.resolve_send(first.msgid, end, "")
    await journal.record_outcome(reversal.msgid, OUTCOMES["unknown"])
    await journal.resolve_send(first.msgid, end, "the platform shows it")
    row = await journal.send(first.msgid)
    assert row is not None
    assert row.state == end


@pytest.mark.parametrize("end", ["accepted", "rejected", "confirmed", "manual"])
@pytest.mark.parametrize("reversal_is", ["accepted", "confirmed"])
async def test_what_was_reversed_ends_in_no_other_way(
    journal: Journal, send: Make, end: str, reversal_is: str
) -> None:
    """Rule 9: neither a late reply nor a decision makes a settlement of what was undone."""
    first = send()
    await in_state(journal, first, "unknown")
    reversal = send(infno="2601", reverses=first.msgid)
    await in_state(journal, reversal, reversal_is)
    with pytest.raises(StateError, match=f"it is being reversed by {reversal.msgid}"):
        await journal.resolve_send(first.msgid, end, "")
    await journal.resolve_send(first.msgid, "reversed", "2601 accepted")
    row = await journal.send(first.msgid)
    assert row is not None
    assert row.state == "reversed"


async def test_a_send_ends_as_reversed_while_its_reversal_is_on_its_way(
    journal: Journal, send: Make
) -> None:
    """Rule 9: that is what the reversal is for."""
    first = send()
    await in_state(journal, first, "unknown")
    await journal.record_send(send(infno="2601", reverses=first.msgid))
    await journal.resolve_send(first.msgid, "reversed", "2601 accepted")
    row = await journal.send(first.msgid)
    assert row is not None
    assert row.state == "reversed"


@pytest.mark.parametrize("end", ENDS)
async def test_the_gateway_reverses_nothing_whose_outcome_is_known(
    journal: Journal, send: Make, message: Callable[..., Message], end: str
) -> None:
    """Rule 9: its own 2601 stands in the exchange of the original; a hospital's does not."""
    begun = await journal.begin_exchange(message(), b"", "2026-03-02 12:00:00.000")
    first = send(exchange_id=begun.exchange_id)
    await in_state(journal, first, end)
    own = send(infno="2601", reverses=first.msgid, exchange_id=begun.exchange_id)
    with pytest.raises(StateError, match=f"{first.msgid} is not unknown but {end}"):
        await journal.record_send(own)
    other = await journal.begin_exchange(
        message(control_id="other"), b"", "2026-03-02 12:00:00.000"
    )
    theirs = send(infno="2601", reverses=first.msgid, exchange_id=other.exchange_id)
    await journal.record_send(theirs)
    assert [row.msgid for row in await journal.sends(state="sending")] == [theirs.msgid]


async def test_a_money_send_without_visit_is_refused(journal: Journal, send: Make) -> None:
    """Without the visit nothing could keep a second one from leaving."""
    with pytest.raises(StateError, match="needs its visit"):
        await journal.record_send(send(visit_key=""))
    await journal.record_send(send(visit_key="", infno="2601", reverses="M0"))


async def test_start_up_makes_every_send_on_its_way_unknown_and_no_other(
    open_journal: Open, send: Make
) -> None:
    """Rule 4: never failed, whatever kind of transaction; each change is in the audit."""
    journal = await open_journal()
    query, money, over = send(infno="1101", money=False), send(), send(visit_key="other")
    await in_state(journal, query, "sending")
    await in_state(journal, money, "sending")
    await in_state(journal, over, "accepted")

    journal = await open_journal()
    recovered = await journal.recover()
    assert [row.msgid for row in recovered] == [query.msgid, money.msgid]
    assert {row.state for row in recovered} == {SendState.UNKNOWN}
    assert await journal.sends(state="unknown") == recovered
    assert [row.msgid for row in await journal.sends(state="accepted")] == [over.msgid]
    assert [row.station for row in await journal.audit_trail("")] == ["recover", "recover"]
    with pytest.raises(StateError, match="waits for the outcome"):
        await journal.record_send(send())
    assert await journal.recover() == []


async def test_sends_are_listed_oldest_first_by_what_is_asked(
    journal: Journal, send: Make, message: Callable[..., Message]
) -> None:
    """State, visit and exchange, alone and together."""
    begun = await journal.begin_exchange(message(), b"", "2026-03-02 12:00:00")
    one = send(exchange_id=begun.exchange_id, infno="2204", money=False)
    two = send(exchange_id=begun.exchange_id)
    three = send(visit_key="other", money=False)
    for each, state in ((one, "accepted"), (two, "unknown"), (three, "accepted")):
        await in_state(journal, each, state)

    async def found(**criteria: Any) -> list[str]:
        return [row.msgid for row in await journal.sends(**criteria)]

    assert await found() == [one.msgid, two.msgid, three.msgid]
    assert await found(state="accepted") == [one.msgid, three.msgid]
    assert await found(visit_key=one.visit_key) == [one.msgid, two.msgid]
    assert await found(visit_key=one.visit_key, state="unknown") == [two.msgid]
    assert await found(exchange_id=begun.exchange_id) == [one.msgid, two.msgid]
    assert await found(exchange_id=begun.exchange_id, state="accepted") == [one.msgid]
    assert await found(visit_key="other", exchange_id=begun.exchange_id) == []
    assert [row.msgid for row in await journal.sends(limit=1)] == [one.msgid]


async def test_serials_never_repeat_within_a_second_restarts_included(open_journal: Open) -> None:
    """F-001: they count from 0 for each institution and second; what a process had reserved and
    not used when it ended is left out.
    """
    journal = await open_journal()
    second, later = "20260302120000", "20260302120001"
    many = await asyncio.gather(*(journal.next_serial("H43010000001", second) for _ in range(60)))
    assert sorted(many) == list(range(60))
    journal = await open_journal()
    more = [await journal.next_serial("H43010000001", second) for _ in range(20)]
    assert min(more) >= 60
    assert sorted({*more}) == more
    assert await journal.next_serial("H43010000001", later) == 0
    assert await journal.next_serial("H43010000002", second) == 0
    again = await journal.next_serial("H43010000001", second)
    assert again > max(more)
    assert await journal.next_serial("H43010000001", later) not in (0, again)


async def test_after_ten_thousand_serials_nothing_is_sent_in_that_second(journal: Journal) -> None:
    """The serial has four digits: the sender is told to try again a second later."""
    given: list[int] = []
    for _ in range(10):
        given += await asyncio.gather(
            *(journal.next_serial("H", "20260302120000") for _ in range(1000))
        )
    assert sorted(given) == list(range(10_000))
    with pytest.raises(NotSentError) as refused:
        await journal.next_serial("H", "20260302120000")
    assert refused.value.retry_after == 1
