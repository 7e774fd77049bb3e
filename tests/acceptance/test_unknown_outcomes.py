"""A settlement whose reply is lost: called unknown, never repeated, resolved by the policy only."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m


def refusal(answer: Any) -> str:
    """Our code in ERR-5."""
    return str(answer.field("ERR", 5)).partition("^")[0]


async def answered(world: Any, message: bytes) -> Any:
    """The answer to a message once it no longer is that the outcome is unknown."""

    async def known() -> Any:
        answer = await world.tell(message)
        return answer if refusal(answer) != "FSI-UNKNOWN" else None

    return await world.until(known)


class TestHold:
    @pytest.mark.parametrize(
        ("fault", "live"),
        [
            ("drop-before", 0),
            ("drop-after", 1),
            ("http-500-before", 0),
            ("http-500-after", 1),
            ("garbled", 1),
            ("wrong-signature", 1),
        ],
    )
    async def test_whatever_is_no_trusted_reply_is_unknown(
        self, world: Any, fault: str, live: int
    ) -> None:
        """A-020, F-017, F-019, F-035, T-029: a request that left without a readable, signed reply is AE,
        local code FSI-UNKNOWN, and is not sent again.
        """
        await world.charged("O1")
        await world.admin.fault(fault, "2207")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        answer = await world.tell(payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
        again = await world.tell(payment)
        assert again.lines()[1:] == answer.lines()[1:]
        assert await world.states("2207") == ["unknown"]
        assert await world.states("2601") == []
        assert len(await world.settled("O1")) == live

    async def test_a_reply_that_takes_too_long_is_unknown(self, open_world: Any) -> None:
        """F-017: no reply within the channel's time is unknown, and one settlement stands."""
        world = await open_world(timeout=0.3)
        await world.charged("O1")
        await world.admin.fault("delay-after", "2207", seconds=60)
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
        assert await world.states("2207") == ["unknown"]
        assert len(await world.settled("O1")) == 1

    async def test_the_visit_is_held(self, world: Any) -> None:
        """F-021: while an outcome is unknown, another message of the visit is AE 206 and nothing
        of it is sent; another visit goes on.
        """
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        taken = await world.requests()
        for message in (
            world.his.payment(m.ZHANG, "O1", "O", "240.00"),
            world.his.charges(m.ZHANG, "O1", "O", (world.bottle,), first=7),
            world.event("A11", m.ZHANG, "O1", "O"),
        ):
            answer = await world.tell(message)
            assert (answer.code, answer.field("ERR", 3).partition("^")[0]) == ("AE", "206")
        assert await world.requests() == taken
        await world.charged("O2", m.LI)

    async def test_a_query_of_unknown_outcome_may_come_again(self, world: Any) -> None:
        """T-029 for reads: 1101 without a readable reply changed nothing; the message is tried
        again when it comes again.
        """
        await world.admin.fault("garbled", "1101")
        message = world.register(m.ZHANG, "O1")
        answer = await world.tell(message)
        assert (answer.code, refusal(answer)) == ("AR", "FSI-NOTSENT")
        assert (await world.tell(message)).code == "AA"
        assert await world.requests() == ["1101", "1101", "2201", "2203"]

    async def test_a_task_cannot_cancel_what_is_unknown(self, world: Any) -> None:
        """T-036: a Task cancel while the settlement is unknown is rejected, and 2208 is not
        sent.
        """
        await world.admin.fault("drop-after", "2207")
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        answer = await world.post_fhir("Claim", claim)
        assert (answer.status, answer.body["outcome"]) == (202, "queued")
        assert {"total", "payment"}.isdisjoint(answer.body)
        claim_id = answer.body["request"]["reference"].rpartition("/")[2]
        task = await world.post_fhir("Task", world.client.cancellation(claim_id))
        assert (task.status, task.body["status"]) == (201, "rejected")
        assert await world.requests("2208") == []

    async def test_a_second_claim_of_the_visit_is_held(self, world: Any) -> None:
        """F-021 over FHIR: another Claim for the visit is 409 and settles nothing."""
        await world.admin.fault("drop-after", "2207")
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        assert (await world.post_fhir("Claim", claim)).status == 202
        other = world.client.claim(m.LI, "F1", (world.bottle,), "12.60")
        assert (await world.post_fhir("Claim", other)).status == 409
        assert await world.states("2207") == ["unknown"]


class TestReverse:
    async def test_the_sender_is_told_that_nothing_was_charged(self, open_world: Any) -> None:
        """Policy reverse: 2601 undoes the settlement, the repeated message says so, the platform
        has no live settlement, and a new message settles.
        """
        world = await open_world(policy="reverse")
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        answer = await answered(world, payment)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-REVERSED")
        assert await world.states("2207") == ["reversed"]
        assert await world.settled("O1") == []
        anew = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (anew.code, anew.field("ZSL", 8)) == ("AA", "116.20")
        assert len(await world.settled("O1")) == 1

    async def test_a_claim_is_told_the_same(self, open_world: Any) -> None:
        """X-032, X-038: the queued ClaimResponse is found complete or with an error where
        Content-Location says; reversed means outcome error and no payment.
        """
        world = await open_world(policy="reverse")
        await world.admin.fault("drop-after", "2207")
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        answer = await world.post_fhir("Claim", claim)
        assert answer.status == 202

        async def final() -> Any:
            again = await world.post_fhir("Claim", claim)
            return again if again.status != 202 else None

        known = await world.until(final)
        assert known.body["outcome"] == "error"
        assert known.body["id"] == answer.body["id"]
        assert await world.settled("F1") == []

    @pytest.mark.parametrize("policy", ["reverse", "reverse-and-settle"])
    async def test_an_admission_of_unknown_outcome_is_undone(
        self, open_world: Any, policy: str
    ) -> None:
        """F-018: 2401 can be reversed, where nothing is read back; the patient is admitted again by
        a new message.
        """
        world = await open_world(policy=policy, resolver="read_back = false")
        await world.admin.fault("drop-after", "2401")
        admit = world.register(m.ZHANG, "I1", "K35.900", "A01")
        assert refusal(await world.tell(admit)) == "FSI-UNKNOWN"
        assert refusal(await answered(world, admit)) == "FSI-REVERSED"
        assert (await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))).code == "AA"
        rows = await world.admin.rows("visits")
        assert [row["state"] for row in rows] == ["cancelled", "open"]


class TestReverseAndSettle:
    async def test_there_is_one_settlement_to_the_fen(self, open_world: Any) -> None:
        """Policy reverse-and-settle: exactly one live settlement, of the id and amounts in the
        final answer: 240.00, of which (216.00 - 50.00) x 70 % = 116.20 from the fund.
        """
        world = await open_world(policy="reverse-and-settle")
        await world.charged("O1")
        before = await world.admin.rows("accounts", psn_no="43010000000000000001")
        await world.admin.fault("drop-after", "2207")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        answer = await answered(world, payment)
        assert answer.code == "AA"
        amounts = [answer.field("ZSL", number) for number in (7, 8, 9)]
        assert amounts == ["240.00", "116.20", "123.80"]
        (live,) = await world.settled("O1")
        assert live["setl_id"] == answer.field("ZSL", 3)
        assert (live["medfee_sumamt"], live["fund_pay_sumamt"]) == ("240.00", "116.20")
        after = await world.admin.rows("accounts", psn_no="43010000000000000001")
        paid = Decimal(before[0]["balc"]) - Decimal(after[0]["balc"])
        assert paid == Decimal(live["acct_pay"]) == Decimal(answer.field("ZSL", 10))

    async def test_a_claim_is_settled_once(self, open_world: Any) -> None:
        """The same over FHIR for a resident: 216.00 x 50 % = 108.00 from the fund, once."""
        world = await open_world(policy="reverse-and-settle")
        await world.admin.fault("drop-after", "2207")
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        assert (await world.post_fhir("Claim", claim)).status == 202

        async def final() -> Any:
            again = await world.fhir.post("Claim", claim)
            return again if again.status != 202 else None

        answer = await world.until(final)
        assert answer.resource["outcome"] == "complete"
        assert answer.total("benefit") == Decimal("108.00")
        (live,) = await world.settled("F1")
        assert live["fund_pay_sumamt"] == "108.00"

    async def test_a_stay_is_settled_once(self, open_world: Any) -> None:
        """The same for 2304 of a patient of another province: 1166.40 from the own fund, once."""
        world = await open_world(policy="reverse-and-settle")
        await world.tell(world.register(m.WANG, "I1", "K35.900", "A01"))
        await world.tell(world.his.charges(m.WANG, "I1", "I", m.INPATIENT_ITEMS))
        final = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
        await world.tell(world.his.visit("A03", m.WANG, "I1", "I", final))
        await world.admin.fault("drop-after", "2304")
        payment = world.his.payment(m.WANG, "I1", "I", "1720.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        answer = await answered(world, payment)
        assert (answer.code, answer.field("ZSL", 8)) == ("AA", "1166.40")
        assert [row["fund_pay_sumamt"] for row in await world.settled("I1")] == ["1166.40"]

    @pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
    async def test_a_new_attempt_without_answer_gives_one_advice(
        self, world: Any, fault: str
    ) -> None:
        """The settlement is reversed, and 2206 of the new attempt gets no answer. That answer is
        final: its only advice is a new control id, and the message of a new one settles.
        """
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        await world.stop()
        await world.admin.fault(fault, "2206")
        await world.start(policy="reverse-and-settle")
        answer = await answered(world, payment)
        errors = [line.split("|") for line in answer.lines() if line.startswith("ERR|")]
        assert (answer.code, [error[5].partition("^")[0] for error in errors]) == (
            "AE", ["FSI-REVERSED"],
        )  # fmt: skip
        assert ("2206" in errors[0][8], "新的消息号" in errors[0][8]) == (True, True)
        assert "相同消息号" not in "".join(answer.lines())
        assert (await world.tell(payment)).lines()[1:] == answer.lines()[1:]
        assert await world.settled("O1") == []
        anew = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (anew.code, anew.field("ZSL", 8)) == ("AA", "116.20")
        assert len(await world.settled("O1")) == 1


class TestReversalThatFails:
    @pytest.mark.parametrize("policy", ["reverse", "reverse-and-settle"])
    async def test_a_reversal_of_unknown_outcome_stays_with_the_operator(
        self, open_world: Any, policy: str
    ) -> None:
        """2601 with an unknown outcome is not repeated: both wait for the operator."""
        world = await open_world(policy=policy)
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        await world.admin.fault("drop-after", "2601")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

        async def tried() -> bool:
            return bool(await world.states("2601") == ["unknown"])

        await world.until(tried)
        await world.stop()
        await world.start(policy=policy)
        for _ in range(3):
            assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        assert await world.states("2601") == ["unknown"]
        assert await world.states("2207") == ["unknown"]

    async def test_a_message_that_comes_during_the_reversal_waits(self, open_world: Any) -> None:
        """F-021: while 2601 is under way another payment of the visit waits for it; in the end
        the lines are settled once.
        """
        world = await open_world(policy="reverse-and-settle")
        await world.charged("O1")
        await world.admin.fault("drop-after", "2207")
        await world.admin.fault("delay-before", "2601", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        await world.gate.reached.wait()
        other = asyncio.create_task(
            world.hl7().send(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        )

        async def arrived() -> bool:
            return len(await world.gateway.journal.exchanges()) == 4

        await world.until(arrived)
        world.gate.opened.set()
        answer = await answered(world, payment)
        assert (answer.code, (await other).code) == ("AA", "AE")
        (live,) = await world.settled("O1")
        assert live["setl_id"] == answer.field("ZSL", 3)

    async def test_a_late_arrival_is_never_settled_twice(self, open_world: Any) -> None:
        """A refused 2601 proves nothing: the original arrives afterwards, and no second
        settlement was made meanwhile.
        """
        world = await open_world(policy="reverse-and-settle")
        await world.charged("O1")
        await world.admin.fault("late", "2207", seconds=60)
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

        async def refused() -> bool:
            return bool(await world.states("2601") == ["rejected"])

        await world.until(refused)
        assert await world.settled("O1") == []
        world.gate.opened.set()

        async def arrived() -> Any:
            return await world.settled("O1")

        assert len(await world.until(arrived)) == 1
        assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
        other = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (other.code, other.field("ERR", 3).partition("^")[0]) == ("AE", "206")
        assert await world.states("2207") == ["unknown"]
        assert len(await world.settled("O1")) == 1
