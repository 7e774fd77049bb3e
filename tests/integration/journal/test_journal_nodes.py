"""Several processes on one PostgreSQL database: one rule for all, and the work of a dead one is taken.

A journal that is opened a second time is another process to the database. A lease that expired is
made by turning back its end in the database.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from gateway.errors import JournalError, StateError, UnknownOutcomeError
from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Send, SendState, VisitRow
from gateway.journal.postgres import PostgresJournal

NOW = "2026-03-02 11:59:58"
Make = Callable[..., Message]
ACCEPTED = Accepted(Reply(infcode="0"))


@pytest_asyncio.fixture
async def nodes(shared: Any) -> AsyncIterator[tuple[PostgresJournal, PostgresJournal]]:
    """Two processes that have the journal open."""
    one, two = await shared.open(), await shared.open()
    yield one, two
    await one.close()
    await two.close()


Nodes = tuple[PostgresJournal, PostgresJournal]


async def test_of_money_sends_of_a_visit_in_two_processes_one_leaves(
    nodes: Nodes, send: Callable[..., Send]
) -> None:
    """Thirty-two in each at the same moment: one is recorded, in one of them."""
    sends = [send() for _ in range(64)]
    done = await asyncio.gather(
        *(nodes[number % 2].record_send(one) for number, one in enumerate(sends)),
        return_exceptions=True,
    )
    assert [type(one) for one in done].count(StateError) == 63
    (row,) = await nodes[0].sends()
    with pytest.raises(StateError, match=f"waits for the outcome of {row.msgid}"):
        await nodes[1].record_send(send())


MONEY = """
import asyncio, sys
from gateway.errors import StateError
from gateway.journal import Send
from gateway.journal.postgres import PostgresJournal

async def main(dsn, name):
    journal = await PostgresJournal.open(dsn)
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(200):
        send = Send(f"{name}{number}", "", "2207", f"V{number}", money=True)
        try:
            await journal.record_send(send)
            print(number, flush=True)
        except StateError:
            pass
    await journal.close()

asyncio.run(main(*sys.argv[1:]))
"""


def test_two_hundred_visits_settled_by_two_real_processes_are_each_settled_once(
    shared: Any,
) -> None:
    """Both begin at the same word and try the same visits in the same order."""
    started = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", MONEY, shared.place, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in "AB"
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    told = [
        [int(word) for word in process.communicate(timeout=60)[0].split()] for process in started
    ]
    assert sorted(told[0] + told[1]) == list(range(200))


async def test_serials_are_given_once_by_all_processes_together(nodes: Nodes) -> None:
    """Thirty-two from each: sixty-four different numbers."""
    given = await asyncio.gather(
        *(nodes[number % 2].next_serial("H43010000001", "20260302120000") for number in range(64))
    )
    assert sorted(given) == list(range(64))


async def test_a_key_is_taken_by_one_process_only(nodes: Nodes) -> None:
    """Both ask for each of twenty keys at once: every key is given to exactly one."""
    told = await asyncio.gather(
        *(
            nodes[number % 2].session_take(f"jti/his/{number // 2}", "used", "2099-01-01 00:00:00")
            for number in range(40)
        )
    )
    assert [told[2 * key] + told[2 * key + 1] for key in range(20)] == [1] * 20


async def test_a_visit_is_stored_over_the_version_that_was_read_whoever_wrote_it(
    nodes: Nodes,
) -> None:
    """The second process is told that the first was faster."""
    read = await nodes[0].put_visit(VisitRow("V1", "open"))
    await nodes[0].put_visit(VisitRow("V1", "charged", read.version))
    with pytest.raises(StateError, match="after version 1 was read"):
        await nodes[1].put_visit(VisitRow("V1", "settled", read.version))


async def test_the_processes_write_one_chain(nodes: Nodes) -> None:
    """A hundred events of each, at the same time: numbered without a gap, and every hash fits."""
    await asyncio.gather(
        *(
            nodes[number % 2].session_put(str(number), "", NOW, events=[AuditEvent("e", "s")])
            for number in range(200)
        )
    )
    report = await nodes[0].audit_verify()
    assert (report.rows, report.broken) == (200, [])
    assert [row.seq for row in await nodes[1].audit_trail("e")] == list(range(1, 201))


async def test_a_copy_in_another_process_waits_for_the_answer_of_the_first(
    nodes: Nodes, message: Make
) -> None:
    """It gets the answer that the first one stored, and works on nothing."""
    one = message()
    begun = await nodes[0].begin_exchange(one, b"", NOW)
    copy = asyncio.create_task(
        nodes[1].begin_exchange(one, b"", NOW, events=[AuditEvent("", "receive")])
    )
    done, _ = await asyncio.wait([copy], timeout=0.2)
    assert not done
    await nodes[0].finish_exchange(begun.exchange_id, Answer(body=b"done"), None)
    replay = await copy
    assert (replay.kind, replay.exchange_id) == ("replay", begun.exchange_id)
    assert replay.answer == Answer(body=b"done")
    assert len(await nodes[0].audit_trail(begun.exchange_id)) == 1


async def test_a_copy_goes_on_when_the_first_was_released_elsewhere(
    nodes: Nodes, message: Make
) -> None:
    """Nothing was sent for the first one: the second process works on it now."""
    one = message()
    begun = await nodes[0].begin_exchange(one, b"", NOW)
    copy = asyncio.create_task(nodes[1].begin_exchange(one, b"", NOW))
    await nodes[0].release_exchange(begun.exchange_id)
    assert (await copy).kind == "resume"


async def test_a_copy_is_told_that_the_outcome_is_unknown_when_the_first_takes_too_long(
    nodes: Nodes, message: Make, clock: Any
) -> None:
    """Its sender must not take it for refused: the first copy may settle yet."""
    one = message()
    await nodes[0].begin_exchange(one, b"", NOW)
    copy = asyncio.create_task(nodes[1].begin_exchange(one, b"", NOW))
    await asyncio.wait([copy], timeout=0.2)
    clock.time += timedelta(seconds=61)
    with pytest.raises(UnknownOutcomeError, match="another gateway"):
        await copy


async def test_other_content_under_the_key_of_a_message_elsewhere_is_a_conflict_at_once(
    nodes: Nodes, message: Make
) -> None:
    """There is nothing to wait for."""
    await nodes[0].begin_exchange(message(control_id="K"), b"", NOW)
    other = message(control_id="K", fingerprint="0" * 64)
    assert (await nodes[1].begin_exchange(other, b"", NOW)).kind == "conflict"


async def test_start_up_beside_a_living_process_leaves_its_sends_alone(
    nodes: Nodes, send: Callable[..., Send]
) -> None:
    """Only the dead are recovered from."""
    one = send()
    await nodes[0].record_send(one)
    assert await nodes[1].recover() == []
    await nodes[0].record_outcome(one.msgid, ACCEPTED)


async def test_the_work_of_a_process_whose_lease_expired_is_taken_over(
    nodes: Nodes, shared: Any, message: Make, send: Callable[..., Send]
) -> None:
    """Its send becomes unknown and holds the visit; its message is resumed by the other process."""
    one = message()
    begun = await nodes[0].begin_exchange(one, b"", NOW)
    await nodes[0].record_send(sent := send(exchange_id=begun.exchange_id))
    await shared.let_leases_expire()
    assert await nodes[1].abandoned() == []
    (row,) = await nodes[1].recover()
    assert (row.msgid, row.state) == (sent.msgid, SendState.UNKNOWN)
    assert [left.exchange_id for left in await nodes[1].abandoned()] == [begun.exchange_id]
    with pytest.raises(StateError, match="waits for the outcome"):
        await nodes[1].record_send(send())
    resumed = await nodes[1].begin_exchange(one, b"", NOW)
    assert (resumed.kind, resumed.exchange_id) == ("resume", begun.exchange_id)
    await nodes[1].finish_exchange(begun.exchange_id, Answer(body=b"2", final=False), None)


async def test_a_process_that_was_only_slow_writes_nothing_after_the_takeover(
    nodes: Nodes, shared: Any, send: Callable[..., Send]
) -> None:
    """Its late outcome is refused, and so is everything after it; the visit is in one hand."""
    await nodes[0].record_send(sent := send())
    await shared.let_leases_expire()
    await nodes[1].recover()
    for _ in range(2):
        with pytest.raises(JournalError, match="another gateway took over"):
            await nodes[0].record_outcome(
                sent.msgid, ACCEPTED, visit=VisitRow("V", "settled"), events=[AuditEvent("", "x")]
            )
    row = await nodes[1].send(sent.msgid)
    assert row is not None
    assert row.state == SendState.UNKNOWN
    assert await nodes[1].visit("V") is None
    assert len(await nodes[1].audit_trail("")) == 1


async def test_an_expired_lease_that_nobody_took_is_prolonged(nodes: Nodes, shared: Any) -> None:
    """After a pause of the whole machine, a single gateway goes on as if nothing had been."""
    await shared.let_leases_expire()
    assert nodes[0]._keeper is not None
    await nodes[0]._keeper.renew()
    assert await nodes[1].recover() == []
    await nodes[0].put_visit(VisitRow("V", "open"))


async def test_a_silent_process_is_noticed_and_taken_over_by_the_others_themselves(
    shared: Any, message: Make, send: Callable[..., Send]
) -> None:
    """A lease of a third of a second, a process that renews no more, and another one that waits."""
    silent, living = await shared.open(lease=0.3), await shared.open(lease=0.3)
    try:
        one = message()
        begun = await silent.begin_exchange(one, b"", NOW)
        await silent.record_send(sent := send(exchange_id=begun.exchange_id))
        assert silent._keeper is not None
        await silent._keeper.stop()
        async with asyncio.timeout(30):
            assert (await living.begin_exchange(one, b"", NOW)).kind == "resume"
        row = await living.send(sent.msgid)
        assert row.state == SendState.UNKNOWN
        assert [row.station for row in await living.audit_trail(begun.exchange_id)] == ["recover"]
    finally:
        await silent.close()
        await living.close()


async def test_the_work_of_a_dead_process_does_not_wait_for_a_clock_that_was_set_back(
    shared: Any, message: Make, send: Callable[..., Send]
) -> None:
    """The clock of the server is an hour behind what it was when the dead one wrote its lease: the
    lease counts from now on.
    """
    silent, living = await shared.open(lease=0.3), await shared.open(lease=0.3)
    try:
        one = message()
        begun = await silent.begin_exchange(one, b"", NOW)
        await silent.record_send(sent := send(exchange_id=begun.exchange_id))
        assert silent._keeper is not None
        await silent._keeper.stop()
        await shared.execute("UPDATE instances SET expires_at = expires_at + interval '1 hour'")
        async with asyncio.timeout(30):
            assert (await living.begin_exchange(one, b"", NOW)).kind == "resume"
        assert (await living.send(sent.msgid)).state == SendState.UNKNOWN
    finally:
        await silent.close()
        await living.close()


async def test_a_living_process_keeps_its_licence_when_the_clock_is_set_back(
    nodes: Nodes, shared: Any
) -> None:
    """A lease that another one cuts to its length is none that has run out."""
    await shared.execute("UPDATE instances SET expires_at = expires_at + interval '1 hour'")
    assert await nodes[1].recover() == []
    await nodes[0].put_visit(VisitRow("V", "open"))
    assert (await nodes[1].visit("V")).state == "open"


async def test_a_closed_process_leaves_its_open_work_at_once(shared: Any, message: Make) -> None:
    """Its licence goes with it: nobody waits for the lease."""
    one = message()
    first, second = await shared.open(), await shared.open()
    try:
        await first.begin_exchange(one, b"", NOW)
        await first.close()
        assert (await second.begin_exchange(one, b"", NOW)).kind == "resume"
    finally:
        await second.close()


async def test_the_schema_is_made_once_by_processes_that_start_together(shared: Any) -> None:
    """Four at the same moment in an empty database: one migrates, the others find it done."""
    opened = await asyncio.gather(*(shared.open() for _ in range(4)))
    assert [await journal.sends() for journal in opened] == [[], [], [], []]
    for journal in opened:
        await journal.close()


async def test_a_process_is_stopped_when_a_newer_version_changed_the_schema(
    nodes: Nodes, shared: Any
) -> None:
    """It cannot keep the promises of a schema that it does not know: not one more write."""
    await shared.execute("INSERT INTO migrations VALUES (1000, 'later', 'x', '')")
    for _ in range(2):
        with pytest.raises(JournalError, match="changed by another version"):
            await nodes[0].put_visit(VisitRow("V", "open"))
    assert await nodes[1].visit("V") is None
