"""A reply that comes after the timeout: the outcome was told as unknown, and is known all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.demo import messages as m
from gateway.settlement.clearing.month import MonthState
from gateway.settlement.deciding import Decision
from gateway.settlement.listing.record import ListState
from gateway.settlement.visits import decode_visit
from tests.acceptance.test_clearing import WU
from tests.acceptance.test_malformed_replies import answering, refusal
from tests.acceptance.test_settlement_lists import SECTION, ready

ZHANG_NO = "43010000000000000001"


@pytest.fixture
async def slow(open_world: Any) -> Any:
    """A world that waits one second for a reply and holds what is unknown; nothing is read back."""
    return await open_world(timeout=1.0, resolver="read_back = false")


async def answered(world: Any, message: bytes) -> Any:
    """The answer to a message once it no longer is that the outcome is unknown."""

    async def known() -> Any:
        answer = await world.tell(message)
        return answer if refusal(answer) != "FSI-UNKNOWN" else None

    return await world.until(known)


async def until_reversing(world: Any) -> None:
    """Wait until the policy has sent a 2601 whose outcome is unknown."""

    async def reversing() -> Any:
        return await world.states("2601") == ["unknown"]

    await world.until(reversing)


def counted(world: Any, infno: str, outcome: str) -> float | None:
    """The metric of late replies."""
    labels = {"infno": infno, "outcome": outcome}
    value = world.gateway.metrics.registry.get_sample_value("gateway_late_replies_total", labels)
    return None if value is None else float(value)


def without_charges(world: Any) -> Any:
    """Take every charge out of the centre's own tables; what puts them back."""
    centre = world.platform.centres["430100"]._tables.store
    rows = [dict(row) for row in centre.all("SELECT * FROM charges")]
    centre.run("DELETE FROM charges")

    def back() -> None:
        for row in rows:
            centre.insert("charges", row)

    return back


async def trail(world: Any, infno: str) -> list[str]:
    """How the outcome of the only send of a transaction became known, by the audit."""
    (send,) = await world.sends(infno)
    rows = await world.gateway.journal.audit_trail(send.exchange_id)
    return [row.detail["how"] for row in rows if row.detail.get("how")]


class TestSettlement:
    async def test_is_the_final_answer_when_its_reply_comes(self, slow: Any) -> None:
        """F-017, F-021: AE, do not repeat; the reply comes: the same message gets AA, one settlement
        stands, the visit goes on, and audit and metric say how it is known.
        """
        await slow.charged("O1")
        await slow.admin.fault("delay-after", "2207", seconds=60)
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        answer = await slow.tell(payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
        slow.gate.opened.set()
        answer = await answered(slow, payment)
        assert answer.code == "AA"
        (settled,) = await slow.settled("O1")
        assert settled["setl_id"] in " ".join(answer.lines())
        assert await slow.states("2207") == ["accepted"]
        assert await slow.states("2601") == []
        assert await trail(slow, "2207") == ["late reply: accepted"]
        assert counted(slow, "2207", "accepted") == 1
        assert (await slow.gateway.journal.audit_verify()).broken == []
        more = slow.his.charges(m.ZHANG, "O1", "O", (slow.bottle,), first=7)
        assert (await slow.tell(more)).code == "AA"

    async def test_in_two_pieces_is_one_reply(self, slow: Any) -> None:
        """Half of the reply in time and half too late: it is read whole before it counts."""
        await slow.charged("O1")
        await slow.admin.fault("stalled", "2207", seconds=60)
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await slow.tell(payment)) == "FSI-UNKNOWN"
        slow.gate.opened.set()
        assert (await answered(slow, payment)).code == "AA"

    async def test_over_fhir(self, slow: Any) -> None:
        """The claim is queued (202), and complete once the reply is there."""
        await slow.admin.fault("delay-after", "2207", seconds=60)
        claim = slow.client.claim(m.LI, "F1", (slow.ct,), "240.00")
        assert (await slow.post_fhir("Claim", claim)).status == 202
        slow.gate.opened.set()

        async def complete() -> Any:
            answer = await slow.post_fhir("Claim", claim)
            return answer if answer.body.get("outcome") != "queued" else None

        answer = await slow.until(complete)
        assert answer.body["outcome"] == "complete"

    async def test_over_national_json(self, slow: Any) -> None:
        """504, then 0 with the platform's output under the same msgid; the visit follows."""
        await slow.charged("O1")
        (row,) = await slow.admin.rows("visits")
        (visit,) = await slow.gateway.journal.visits()
        (batch,) = [batch.chrg_bchno for batch in decode_visit(visit.data, visit.version).batches]
        data = {"psn_no": ZHANG_NO, "mdtrt_cert_type": "02", "med_type": "11"}
        data |= {
            "mdtrt_cert_no": m.ZHANG.certno,
            "certno": m.ZHANG.certno,
            "psn_cert_type": "01",
            "medfee_sumamt": "240.00",
            "psn_setlway": "01",
        }
        data |= {"mdtrt_id": row["mdtrt_id"], "chrg_bchno": batch, "insutype": "310"}
        data |= {"acct_used_flag": "1", "fulamt_ownpay_amt": "0.00", "overlmt_selfpay": "0.00"}
        data |= {"preselfpay_amt": "24.00", "inscp_scp_amt": "216.00"}
        await slow.admin.fault("delay-after", "2207", seconds=60)
        msgid = slow.msgid()
        sent = {"insuplc": "430100", "msgid": msgid}
        assert (await slow.carry("2207", {"data": data}, **sent)).status == 504
        slow.gate.opened.set()

        async def known() -> Any:
            answer = await slow.carry("2207", {"data": data}, **sent)
            return answer if answer.status != 504 else None

        answer = await slow.until(known)
        assert (answer.status, answer.body["infcode"]) == (200, 0)
        (settled,) = await slow.settled("O1")
        assert answer.body["output"]["setlinfo"]["setl_id"] == settled["setl_id"]
        (visit,) = await slow.gateway.journal.visits()
        assert visit.state == "settled"


class TestRefusal:
    async def test_that_comes_late_is_a_refusal(self, slow: Any) -> None:
        """The platform did nothing and says so, signed, on the connection of the request: the
        sender is told its reason, and the visit is held no more.
        """
        await slow.charged("O1")
        await slow.admin.fault("delay-before", "2207", seconds=60)
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await slow.tell(payment)) == "FSI-UNKNOWN"
        back = without_charges(slow)
        slow.gate.opened.set()
        answer = await answered(slow, payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-REJECT")
        back()
        assert await slow.states("2207") == ["rejected"]
        assert await slow.settled("O1") == []
        again = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert (await slow.tell(again)).code == "AA"
        assert len(await slow.settled("O1")) == 1

    async def test_that_comes_late_undoes_what_a_refusal_undoes(
        self, open_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`after_refusal = "undo"`: the lines of the message are withdrawn as after a prompt one."""
        profile = tmp_path / "undo.toml"
        profile.write_text('title = "undo"\nextends = "hunan"\nafter_refusal = "undo"\n', "utf-8")
        world = await open_world(profile=str(profile), timeout=1.0)
        await world.admin.fault("delay-before", "2207", seconds=60)
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        assert (await world.post_fhir("Claim", claim)).status == 202
        back = without_charges(world)
        centre = world.platform.centres["430100"]
        withdraw = centre.encode

        def encode(reply: Any, **more: Any) -> bytes:
            if reply.infno == "2207":
                back()  # they are there again for the withdrawal
            encoded: bytes = withdraw(reply, **more)
            return encoded

        monkeypatch.setattr(centre, "encode", encode)
        world.gate.opened.set()

        async def known() -> Any:
            answer = await world.post_fhir("Claim", claim)
            return answer if answer.body.get("outcome") != "queued" else None

        answer = await world.until(known)
        assert answer.body["outcome"] == "error"
        assert await world.states("2205") == ["accepted"]
        rows = [decode_visit(row.data, row.version) for row in await world.gateway.journal.visits()]
        assert [(visit.state.value, visit.batches) for visit in rows] == [("registered", [])]


class TestReversal:
    async def test_whose_reply_comes_late_ends_what_it_reverses(self, open_world: Any) -> None:
        """The policy's 2601 has no reply in time, and is never repeated; its reply comes, and the
        settlement is told as reversed.
        """
        world = await open_world(timeout=1.0, policy="reverse", resolver="read_back = false")
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        await world.admin.fault("delay-after", "2601", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

        await until_reversing(world)
        world.gate.opened.set()
        answer = await answered(world, payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-REVERSED")
        assert await world.states("2601") == ["accepted"]
        assert await world.states("2207") == ["reversed"]
        assert await world.settled("O1") == []

    async def test_whose_reply_comes_late_ends_it_before_the_late_reply_to_the_settlement(
        self, open_world: Any
    ) -> None:
        """Both replies come late and say "accepted": what was settled was undone after that, and
        no settlement is made of it.
        """
        world = await open_world(timeout=1.0, policy="reverse", resolver="read_back = false")
        await world.charged("O1")
        await world.admin.fault("delay-after", "2207", seconds=60)
        await world.admin.fault("delay-after", "2601", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

        await until_reversing(world)
        world.gate.opened.set()
        answer = await answered(world, payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-REVERSED")
        assert await world.states("2601") == ["accepted"]
        assert await world.states("2207") == ["reversed"]
        assert await world.settled("O1") == []


class TestOtherSteps:
    """They travel on kept connections, and nothing but their own reply may ever prove them."""

    async def test_an_upload_is_there_when_its_reply_comes(self, slow: Any) -> None:
        """No query lists unsettled lines: without the reply an operator would have to be asked. Then
        the same lines are settled, once.
        """
        assert (await slow.tell(slow.register(m.ZHANG, "O1"))).code == "AA"
        await slow.admin.fault("delay-after", "2204", seconds=60)
        charges = slow.his.charges(m.ZHANG, "O1", "O", (slow.ct,))
        assert refusal(await slow.tell(charges)) == "FSI-UNKNOWN"
        slow.gate.opened.set()
        assert (await answered(slow, charges)).code == "AA"
        assert await slow.states("2204") == ["accepted"]
        assert await trail(slow, "2204") == ["late reply: accepted"]
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert (await slow.tell(payment)).code == "AA"
        assert len(await slow.settled("O1")) == 1

    async def test_an_upload_that_is_refused_late_may_come_again(self, slow: Any) -> None:
        """The visit is held no more, and the same lines go up with a new message."""
        assert (await slow.tell(slow.register(m.ZHANG, "O1"))).code == "AA"
        await slow.admin.fault("delay-before", "2204", seconds=60)
        charges = slow.his.charges(m.ZHANG, "O1", "O", (slow.ct,))
        assert refusal(await slow.tell(charges)) == "FSI-UNKNOWN"
        centre = slow.platform.centres["430100"]._tables.store
        centre.run("UPDATE visits SET state = 'cancelled'")
        slow.gate.opened.set()
        answer = await answered(slow, charges)
        centre.run("UPDATE visits SET state = 'open'")
        assert (answer.code, refusal(answer)) == ("AE", "FSI-REJECT")
        again = slow.his.charges(m.ZHANG, "O1", "O", (slow.ct,))
        assert (await slow.tell(again)).code == "AA"
        assert await slow.states("2204") == ["rejected", "accepted"]

    @pytest.mark.parametrize(("event", "infno"), [("A04", "2201"), ("A01", "2401")])
    async def test_a_registration_is_known_without_being_read_back(
        self, slow: Any, event: str, infno: str
    ) -> None:
        """The visit has its mdtrt_id, the diagnoses follow, and charges may come."""
        await slow.admin.fault("delay-after", infno, seconds=60)
        register = slow.register(m.ZHANG, "O1", event=event)
        assert refusal(await slow.tell(register)) == "FSI-UNKNOWN"
        slow.gate.opened.set()
        assert (await answered(slow, register)).code == "AA"
        assert await slow.states(infno) == ["accepted"]
        assert await slow.requests("5201") + await slow.requests("5303") == []
        setting = "O" if event == "A04" else "I"
        charges = slow.his.charges(m.ZHANG, "O1", setting, (slow.ct,))
        assert (await slow.tell(charges)).code == "AA"


class TestAboutSomethingElse:
    """The sender was told "not known, do not repeat", which is still true: its answer stays."""

    @pytest.mark.parametrize("policy", ["hold", "reverse-and-settle"])
    async def test_an_operator_sees_what_differs(
        self, open_world: Any, monkeypatch: pytest.MonkeyPatch, policy: str
    ) -> None:
        """A late reply names another visit: `unknown show` says why it waits, what the reply said
        and which setl_id it gave; a metric counts it; no policy acts upon it.
        """
        world = await open_world(timeout=1.0, policy=policy, resolver="read_back = false")
        resolver = world.gateway._decider._resolver
        at_once = resolver._settings
        resolver._settings = at_once.model_copy(update={"delay": 3600.0})  # after the reply
        await world.charged("O1")
        other = {"mdtrt_id": "430100999999999999"}
        answering(world, monkeypatch, "2207", lambda o: o["setlinfo"].update(other))
        await world.admin.fault("delay-after", "2207", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        before = await world.tell(payment)
        assert refusal(before) == "FSI-UNKNOWN"
        world.gate.opened.set()

        async def told() -> Any:
            return counted(world, "2207", "mismatch")

        assert await world.until(told) == 1
        resolver._settings = at_once
        await resolver.look()
        (settled,) = await world.settled("O1")
        (send,) = await world.sends("2207")
        case = await world.gateway._decider.case(send.msgid)
        note = f"the reply is about something else: mdtrt_id; setl_id {settled['setl_id']}"
        assert case.unknown.reason == note
        assert case.unknown.waits_en == "the platform's reply is about something else than was sent"
        hows = [step.detail["how"] for step in case.history if "how" in step.detail]
        assert hows == ["late reply: differs in mdtrt_id"]
        assert await world.requests("2601") == []
        assert (await world.tell(payment)).lines()[1:] == before.lines()[1:]


class TestWorkOfItsOwn:
    async def test_a_confirmation_of_clearing_is_known(
        self, slow: Any, gateway_command: Any
    ) -> None:
        """3261 belongs to no message: its month reads from the journal that it took effect, whoever
        looks first, and its reply takes no place among the late ones any more.
        """
        clearing = slow.gateway.office.clearing["H43010000001"]
        now = slow.clock.now()
        year, month = f"{now:%Y}", f"{now:%m}"
        await slow.charged("O1", WU)
        assert (await slow.tell(slow.his.payment(WU, "O1", "O", "240.00"))).code == "AA"
        assert (await clearing.fetch(year, month)).state is MonthState.OPEN
        await slow.admin.fault("delay-after", "3261", seconds=60)
        assert (await clearing.confirm(year, month, operator="王")).state is MonthState.UNKNOWN
        slow.gate.opened.set()

        async def known() -> Any:
            return await slow.states("3261") == ["accepted"]

        await slow.until(known)
        shown = await gateway_command(slow, "clearing", "show", f"{year}-{month}", "--json")
        assert msgspec.json.decode(shown.out)["state"] == "confirmed"
        held = await clearing.month(year, month)
        assert (held.state, len(held.flags())) == (MonthState.CONFIRMED, 1)
        assert held.batches[0].inf_refmsgid != ""
        assert slow.gateway._late.arrived() == []

    async def test_an_uploaded_settlement_list_is_known_without_asking_4103(
        self, open_world: Any
    ) -> None:
        """The list is at the centre as it was sent, so that nothing is sent again."""
        slow = await open_world(timeout=1.0, sections=SECTION)
        setl_id = await ready(slow)
        lists = slow.gateway.office.lists["H43010000001"]
        await slow.admin.fault("delay-after", "4101", seconds=60)
        assert (await lists.upload(setl_id)).held.state is ListState.UNKNOWN
        slow.gate.opened.set()

        async def known() -> Any:
            return await slow.states("4101") == ["accepted"]

        await slow.until(known)
        held = (await lists.upload(setl_id)).held
        (kept,) = await slow.admin.rows("lists")
        assert (held.state, held.is_current) == (ListState.UPLOADED, True)
        assert held.setl_list_id == kept["setl_list_id"]
        assert await slow.requests("4101") + await slow.requests("4103") == ["4101"]


class TestWhatCannotCount:
    async def test_a_reply_after_a_decision_changes_nothing_and_is_reported(
        self, slow: Any
    ) -> None:
        """An operator vouched that nothing happened, and the reply says that it did: the answer
        stays as it was given, and a warning and a metric say so.
        """
        await slow.charged("O1")
        await slow.admin.fault("delay-after", "2207", seconds=60)
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await slow.tell(payment)) == "FSI-UNKNOWN"
        (send,) = await slow.sends("2207")
        decider = slow.gateway._decider
        await decider.decide(send.msgid, Decision.NOTHING, operator="op", note="looked")
        before = await slow.tell(payment)
        slow.gate.opened.set()

        async def told() -> Any:
            return counted(slow, "2207", "contradicts")

        assert await slow.until(told) == 1
        assert (await slow.tell(payment)).lines()[1:] == before.lines()[1:]
        assert await slow.states("2207") == ["manual"]

    async def test_without_the_setting_the_connection_is_closed(self, open_world: Any) -> None:
        """`late_reply = 0`: nothing is listened for, and the outcome stays unknown."""
        world = await open_world(timeout="1.0\nlate_reply = 0")
        await world.charged("O1")
        await world.admin.fault("delay-after", "2207", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        world.gate.opened.set()
        assert (await world.tell(world.register(m.LI, "O2"))).code == "AA"
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        assert await world.states("2207") == ["unknown"]

    async def test_a_stop_does_not_wait_for_it(self, slow: Any) -> None:
        """What is listened for is closed at a stop; the outcome is still unknown after it."""
        await slow.charged("O1")
        await slow.admin.fault("delay-after", "2207", seconds=60)
        payment = slow.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await slow.tell(payment)) == "FSI-UNKNOWN"
        await slow.stop()
        slow.gate.opened.set()
        await slow.start()
        assert refusal(await slow.tell(payment)) == "FSI-UNKNOWN"
        assert await slow.states("2207") == ["unknown"]
