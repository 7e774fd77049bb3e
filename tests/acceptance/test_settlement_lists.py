"""Settlement lists over real sockets: collected from messages, checked, uploaded, followed, corrected."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.demo import messages as m
from gateway.errors import ProblemCode
from gateway.settlement.listing.parts import Counted
from gateway.settlement.listing.record import KIND, ListState, book_key, decode_list
from gateway.settlement.listing.refusals import ListError
from gateway.settlement.listing.stays import read as read_stay
from gateway.settlement.visits import decode_visit
from tests.clocks import HandClock

HOSPITAL = "H43010000001"
OPERATOR = "o-90b1f6a42c"
SECTION = f"""
[operator]
token_sha256 = ["{hashlib.sha256(OPERATOR.encode()).hexdigest()}"]

[settlement_list]
additions = {{ medins_fill_dept = "病案科", medins_fill_psn = "王" }}
"""
PROCEDURE = "PR1|1||47.0100^腹腔镜下阑尾切除术||20260301100000||||1||1001^陈医生|||1"
GRAY = "A15.000"
"""On the list of grey codes (reference: code standards)."""


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[Any]]) -> Any:
    """A world in March 2026, with an operator."""
    return await open_world(clock=HandClock(), sections=SECTION)


@pytest.fixture
def lists(world: Any) -> Any:
    """The settlement lists of the hospital."""
    return world.gateway.office.lists[HOSPITAL]


@pytest.fixture
def centre(world: Any) -> Any:
    """The centre's own tables."""
    return world.platform.centres["430100"]._tables.store


async def stay(world: Any, number: str = "I1", admitted: str = "K35.900", *more: str) -> str:
    """A settled stay of 240.00 with a procedure; its setl_id."""
    person = m.ZHANG
    leave = world.his.visit(
        "A03",
        person,
        number,
        "I",
        world.his.diagnosis("K35.900", "急性阑尾炎", "F"),
        PROCEDURE,
        *more,
    )
    for message in (
        world.register(person, number, admitted, "A01"),
        world.his.charges(person, number, "I", (world.ct,)),
        leave,
        world.his.payment(person, number, "I", "240.00"),
    ):
        assert (await world.tell(message)).code == "AA"
    (made,) = await world.settled(number)
    setl_id: str = made["setl_id"]
    return setl_id


def added(setl_id: str, code: str = "K35.800x001", **more: Any) -> dict[str, dict[str, Any]]:
    """What the records department adds."""
    diagnosis = {"diag_type": "1", "diag_code": code, "diag_name": "急性阑尾炎"}
    diagnosis |= {"adm_cond_type": "1", "maindiag_flag": "1"}
    head = {"ntly": "CHN", "prfs": "17", "bill_code": "0143", "bill_no": "00012345"}
    return {setl_id: {"setlinfo": head, "diseinfo": [diagnosis], **more}}


async def prepare(world: Any, additions: Any = None, **more: Any) -> Any:
    """The lists of the day."""
    lists = world.gateway.office.lists[HOSPITAL]
    return await lists.prepare(world.clock.now().date(), additions=additions, **more)


async def ready(world: Any) -> str:
    """A list without problems; its setl_id."""
    setl_id = await stay(world)
    (prepared,) = await prepare(world, added(setl_id))
    assert [p.place for p in prepared.problems if p.stops] == []
    return setl_id


async def test_a_list_is_collected_from_the_messages_of_the_stay(world: Any) -> None:
    """Visit, diagnosis of A03, procedure of PR1, funds of 2304; what is missing is named at once."""
    setl_id = await stay(world)
    (prepared,) = await prepare(world)
    content = prepared.held.input
    assert content["setlinfo"]["setl_id"] == setl_id
    assert content["setlinfo"]["medins_fill_dept"] == "病案科"
    assert content["diseinfo"][0]["diag_code"] == "K35.800x001"
    (procedure,) = content["oprninfo"]
    assert procedure["oprn_oprt_code"] == "47.0100"
    assert (procedure["oprn_oprt_type"], procedure["oper_dr_code"]) == ("1", "D430100000001")
    (settled,) = await world.settled("I1")
    paid = sum(row["fund_payamt"] for row in content["payinfo"])
    assert paid == Decimal(settled["fund_pay_sumamt"])
    (occupation,) = [p for p in prepared.problems if p.field == "prfs"]
    assert ("IN2-47.1" in occupation.remedy_zh, "IN2-47.1" in occupation.remedy_en) == (True, True)
    assert {p.field for p in prepared.problems if p.stops} == {
        "ntly",
        "prfs",
        "bill_code",
        "bill_no",
        "adm_cond_type",
    }


async def test_contact_and_occupation_of_a_message_are_in_the_list(world: Any) -> None:
    """NK1 and IN2 of the discharge: what is left for the records department is the rest."""
    contact = "NK1|1|李^示|SPO|示范路2号|13100000000"
    insurance = (world.his.insurance(m.ZHANG), "IN2" + "|" * 47 + "17")
    await stay(world, "I1", "K35.900", *insurance, contact)
    (prepared,) = await prepare(world)
    head = prepared.held.input["setlinfo"]
    assert (head["prfs"], head["patn_rlts"], head["coner_tel"]) == ("17", "10", "13100000000")
    assert {p.field for p in prepared.problems if p.stops} == {
        "ntly",
        "bill_code",
        "bill_no",
        "adm_cond_type",
    }


def late(world: Any, event: str, *segments: str) -> bytes:
    """A message about the stay after it was settled."""
    message: bytes = world.event("A08", m.ZHANG, "I1", "I", *segments)
    if event != "A08":
        message = message.replace(b"ADT^A08^ADT_A01", f"BAR^{event}^BAR_{event}".encode())
    return message


def told(answer: Any) -> tuple[str, str]:
    """Severity and code of the first problem of an answer."""
    return answer.field("ERR", 4), answer.field("ERR", 5).partition("^")[0]


def another(world: Any) -> tuple[str, str]:
    """A diagnosis and a procedure that the stay did not have."""
    diagnosis = world.his.diagnosis("J06.900", "急性上呼吸道感染", "F")
    return diagnosis, PROCEDURE.replace("47.0100^腹腔镜下阑尾切除术", "51.2300^腹腔镜下胆囊切除术")


def names(prepared: Any, node: str, code: str) -> list[str]:
    """One field of the rows of a list."""
    return [row[code] for row in prepared.held.input[node]]


@pytest.mark.parametrize("event", ["A08", "P05", "P12"])
async def test_diagnoses_and_procedures_after_the_settlement_reach_the_list(
    world: Any, event: str
) -> None:
    """The sender is told that they are for the list only; the platform is told nothing."""
    await stay(world)
    before = await world.requests()
    settled = await world.settled("I1")
    answer = await world.tell(late(world, event, *another(world)))
    assert (answer.code, *told(answer)) == ("AA", "W", "VISIT-STATE")
    assert answer.field("ERR", 2).startswith("DG1")
    assert await world.requests() == before
    assert await world.settled("I1") == settled
    (row,) = await world.gateway.journal.visits()
    assert row.state == "settled"
    (prepared,) = await prepare(world)
    assert names(prepared, "oprninfo", "oprn_oprt_code") == ["51.2300"]
    assert [name[:2] for name in names(prepared, "diseinfo", "diag_code")] == ["J0"]


@pytest.mark.parametrize("event", ["A08", "P05", "P12"])
async def test_diagnoses_between_discharge_and_settlement_reach_the_list(
    world: Any, event: str
) -> None:
    """2403 is for an open stay: nothing is sent, the sender is told so, and the stay settles; what
    has not changed is no news. A13 opens the stay, and 2403 takes the diagnoses then.
    """
    same = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
    leave = world.his.visit("A03", m.ZHANG, "I1", "I", same, PROCEDURE)
    for message in (
        world.register(m.ZHANG, "I1", "K35.900", "A01"),
        world.his.charges(m.ZHANG, "I1", "I", (world.ct,)),
        leave,
    ):
        assert (await world.tell(message)).code == "AA"
    before = await world.requests()
    answer = await world.tell(late(world, event, same))
    assert (answer.code, told(answer)) == ("AA", ("", ""))
    answer = await world.tell(late(world, event, *another(world)))
    assert (answer.code, *told(answer)) == ("AA", "W", "VISIT-STATE")
    assert await world.requests() == before
    assert (await world.tell(world.his.payment(m.ZHANG, "I1", "I", "240.00"))).code == "AA"
    (prepared,) = await prepare(world)
    assert names(prepared, "oprninfo", "oprn_oprt_code") == ["51.2300"]
    assert [name[:2] for name in names(prepared, "diseinfo", "diag_code")] == ["J0"]


async def test_late_procedures_alone_leave_the_diagnoses(world: Any) -> None:
    """PR1 without DG1: the diagnoses of the discharge stay in the list."""
    await stay(world)
    assert (await world.tell(late(world, "P05", another(world)[1]))).code == "AA"
    (prepared,) = await prepare(world)
    assert names(prepared, "oprninfo", "oprn_oprt_code") == ["51.2300"]
    assert names(prepared, "diseinfo", "diag_code") == ["K35.800x001"]


async def test_a_late_message_without_anything_for_the_list_is_refused(world: Any) -> None:
    """Nothing would be kept of it, and the answer does not sound as if."""
    await stay(world)
    answer = await world.tell(late(world, "P05"))
    assert (answer.code, *told(answer)) == ("AE", "E", "VISIT-STATE")


async def test_a_late_diagnosis_that_no_table_has_is_refused(world: Any) -> None:
    """It is coded like every diagnosis, and nothing of the message is kept."""
    await stay(world)
    wrong = world.his.diagnosis("QQ9.999", "无", "F")
    answer = await world.tell(late(world, "P05", wrong, another(world)[1]))
    assert (answer.code, *told(answer)) == ("AE", "E", "MAP-NO-CODE")
    (prepared,) = await prepare(world)
    assert names(prepared, "oprninfo", "oprn_oprt_code") == ["47.0100"]


async def test_after_a_cancellation_late_diagnoses_go_to_the_platform(world: Any) -> None:
    """What was for the list only was never taken for what the platform has: 2403 goes out."""
    setl_id = await stay(world)
    assert (await world.tell(late(world, "P05", *another(world)))).code == "AA"
    assert "2403" not in await world.requests()
    (row,) = await world.gateway.journal.visits()
    visit = decode_visit(row.data, row.version)
    ids = {"setl_id": setl_id, "psn_no": visit.person.get("psn_no")}
    ids["mdtrt_id"] = visit.visit.get("mdtrt_id")
    undone = await world.carry("2305", {"data": ids}, insuplc="430100")
    assert undone.body["infcode"] in (0, "0")
    back = late(world, "A08").replace(b"ADT^A08^ADT_A01", b"ADT^A13^ADT_A01")
    for message in (back, late(world, "P05", another(world)[0])):
        assert (await world.tell(message)).code == "AA"
    assert (await world.requests())[-2:] == ["2405", "2403"]
    (row,) = await world.gateway.journal.visits()
    visit = decode_visit(row.data, row.version)
    _, kept = await read_stay(world.gateway.journal, visit)
    assert (kept.diagnoses, len(kept.procedures)) == ([], 1)


async def test_the_diagnoses_of_the_discharge_are_those_of_the_list(world: Any) -> None:
    """The admission said one thing, the discharge another."""
    await stay(world, admitted="J06.900")
    (prepared,) = await prepare(world)
    assert names(prepared, "diseinfo", "diag_code") == ["K35.800x001"]


async def test_procedures_of_a_message_without_a_call_reach_the_list(world: Any) -> None:
    """The same diagnoses again make no 2403; the procedures that came with them are kept."""
    await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
    same = world.his.diagnosis("K35.900", "急性阑尾炎", "A")
    before = await world.requests()
    assert (await world.tell(late(world, "P05", same, PROCEDURE))).code == "AA"
    assert await world.requests() == before
    (row,) = await world.gateway.journal.visits()
    _, stay = await read_stay(world.gateway.journal, decode_visit(row.data, row.version))
    (kept,) = stay.procedures
    assert kept.get("oprn_oprt_code") == "47.0100"


async def test_a_list_with_problems_is_not_uploaded(world: Any, lists: Any) -> None:
    """Nothing is sent; the problems are those of the check."""
    setl_id = await stay(world)
    (prepared,) = await prepare(world)
    tried = await lists.upload(setl_id)
    assert tried.problems == prepared.problems
    assert tried.held.state is ListState.PREPARED
    assert await world.requests("4101") == []


async def test_a_grey_code_is_no_principal_diagnosis(world: Any) -> None:
    """It is named with its place; as a second diagnosis it is fine."""
    setl_id = await stay(world)
    more = added(setl_id, GRAY)
    (prepared,) = await prepare(world, more)
    (problem,) = [p for p in prepared.problems if p.stops]
    assert (problem.place, "grey code" in problem.en) == ("diseinfo[0].diag_code", True)
    rows = more[setl_id]["diseinfo"]
    rows[0]["maindiag_flag"] = "0"
    rows.insert(0, added(setl_id)[setl_id]["diseinfo"][0])
    (prepared,) = await prepare(world, more)
    assert [p for p in prepared.problems if p.stops] == []


async def test_sums_are_those_of_the_settlement_to_the_fen(world: Any) -> None:
    """Funds that add up to a fen more than 2304 said stop the list."""
    setl_id = await stay(world)
    (settled,) = await world.settled("I1")
    wrong = Decimal(settled["fund_pay_sumamt"]) + Decimal("0.01")
    fund = [{"fund_pay_type": "310100", "fund_payamt": str(wrong)}]
    (prepared,) = await prepare(world, added(setl_id, payinfo=fund))
    (problem,) = [p for p in prepared.problems if p.stops]
    assert (problem.code, problem.field) == (ProblemCode.AMOUNT_MISMATCH, "fund_payamt")
    assert str(wrong) in problem.zh


async def test_uploaded_submitted_and_approved(world: Any, lists: Any, centre: Any) -> None:
    """L-006: one settlement a call; then 4102, and the state that 4103 shows."""
    setl_id = await ready(world)
    done = await lists.upload(setl_id)
    assert (done.held.state, done.held.is_current) == (ListState.UPLOADED, True)
    (kept,) = await world.admin.rows("lists")
    assert (kept["setl_id"], kept["setl_list_id"]) == (setl_id, done.held.setl_list_id)
    await lists.upload(setl_id)
    assert await world.requests("4101") == ["4101"]
    done = await lists.upload(setl_id, submit=True)
    assert done.held.state is ListState.SUBMITTED
    assert (await lists.status(setl_id)).state is ListState.SUBMITTED
    with pytest.raises(ListError, match="cannot be changed"):
        await lists.upload(setl_id)
    centre.run("UPDATE lists SET stas_type = '2'")
    assert (await lists.status(setl_id)).state is ListState.APPROVED
    begin = world.clock.now().date()
    assert await lists.count(begin, begin) == Counted(due=1, uploaded=1)


async def test_a_refused_list_is_taken_back_corrected_and_sent_again(
    world: Any, lists: Any, centre: Any
) -> None:
    """4104 says why; then 4102 to 0, the corrected 4101, and 4102 to 1."""
    setl_id = await ready(world)
    await lists.upload(setl_id, submit=True)
    finding = {
        "exam_data_fld": "prfs",
        "qltctrl_chk_rslt": "职业不符",
        "err_lv": "1",
        "init_val": "17",
    }
    centre.run(
        "UPDATE lists SET stas_type = '3', findings = ?", msgspec.json.encode([finding]).decode()
    )
    held = await lists.status(setl_id)
    assert held.state is ListState.REFUSED
    assert [(f.field, f.text) for f in held.findings] == [("prfs", "职业不符")]
    more = added(setl_id)
    more[setl_id]["setlinfo"]["prfs"] = "24"
    (prepared,) = await prepare(world, more)
    assert not prepared.held.is_current
    done = await lists.upload(setl_id, submit=True)
    assert (done.held.state, done.held.is_current) == (ListState.SUBMITTED, True)
    assert (await world.requests())[-3:] == ["4102", "4101", "4102"]
    assert (await lists.status(setl_id)).findings == []


@pytest.mark.parametrize(("fault", "arrived"), [("drop-after", True), ("drop-before", False)])
async def test_an_upload_without_answer_is_read_back(
    world: Any, lists: Any, *, fault: str, arrived: bool
) -> None:
    """Unknown holds the list; 4103 shows it, or does not, and then it is sent once more."""
    setl_id = await ready(world)
    await world.admin.fault(fault, "4101")
    done = await lists.upload(setl_id)
    assert done.held.state is ListState.UNKNOWN
    with pytest.raises(ListError, match="no known outcome"):
        await lists.upload(setl_id)
    held = await lists.status(setl_id)
    assert held.state is (ListState.UPLOADED if arrived else ListState.PREPARED)
    assert await world.gateway._decider.open() == []
    done = await lists.upload(setl_id)
    assert (done.held.state, done.held.is_current) == (ListState.UPLOADED, True)
    assert len(await world.requests("4101")) == 1


async def test_a_submission_without_answer_is_read_back(world: Any, lists: Any) -> None:
    """4103 shows that it was handed in."""
    setl_id = await ready(world)
    await lists.upload(setl_id)
    await world.admin.fault("drop-after", "4102")
    done = await lists.upload(setl_id, submit=True)
    assert done.held.state is ListState.UNKNOWN
    assert (await lists.status(setl_id)).state is ListState.SUBMITTED


@pytest.mark.parametrize("moment", ["before the send", "after the send", "after the outcome"])
async def test_a_crash_in_an_upload_is_repaired_by_the_status(
    world: Any, lists: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whatever the moment: unknown first, then what 4103 shows; no second copy is made."""
    setl_id = await ready(world)

    class CrashError(Exception):
        pass

    async def crash(*_: object, **__: object) -> None:
        raise CrashError

    if moment == "before the send":
        monkeypatch.setattr(world.gateway.journal, "record_send", crash)
    elif moment == "after the send":
        monkeypatch.setattr(lists._line._dispatcher, "_record_outcome", crash)
    else:
        monkeypatch.setattr("gateway.settlement.listing.running.follow", crash)
        monkeypatch.setattr(type(lists), "_read", _read_without_follow)
    with pytest.raises(CrashError):
        await lists.upload(setl_id)
    monkeypatch.undo()
    await world.stop()
    await world.start(sections=SECTION)
    lists = world.gateway.office.lists[HOSPITAL]
    with pytest.raises(ListError, match="no known outcome"):
        await lists.upload(setl_id)
    held = await lists.status(setl_id)
    sent = moment != "before the send"
    assert held.state is (ListState.UPLOADED if sent else ListState.PREPARED)
    done = await lists.upload(setl_id)
    assert (done.held.state, done.held.is_current) == (ListState.UPLOADED, True)
    assert len(await world.admin.rows("lists")) == 1


async def _read_without_follow(self: Any, setl_id: str) -> Any:
    """What reading a list gives before anything was sent."""
    row = await self._journal.book(KIND, book_key(HOSPITAL, setl_id))
    return row, decode_list(row)


async def test_a_cancelled_settlement_gets_no_list(world: Any, lists: Any) -> None:
    """L-007: refused here, before anything is sent."""
    setl_id = await ready(world)
    (send,) = await world.sends("2304")
    undone = {"data": {"psn_no": send.psn_no, "omsgid": send.msgid, "oinfno": "2304"}}
    answer = await world.carry("2601", undone, insuplc="430100")
    assert answer.body["infcode"] in (0, "0")
    with pytest.raises(ListError, match="cancelled or reversed"):
        await lists.upload(setl_id)
    assert await prepare(world) == []
    assert await world.requests("4101") == []


async def test_outpatients_are_left_out_unless_asked_for(world: Any) -> None:
    """A list is of a stay; chronic outpatients come by the option."""
    await world.charged("O1")
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert await prepare(world) == []
    (prepared,) = await prepare(world, outpatient=True)
    assert prepared.held.state is ListState.PREPARED
    with pytest.raises(ListError, match="no settlement"):
        await prepare(world, setl_id="X")


async def test_the_commands_name_places_and_no_patient(
    world: Any, gateway_command: Any, tmp_path: Path
) -> None:
    """Prepare 1 with problems, 0 with what was missing; upload, status, count."""
    setl_id = await stay(world)

    async def run(*arguments: str | Path) -> Any:
        url = ("--url", world.http)
        return await gateway_command(world, "settlement-list", *arguments, *url, token=OPERATOR)

    ended = await run("prepare", "2026-03-02")
    assert ended.code == 1
    assert "setlinfo.prfs" in ended.out
    assert "可填写于：HL7 IN2-47" in ended.out
    assert "give it in one of: HL7 IN2-47" in ended.out
    assert m.ZHANG.name not in ended.out
    assert m.ZHANG.certno not in ended.out
    file = tmp_path / "more.json"
    file.write_bytes(msgspec.json.encode(added(setl_id)))
    assert (await run("prepare", "2026-03-02", "--with", file)).code == 0
    assert (await run("check", setl_id)).code == 0
    ended = await run("upload", setl_id, "--submit", "--json")
    assert (ended.code, msgspec.json.decode(ended.out)[0]["state"]) == (0, "submitted")
    ended = await run("status", setl_id)
    assert (ended.code, "submitted" in ended.out) == (0, True)
    ended = await run("count", "2026-03-01", "2026-03-31")
    assert (ended.code, ended.out.strip()) == (0, "due 1, uploaded 1")
    assert (await run("prepare", "March")).code == 2
    assert (await run("check", "X")).code == 1


class TestTheHospitalsOwn:
    """A list that the hospital uploads by national JSON is its own: seen, and not replaced."""

    async def test_upload_is_seen_and_not_replaced(self, world: Any, lists: Any) -> None:
        """The gateway uploads nothing over it, and may hand it in."""
        setl_id = await ready(world)
        held = (await lists.check(setl_id)).held
        reply = await world.carry(held.infno, held.input, insuplc="430100")
        assert reply.body["infcode"] == 0, reply.body
        (send,) = await world.sends(held.infno)
        with pytest.raises(ListError, match=f"uploaded this list itself .{send.msgid}"):
            await lists.upload(setl_id)
        assert await world.requests(held.infno) == [held.infno]
        prepared = await lists.upload(setl_id, submit=True)
        assert (prepared.held.state, prepared.held.own) == (ListState.SUBMITTED, send.msgid)
        assert await world.requests(held.infno) == [held.infno]

    async def test_upload_before_the_list_was_prepared_is_seen(
        self, world: Any, lists: Any
    ) -> None:
        """`prepare` afterwards shows it as uploaded by the hospital."""
        setl_id = await ready(world)
        held = (await lists.check(setl_id)).held
        content = {**held.input}
        reply = await world.carry(held.infno, content, insuplc="430100")
        assert reply.body["infcode"] == 0, reply.body
        (prepared,) = await prepare(world)
        assert (prepared.held.state, bool(prepared.held.own)) == (ListState.UPLOADED, True)

    async def test_upload_of_unknown_outcome_is_read_back_first(
        self, world: Any, lists: Any
    ) -> None:
        """504 to the hospital: nothing is uploaded before 4103 has shown what the centre has."""
        setl_id = await ready(world)
        held = (await lists.check(setl_id)).held
        await world.admin.fault("drop-after", held.infno)
        reply = await world.carry(held.infno, held.input, insuplc="430100")
        assert reply.status == 504
        with pytest.raises(ListError, match="no known outcome"):
            await lists.upload(setl_id)
        found = await lists.status(setl_id)
        assert (found.state, bool(found.own)) == (ListState.UPLOADED, True)
        assert await world.states(held.infno) == ["confirmed"]
        with pytest.raises(ListError, match="itself"):
            await lists.upload(setl_id)

    async def test_submission_is_followed(self, world: Any, lists: Any) -> None:
        """4102 by the hospital of a list that the gateway uploaded: it is submitted."""
        setl_id = await ready(world)
        held = (await lists.upload(setl_id)).held
        assert held.state is ListState.UPLOADED
        node = {"psn_no": held.psn_no, "setl_id": setl_id, "stas_type": "1"}
        reply = await world.carry("4102", {"stastinfo": [node]}, insuplc="430100")
        assert reply.body["infcode"] == 0, reply.body
        assert (await lists.check(setl_id)).held.state is ListState.SUBMITTED
        with pytest.raises(ListError, match="submitted"):
            await lists.upload(setl_id)
