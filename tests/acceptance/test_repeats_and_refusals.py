"""The same message again, other content under its key, and what is provably not sent."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.demo import messages as m


def msa_and_err(answer: Any) -> list[list[str]]:
    """The segments that say what became of the message."""
    return [segment for segment in answer.segments if segment[0] in {"MSA", "ERR", "ZSL"}]


class TestRepeats:
    async def test_the_stored_answer_is_given_again(self, world: Any) -> None:
        """A-021: the same message again gets MSA, ERR and amounts byte for byte, also on another
        connection, and no transaction.
        """
        await world.charged("O1")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        first = await world.hl7().send(payment)
        taken = await world.requests()
        again = await world.hl7().send(payment)
        assert first.code == "AA"
        assert msa_and_err(again) == msa_and_err(first)
        assert await world.requests() == taken

    async def test_other_content_under_the_same_key_is_refused(self, world: Any) -> None:
        """A-022: the control id of a settled message with another amount is AE 205."""
        await world.charged("O1")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        assert (await world.tell(payment)).code == "AA"
        taken = await world.requests()
        other = await world.tell(payment.replace(b"240.00", b"120.00"))
        assert (other.code, other.field("ERR", 3).partition("^")[0]) == ("AE", "205")
        assert await world.requests() == taken

    async def test_a_claim_posted_twenty_times_at_once_is_settled_once(self, world: Any) -> None:
        """T-032: one settlement, and every one of the twenty gets the same ClaimResponse."""
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        answers = await asyncio.gather(*(world.post_fhir("Claim", claim) for _ in range(20)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.raw for answer in answers}) == 1
        assert answers[0].body["outcome"] == "complete"
        assert len(await world.settled("F1")) == 1
        assert await world.requests("2207") == ["2207"]

    async def test_a_payment_sent_on_eight_connections_at_once_is_settled_once(
        self, world: Any
    ) -> None:
        """A-021 for copies that arrive together: one settlement and equal answers."""
        await world.charged("O1")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        answers = await asyncio.gather(*(world.hl7().send(payment) for _ in range(8)))
        assert all(msa_and_err(answer) == msa_and_err(answers[0]) for answer in answers)
        assert answers[0].code == "AA"
        assert await world.requests("2207") == ["2207"]

    async def test_two_payments_of_a_visit_at_once_settle_once(self, world: Any) -> None:
        """F-021: of two different messages that settle the same lines, one finds nothing left."""
        await world.charged("O1")
        messages = [world.his.payment(m.ZHANG, "O1", "O", "240.00") for _ in range(2)]
        answers = await asyncio.gather(*(world.hl7().send(message) for message in messages))
        assert sorted(answer.code for answer in answers) == ["AA", "AE"]
        assert len(await world.settled("O1")) == 1

    async def test_a_claim_of_other_content_is_a_conflict(self, world: Any) -> None:
        """A-022: the identifier of a settled Claim with another item is 409."""
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        assert (await world.post_fhir("Claim", claim)).status == 201
        other = world.client.claim(m.LI, "F1", (world.bottle,), "12.60")
        answer = await world.post_fhir("Claim", {**other, "identifier": claim["identifier"]})
        assert (answer.status, answer.body["resourceType"]) == (409, "OperationOutcome")
        assert len(await world.settled("F1")) == 1


class TestNotSent:
    async def test_a_platform_that_is_down_leaves_the_message_for_later(
        self, open_world: Any
    ) -> None:
        """A-018, F-035, X-055: nothing can be sent: AR, HTTP 503 with Retry-After; the same
        message and Claim later succeed.
        """
        world = await open_world(platform="http://127.0.0.1:9")
        message = world.register(m.ZHANG, "O1")
        answer = await world.tell(message)
        assert (answer.code, answer.field("ERR", 5).partition("^")[0]) == ("AR", "FSI-NOTSENT")
        claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
        refused = await world.post_fhir("Claim", claim)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.body["issue"][0]["code"] == "transient"
        await world.stop()
        await world.start()
        assert (await world.tell(message)).code == "AA"
        assert (await world.post_fhir("Claim", claim)).status == 201

    async def test_a_refusal_of_the_outer_gateway_is_not_sent(self, world: Any) -> None:
        """T-030: the service gateway answers {"code": 401}: nothing took effect, AR; with the
        right secret the same message settles.
        """
        await world.charged("O1")
        await world.stop()
        wrong = world.folder / "wrong.secret"
        wrong.touch(mode=0o600)
        wrong.write_text("not the secret", "utf-8")
        await world.start(secret="wrong.secret")
        payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
        answer = await world.tell(payment)
        assert (answer.code, answer.field("ERR", 5).partition("^")[0]) == ("AR", "FSI-NOTSENT")
        assert "unknown" not in {*await world.states("2206"), *await world.states("2207")}
        await world.stop()
        await world.start()
        assert (await world.tell(payment)).code == "AA"
        assert len(await world.settled("O1")) == 1

    async def test_an_expired_sign_in_is_renewed_once(self, world: Any) -> None:
        """F-022: a refusal for the sign-in is answered by one 9001 and one further attempt, under the
        same msgid.
        """
        await world.charged("O1")
        before = await world.states("9001")
        await world.admin.fault("expired-sign-no", "2207")
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert answer.code == "AA"
        assert await world.states("2207") == ["accepted"]
        assert await world.states("9001") == [*before, "accepted"]
        assert len(await world.settled("O1")) == 1

    async def test_a_sign_in_that_keeps_expiring_is_not_tried_for_ever(self, world: Any) -> None:
        """F-022: after the renewed attempt the platform's refusal is the answer."""
        await world.charged("O1")
        await world.admin.fault("expired-sign-no", "2207", count=3)
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (answer.code, answer.field("ERR", 5).partition("^")[0]) == ("AE", "FSI-REJECT")
        assert await world.states("2207") == ["rejected"]
        assert await world.settled("O1") == []

    async def test_a_sign_in_that_gets_lost_on_the_way_leaves_a_settlement_unknown(
        self, world: Any
    ) -> None:
        """The refusal may be of a second copy that the network made of the settlement, as of the
        sign-in; without a further attempt under the same msgid nobody can tell.
        """
        await world.charged("O1")
        await world.admin.fault("expired-sign-no", "2207")
        await world.admin.fault("drop-after", "9001")
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert answer.field("ERR", 5).partition("^")[0] == "FSI-UNKNOWN"
        assert await world.states("2207") == ["unknown"]

    async def test_a_refused_sign_in_sends_nothing_else(self, world: Any) -> None:
        """F-023: without a sign-in number no transaction leaves: AR, and later it succeeds."""
        await world.admin.fault("refuse", "9001")
        message = world.register(m.ZHANG, "O1")
        assert (await world.tell(message)).code == "AR"
        assert await world.requests() == []
        assert (await world.tell(message)).code == "AA"


class TestBusiness:
    async def test_a_refused_settlement_is_told_in_the_words_of_the_platform(
        self, world: Any
    ) -> None:
        """A-017, R-020: AE with the platform's err_msg; a new message may settle."""
        await world.charged("O1")
        await world.admin.fault("refuse", "2207", message="基金结算窗口未开放")
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
        assert (answer.code, answer.field("ERR", 8)) == ("AE", "基金结算窗口未开放")
        assert await world.states("2207") == ["rejected"]
        assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"

    async def test_a_suspended_insurance_is_not_in_force(self, world: Any) -> None:
        """T-034: CoverageEligibilityRequest, validation, psn_insu_stas 2: inforce is false."""
        person = m.Person("赵停保", "430199198511110337", "M", "19851111", "", "310")
        request = {**world.client.eligibility(person), "purpose": ["validation"]}
        answer = await world.post_fhir("CoverageEligibilityRequest", request)
        assert answer.status == 201
        assert [row["inforce"] for row in answer.body["insurance"]] == [False]
