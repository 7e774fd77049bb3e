"""A clearing month over real sockets: extracted, compared, confirmed, rolled back, interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.clock import CHINA
from gateway.demo import messages as m
from gateway.journal import SendState
from gateway.settlement.clearing.inputs import confirmation
from gateway.settlement.clearing.month import Batch, LineFinding, MonthState
from gateway.settlement.clearing.refusals import ClearingError
from gateway.settlement.clearing.reporting import by_pool, total
from tests.clocks import HandClock

HOSPITAL = "H43010000001"
OPERATOR = "o-90b1f6a42c"
SECTION = f"""
[operator]
token_sha256 = ["{hashlib.sha256(OPERATOR.encode()).hexdigest()}"]
"""
WU = m.Person("吴市外", "43029919701224020X", "F", "19701224", "430200", "310")
"""Insured in 430200, another city of the province."""
MARCH = ("2026", "03")


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[Any]]) -> Any:
    """A world in March 2026, with an operator."""
    return await open_world(clock=HandClock(), sections=SECTION)


@pytest.fixture
def centre(world: Any) -> Any:
    """The centre's own tables."""
    return world.platform.centres["430100"]._tables.store


@pytest.fixture
def clearing(world: Any) -> Any:
    """The clearing of the hospital."""
    return world.gateway.office.clearing[HOSPITAL]


async def settle(world: Any, number: str, person: m.Person = WU) -> str:
    """A settled visit of 240.00; its msgid."""
    await world.charged(number, person)
    answer = await world.tell(world.his.payment(person, number, "O", "240.00"))
    assert answer.code == "AA"
    msgid: str = (await world.sends("2207"))[-1].msgid
    return msgid


def copies(centre: Any, count: int) -> None:
    """Further settlements of the same kind in the centre's books only."""
    row = dict(centre.one("SELECT * FROM settlements WHERE insuplc_admdvs = '430200'"))
    for number in range(count):
        centre.insert("settlements", {**row, "setl_id": f"E{number:04d}", "msgid": f"M{number}"})


async def test_lines_of_the_month_are_ours_to_the_fen(world: Any, clearing: Any) -> None:
    """The settlement of another city is listed and agrees; the local one is none of clearing."""
    abroad = await settle(world, "O1")
    await settle(world, "O2", m.ZHANG)
    held = await clearing.fetch(*MARCH)
    (line,) = held.lines
    assert (held.state, held.complete, held.missing) == (MonthState.OPEN, True, [])
    assert (line.finding, line.msgid, line.pool) == (LineFinding.AGREES, abroad, "430200")
    assert line.our_medfee == Decimal("240.00")
    assert await world.requests("3260") == ["3260"]


async def test_planted_differences_are_found(world: Any, centre: Any, clearing: Any) -> None:
    """An amount that differs, one that only the centre lists, one it does not list, one by hand."""
    for number in range(1, 4):
        world.clock.time = datetime(2026, 3, number, 10, 0, tzinfo=CHINA)
        await settle(world, f"O{number}")
    sent = [send.msgid for send in await world.sends("2207")]
    centre.run("UPDATE settlements SET acct_pay = '0.01' WHERE msgid = ?", sent[0])
    centre.run("UPDATE settlements SET state = 'reversed' WHERE msgid = ?", sent[1])
    row = dict(centre.one("SELECT * FROM settlements WHERE msgid = ?", sent[2]))
    centre.insert(
        "settlements", {**row, "setl_id": "X", "msgid": "X", "setl_time": "2026-03-05 09:00:00"}
    )
    held = await clearing.fetch(*MARCH)
    assert [line.finding for line in held.lines] == [
        LineFinding.AMOUNTS_DIFFER,
        LineFinding.AGREES,
        LineFinding.ONLY_THEIRS,
    ]
    assert [missing.msgid for missing in held.missing] == [sent[1]]
    with pytest.raises(ClearingError, match="2 lines need a decision"):
        await clearing.confirm(*MARCH)
    assert await world.requests("3261") == []


async def test_only_what_agrees_or_is_named_is_confirmed(
    world: Any, centre: Any, clearing: Any
) -> None:
    """cnfm_flag 1 for the line that agrees, 0 for the one left out; the sums are exact."""
    await settle(world, "O1")
    copies(centre, 1)
    centre.run("UPDATE settlements SET setl_time = '2026-03-09 08:00:00' WHERE setl_id = 'E0000'")
    held = await clearing.fetch(*MARCH)
    agreed, foreign = held.lines
    held = await clearing.confirm(*MARCH, leave_out=[foreign.setl_sn], operator="王")
    assert held.state is MonthState.CONFIRMED
    rows = centre.all("SELECT cnfm_flag FROM confirmations ORDER BY rowid")
    assert [row["cnfm_flag"] for row in rows] == ["1", "0"]
    whole = total(by_pool(held))
    assert (whole.confirmed, whole.confirmed_pay) == (1, agreed.optins_pay_sumamt)
    assert (whole.left_out, whole.listed) == (1, 2)
    with pytest.raises(ClearingError, match="no open line"):
        await clearing.confirm(*MARCH, accept=[foreign.setl_sn])
    held = await clearing.confirm(*MARCH)
    assert await world.requests("3261") == ["3261"]


async def test_pages_go_on_behind_one_that_got_no_answer(
    world: Any, centre: Any, clearing: Any
) -> None:
    """251 lines in three pages; the second breaks off and is the first that is asked for again."""
    await settle(world, "O1")
    copies(centre, 250)
    world.platform.faults.add(fault("drop-after", "3260", skip=1))
    held = await clearing.fetch(*MARCH)
    assert (held.state, len(held.incoming)) == (MonthState.FETCHING, 100)
    with pytest.raises(ClearingError, match="not fetched to its end"):
        await clearing.confirm(*MARCH)
    held = await clearing.fetch(*MARCH)
    assert (held.state, len(held.lines)) == (MonthState.OPEN, 251)
    assert len(await world.requests("3260")) == 4


def fault(kind: str, infno: str, *, skip: int = 0) -> Any:
    """A fault that strikes the request behind the next `skip` ones."""
    from conformance.platform.faults import Fault, FaultKind  # noqa: PLC0415 - of this one helper

    class Later(Fault, kw_only=True):
        left: int = 0

        def meets(self, region: str, infno: str) -> bool:
            met = super().meets(region, infno)
            if met and self.left:
                self.left -= 1
                return False
            return met

    return Later(kind=FaultKind(kind), infno=infno, left=skip)


async def everything(clearing: Any) -> Any:
    """Confirm every line of March, whatever was found."""
    held = await clearing.month(*MARCH)
    numbers = [line.setl_sn for line in held.open_lines()]
    return await clearing.confirm(*MARCH, accept=numbers, operator="王")


async def test_a_confirmation_without_answer_is_unknown_and_not_repeated(
    world: Any, centre: Any, clearing: Any
) -> None:
    """The second portion of three is lost after it took effect: nothing more is sent, by nobody,
    until everything was rolled back; then the month is confirmed once.
    """
    await settle(world, "O1")
    copies(centre, 250)
    await clearing.fetch(*MARCH)
    world.platform.faults.add(fault("drop-after", "3261", skip=1))
    held = await everything(clearing)
    assert held.state is MonthState.UNKNOWN
    assert [batch.state for batch in held.batches] == [SendState.ACCEPTED, SendState.UNKNOWN]
    assert len(await world.requests("3261")) == 2
    with pytest.raises(ClearingError, match="no known outcome"):
        await everything(clearing)
    assert [one.infno for one in await world.gateway._decider.open()] == ["3261"]
    held = await clearing.roll_back(*MARCH, operator="王")
    assert held.state is MonthState.OPEN
    assert await world.gateway._decider.open() == []
    assert centre.all("SELECT 1 FROM confirmations") == []
    held = await everything(clearing)
    assert (held.state, len(held.flags())) == (MonthState.CONFIRMED, 251)
    assert len(centre.all("SELECT 1 FROM confirmations")) == 251


@pytest.mark.parametrize(("word", "confirmed"), [(True, 1), (False, 0)])
async def test_the_word_of_the_centre_ends_an_unknown_confirmation(
    world: Any, clearing: Any, *, word: bool, confirmed: int
) -> None:
    """It is in the audit with who decided; a wrong message id is refused."""
    await settle(world, "O1")
    await clearing.fetch(*MARCH)
    await world.admin.fault("drop-before", "3261")
    held = await everything(clearing)
    (batch,) = held.batches
    with pytest.raises(ClearingError, match="no unknown clearing"):
        await clearing.decide("M", happened=word, operator="王", note="电话")
    held = await clearing.decide(batch.msgid, happened=word, operator="王", note="电话")
    assert len(held.flags()) == confirmed
    assert held.state is (MonthState.CONFIRMED if confirmed else MonthState.OPEN)
    send = await world.gateway.journal.send(batch.msgid)
    assert send.state == ("confirmed" if word else "manual")


async def test_one_confirmation_is_taken_back_by_its_reference(
    world: Any, centre: Any, clearing: Any
) -> None:
    """Its lines are open again, those of the other confirmation stay."""
    await settle(world, "O1")
    copies(centre, 120)
    await clearing.fetch(*MARCH)
    held = await everything(clearing)
    first, second = held.batches
    held = await clearing.roll_back(*MARCH, msgid=second.msgid, operator="王")
    assert (held.state, len(held.flags())) == (MonthState.PARTLY, 100)
    assert len(centre.all("SELECT 1 FROM confirmations")) == 100
    with pytest.raises(ClearingError, match="stands under"):
        await clearing.roll_back(*MARCH, msgid=second.msgid)
    held = await everything(clearing)
    assert held.state is MonthState.CONFIRMED
    assert held.batches[0].msgid == first.msgid


async def test_a_roll_back_without_answer_holds_the_month(world: Any, clearing: Any) -> None:
    """Neither confirmed nor rolled back anew before somebody asked the centre."""
    await settle(world, "O1")
    await clearing.fetch(*MARCH)
    await everything(clearing)
    await world.admin.fault("drop-after", "3262")
    held = await clearing.roll_back(*MARCH, operator="王")
    assert held.state is MonthState.UNKNOWN
    for step in (clearing.roll_back, clearing.confirm):
        with pytest.raises(ClearingError, match="no known outcome"):
            await step(*MARCH)
    (batch,) = held.batches
    held = await clearing.decide(batch.undone_by, happened=True, operator="王", note="电话")
    assert (held.state, held.flags()) == (MonthState.OPEN, {})


async def test_a_refusal_leaves_the_lines_open(world: Any, centre: Any, clearing: Any) -> None:
    """The centre's amount changed after the extraction: its refusal is shown, and said by whom."""
    await settle(world, "O1")
    await clearing.fetch(*MARCH)
    centre.run("UPDATE settlements SET medfee_sumamt = '240.01'")
    held = await everything(clearing)
    assert (held.state, held.flags()) == (MonthState.OPEN, {})
    assert held.note.startswith("3261 refused: ")
    held = await clearing.fetch(*MARCH)
    assert held.lines[0].finding is LineFinding.AMOUNTS_DIFFER


@pytest.mark.parametrize("moment", ["before the send", "after the send", "after the outcome"])
async def test_a_crash_in_a_confirmation_is_repaired_by_the_next_look(
    world: Any, centre: Any, clearing: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Nothing left: open. It left and nobody heard: unknown. It was answered: confirmed."""
    await settle(world, "O1")
    await clearing.fetch(*MARCH)
    journal = world.gateway.journal

    class CrashError(Exception):
        pass

    async def crash(*_: object, **__: object) -> None:
        raise CrashError

    line = clearing._line._dispatcher
    if moment == "before the send":
        monkeypatch.setattr(journal, "record_send", crash)
    elif moment == "after the send":
        monkeypatch.setattr(line, "_record_outcome", crash)
    else:
        monkeypatch.setattr(clearing, "_end", crash)
    with pytest.raises(CrashError):
        await everything(clearing)
    monkeypatch.undo()
    await world.stop()
    await world.start(sections=SECTION)
    clearing = world.gateway.office.clearing[HOSPITAL]
    held = await clearing.month(*MARCH)
    assert (
        held.state
        is {
            "before the send": MonthState.OPEN,
            "after the send": MonthState.UNKNOWN,
            "after the outcome": MonthState.CONFIRMED,
        }[moment]
    )
    assert len(await world.requests("3261")) == (0 if moment == "before the send" else 1)


@pytest.mark.parametrize("later", [timedelta(minutes=3), timedelta(hours=-1)])
async def test_another_process_waits_for_one_in_the_middle_of_a_step(
    world: Any, clearing: Any, later: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes after it went silent the others may go on, and when the clock was set back."""
    await settle(world, "O1")
    await clearing.fetch(*MARCH)

    class CrashError(Exception):
        pass

    async def crash(*_: object, **__: object) -> None:
        raise CrashError

    monkeypatch.setattr(clearing, "_end", crash)
    with pytest.raises(CrashError):
        await everything(clearing)
    monkeypatch.undo()
    monkeypatch.setattr(clearing, "_node", "another")
    with pytest.raises(ClearingError, match="another gateway"):
        await clearing.fetch(*MARCH)
    world.clock.time += later
    held = await clearing.fetch(*MARCH)
    assert held.state is MonthState.CONFIRMED


async def test_the_commands_say_by_their_exit_codes_where_the_month_stands(
    world: Any, gateway_command: Any
) -> None:
    """Fetch 0, show and report beside the gateway, confirm 0, roll-back; no person is shown."""
    await settle(world, "O1")

    async def run(*arguments: str) -> Any:
        return await gateway_command(world, "clearing", *arguments, token=OPERATOR)

    ended = await run("fetch", "2026-03", "--url", world.http)
    assert (ended.code, ended.err) == (0, "")
    ended = await run("report", "2026-03", "--json")
    whole = msgspec.json.decode(ended.out)["total"]
    assert (whole["listed"], Decimal(whole["listed_medfee"])) == (1, Decimal("240.00"))
    ended = await run("confirm", "2026-03", "--operator", "王", "--url", world.http)
    assert (ended.code, "confirmed" in ended.out) == (0, True)
    ended = await run("show", "2026-03", "--all")
    assert ended.code == 0
    assert WU.certno not in ended.out
    ended = await run("roll-back", "2026-03", "--all", "--operator", "王", "--url", world.http)
    assert "open" in ended.out
    assert (await run("roll-back", "2026-03", "--operator", "王")).code == 2
    assert (await run("show", "2026-13")).code == 2
    assert (await run("show", "2026-04")).code == 2


class TestTheHospitalsOwn:
    """What the hospital did by national JSON is seen, and not done a second time."""

    async def test_confirmation_is_a_portion_of_the_month(
        self, world: Any, centre: Any, clearing: Any
    ) -> None:
        """One of two lines is confirmed by the hospital; the gateway confirms the other one."""
        await settle(world, "O1")
        copies(centre, 1)
        held = await clearing.fetch(*MARCH)
        mine, rest = (line.setl_sn for line in held.lines)
        reply = await own(world, "3261", confirmation(held, Batch(number=1, flags={mine: "1"})))
        assert reply.body["infcode"] == 0, reply.body
        held = await clearing.month(*MARCH)
        assert (held.state, held.flags()) == (MonthState.PARTLY, {mine: "1"})
        assert [batch.own for batch in held.batches] == [True]
        held = await clearing.confirm(*MARCH, accept=[rest], operator="王")
        assert (held.state, [len(batch.flags) for batch in held.batches]) == (
            MonthState.CONFIRMED,
            [1, 1],
        )
        assert len(centre.all("SELECT 1 FROM confirmations")) == 2

    async def test_confirmation_before_the_month_was_fetched_is_seen(
        self, world: Any, centre: Any, clearing: Any
    ) -> None:
        """The gateway fetches afterwards, and has nothing left to confirm."""
        await settle(world, "O1")
        page = await world.carry("3260", {"data": {**YEAR_MONTH, "startrow": 1}})
        (row,) = page.body["output"]["data"]
        kept = ("certno", "mdtrt_id", "mdtrt_setl_time", "setl_sn", "medfee_sumamt")
        detail = {code: row[code] for code in (*kept, "optins_pay_sumamt")} | {"cnfm_flag": "1"}
        content = {"data": {**YEAR_MONTH, "totalrow": 1}, "detail": [detail]}
        assert (await own(world, "3261", content)).body["infcode"] == 0
        held = await clearing.fetch(*MARCH)
        assert (held.state, held.flags()) == (MonthState.CONFIRMED, {row["setl_sn"]: "1"})
        held = await clearing.confirm(*MARCH, operator="王")
        assert await world.requests("3261") == ["3261"]
        assert len(centre.all("SELECT 1 FROM confirmations")) == 1

    async def test_confirmation_of_unknown_outcome_holds_the_month(
        self, world: Any, clearing: Any
    ) -> None:
        """504 to the hospital; the gateway confirms nothing before somebody asked the centre, and
        the word ends both, the month and the message of the hospital.
        """
        await settle(world, "O1")
        held = await clearing.fetch(*MARCH)
        (line,) = held.lines
        content = confirmation(held, Batch(number=1, flags={line.setl_sn: "1"}))
        await world.admin.fault("drop-after", "3261")
        msgid = world.msgid()
        assert (await own(world, "3261", content, msgid)).status == 504
        assert (await clearing.month(*MARCH)).state is MonthState.UNKNOWN
        with pytest.raises(ClearingError, match="no known outcome"):
            await clearing.confirm(*MARCH, accept=[line.setl_sn])
        again = await own(world, "3261", content)
        assert [problem["code"] for problem in again.body["problems"]] == ["VISIT-HELD"]
        held = await clearing.decide(msgid, happened=True, operator="王", note="电话")
        assert held.state is MonthState.CONFIRMED

        async def ended() -> Any:
            reply = await own(world, "3261", content, msgid)
            return reply if reply.status == 200 else None

        assert (await world.until(ended)).body["infcode"] == 0
        assert await world.requests("3261") == ["3261"]

    async def test_roll_back_opens_the_lines(self, world: Any, centre: Any, clearing: Any) -> None:
        """Of everything (0), of a month that the gateway had confirmed; it may confirm it anew."""
        await settle(world, "O1")
        await clearing.fetch(*MARCH)
        await everything(clearing)
        content = {"data": {**YEAR_MONTH, "otransid": "0"}}
        assert (await own(world, "3262", content)).body["infcode"] == 0
        held = await clearing.month(*MARCH)
        assert (held.state, held.flags()) == (MonthState.OPEN, {})
        assert centre.all("SELECT 1 FROM confirmations") == []
        held = await everything(clearing)
        assert held.state is MonthState.CONFIRMED
        assert len(centre.all("SELECT 1 FROM confirmations")) == 1


YEAR_MONTH = {"trt_year": "2026", "trt_month": "03"}


async def own(world: Any, infno: str, content: dict[str, Any], msgid: str = "") -> Any:
    """A transaction about clearing that the hospital composed itself."""
    return await world.carry(infno, content, msgid=msgid)
