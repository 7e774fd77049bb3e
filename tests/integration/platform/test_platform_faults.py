"""Faults on demand, the admin paths, and what the platform logs."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from conformance.platform.config import PlatformConfig
from conformance.platform.server import Platform
from conformance.platform.wire import decode

P1 = "43010000000000000001"


async def _ready(hospital: Any) -> tuple[dict[str, Any], bytes]:
    """The input of a settlement that would be accepted, and the request with it."""
    mdtrt_id = await hospital.charged_day("P1")
    content = hospital.settlement("P1", mdtrt_id, "336.00")
    return content, hospital.envelope("2207", content)


class TestConnection:
    async def test_dropped_before_the_commit_nothing_is_done(self, changsha: Any) -> None:
        """The hospital sees a closed connection, the centre never heard of the message."""
        content, body = await _ready(changsha)
        await changsha.fault("drop-before", "2207")
        with pytest.raises(aiohttp.ClientError):
            await changsha.post("2207", body)
        assert await changsha.admin("GET", f"requests?msgid={changsha.last_msgid}") == []
        await changsha.call("2207", content)

    async def test_dropped_after_the_commit_the_settlement_stands(self, changsha: Any) -> None:
        """The hospital sees the same; 2601 takes the settlement back."""
        content, body = await _ready(changsha)
        msgid = changsha.last_msgid
        await changsha.fault("drop-after", "2207")
        with pytest.raises(aiohttp.ClientError):
            await changsha.post("2207", body)
        assert [row["msgid"] for row in await changsha.settlements()] == [msgid]
        assert await changsha.refused("2207", content) == "该收费批次已结算，不能重复结算"
        await changsha.call("2601", {"data": {"psn_no": P1, "omsgid": msgid, "oinfno": "2207"}})
        assert await changsha.settlements() == []

    async def test_a_late_arrival_settles_after_the_hospital_gave_up(
        self, changsha: Any, gate: Any
    ) -> None:
        """Until it comes, 2601 does not find it: a query that finds nothing proves nothing."""
        _, body = await _ready(changsha)
        msgid = changsha.last_msgid
        await changsha.fault("late", "2207", seconds=3)
        with pytest.raises(aiohttp.ClientError):
            await changsha.post("2207", body)
        undo = {"data": {"psn_no": P1, "omsgid": msgid, "oinfno": "2207"}}
        assert await changsha.refused("2601", undo) == "未查询到原交易信息"
        assert (gate.asked, await changsha.settlements()) == ([3.0], [])
        gate.opened.set()
        async with asyncio.timeout(5):
            while not await changsha.settlements():
                pass
        await changsha.call("2601", undo)

    async def test_a_late_arrival_dies_with_the_platform(
        self, changsha: Any, platform: Platform, gate: Any
    ) -> None:
        """Closing leaves no task behind."""
        _, body = await _ready(changsha)
        await changsha.fault("late", "2207")
        with pytest.raises(aiohttp.ClientError):
            await changsha.post("2207", body)
        async with asyncio.timeout(5):
            await gate.reached.wait()
        late = set(platform._late)
        await platform.close()
        assert [task.cancelled() for task in late] == [True]


class TestAnswer:
    async def test_a_delay_before_the_commit(self, changsha: Any, gate: Any) -> None:
        """While it lasts nothing is settled."""
        _, body = await _ready(changsha)
        await changsha.fault("delay-before", "2207", seconds=2)
        answer = asyncio.create_task(changsha.post("2207", body))
        await gate.reached.wait()
        assert await changsha.settlements() == []
        gate.opened.set()
        assert decode((await answer)[1])["infcode"] == 0

    async def test_a_delay_after_the_commit(self, changsha: Any, gate: Any) -> None:
        """While it lasts the settlement stands already."""
        _, body = await _ready(changsha)
        await changsha.fault("delay-after", "2207", seconds=2)
        answer = asyncio.create_task(changsha.post("2207", body))
        await gate.reached.wait()
        assert len(await changsha.settlements()) == 1
        gate.opened.set()
        assert decode((await answer)[1])["infcode"] == 0

    @pytest.mark.parametrize(("kind", "settled"), [("http-500-before", 0), ("http-500-after", 1)])
    async def test_http_500(self, changsha: Any, kind: str, settled: int) -> None:
        """The status says nothing about the settlement."""
        _, body = await _ready(changsha)
        await changsha.fault(kind, "2207")
        status, _ = await changsha.post("2207", body)
        assert status == 500
        assert len(await changsha.settlements()) == settled

    async def test_garbled_json(self, changsha: Any) -> None:
        """The settlement stands and the answer cannot be read."""
        _, body = await _ready(changsha)
        await changsha.fault("garbled", "2207")
        status, answer = await changsha.post("2207", body)
        assert status == 200
        with pytest.raises(ValueError, match="not JSON"):
            decode(answer)
        assert len(await changsha.settlements()) == 1

    async def test_a_wrong_signature(self, changsha: Any) -> None:
        """The answer reads well and does not verify."""
        _, body = await _ready(changsha)
        await changsha.fault("wrong-signature", "2207")
        _, answer = await changsha.post("2207", body)
        reply = decode(answer)
        assert reply["infcode"] == 0
        assert not changsha.verifies(reply)

    async def test_a_refusal_with_words_of_ones_own(self, changsha: Any) -> None:
        """Nothing is done; the message may be sent again."""
        _, body = await _ready(changsha)
        await changsha.fault("refuse", "2207", message="基金账户核对中，请稍后再试")
        reply = decode((await changsha.post("2207", body))[1])
        assert (reply["infcode"], reply["err_msg"]) == (-1, "基金账户核对中，请稍后再试")
        assert decode((await changsha.post("2207", body))[1])["infcode"] == 0

    async def test_an_expired_sign_in(self, changsha: Any) -> None:
        """The request is refused; after a new 9001 the same message is accepted."""
        content, body = await _ready(changsha)
        msgid = changsha.last_msgid
        await changsha.fault("expired-sign-no", "2207")
        reply = decode((await changsha.post("2207", body))[1])
        assert reply["err_msg"] == "签到流水号已失效，请重新签到"
        changsha.sign_no = ""
        await changsha.call("2207", content, msgid=msgid)


class TestOrdering:
    async def test_a_fault_is_for_its_region_transaction_and_count(
        self, changsha: Any, shenzhen: Any
    ) -> None:
        """Other requests pass, and the third of its kind does too."""
        await changsha.sign_in()
        await changsha.fault("refuse", "1101", count=2, message="演示")
        data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440399197503200429"}}
        await shenzhen.call("1101", data)
        for _ in range(2):
            assert await changsha.refused("1101", data, insuplc="440300") == "演示"
        await changsha.call("1101", data, insuplc="440300")
        assert await changsha.admin("GET", "faults") == []

    async def test_faults_can_be_taken_back(self, changsha: Any) -> None:
        """DELETE forgets those that wait."""
        await changsha.fault("drop-before", "9001")
        (waiting,) = await changsha.admin("GET", "faults")
        assert (waiting["kind"], waiting["count"]) == ("drop-before", 1)
        await changsha.admin("DELETE", "faults")
        await changsha.sign_in()


class TestAdmin:
    async def test_the_admin_paths_need_their_token(self, changsha: Any) -> None:
        """Without it, or with another, nothing is told and nothing done."""
        for headers in ({}, {"Authorization": "Bearer guess"}):
            async with changsha.session.post(
                f"{changsha.url}/admin/reset", headers=headers
            ) as response:
                assert response.status == 401

    async def test_a_fault_written_wrongly_is_refused(self, changsha: Any) -> None:
        """With HTTP 400 and the reason."""
        headers = {"Authorization": f"Bearer {changsha.admin_token}"}
        async with changsha.session.post(
            f"{changsha.url}/admin/faults", data=b'{"kind":"explode"}', headers=headers
        ) as response:
            assert response.status == 400
            assert "explode" in (await response.json())["error"]

    async def test_the_lists_can_be_narrowed(self, changsha: Any) -> None:
        """By column; an unknown parameter narrows nothing."""
        await changsha.charged_day("P1")
        rows = await changsha.admin("GET", "requests?infno=2204&colour=blue")
        assert [(row["infno"], row["infcode"]) for row in rows] == [("2204", 0)]
        assert rows[0]["msgid"] == changsha.last_msgid
        (visit,) = await changsha.admin("GET", "visits?region=430100&state=open")
        assert (visit["ipt_otp_no"], visit["pool"]) == ("M1", "430100")

    async def test_a_reset_forgets_everything(self, changsha: Any) -> None:
        """Visits, sign-ins, faults and balances are as at the start."""
        content, _ = await _ready(changsha)
        await changsha.call("2207", content)
        await changsha.fault("garbled", "9001")
        await changsha.admin("POST", "reset")
        for name in ("settlements", "visits", "requests", "faults"):
            assert await changsha.admin("GET", name) == []
        (account,) = await changsha.admin("GET", f"accounts?psn_no={P1}")
        assert account["balc"] == "1000.00"

    async def test_sessions_can_be_expired(self, changsha: Any) -> None:
        """Every sign-in ends at once."""
        await changsha.sign_in()
        assert await changsha.admin("POST", "expire-sessions") == {"expired": 1}
        assert await changsha.refused("1101", {}) == "签到流水号已失效，请重新签到"


async def test_a_failure_of_the_platform_is_a_refusal_that_tells_nothing(
    changsha: Any,
    platform: Platform,
    log_lines: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing was committed: infcode -1 is the truth; the log has the kind of failure only."""

    def fail(_body: bytes, _name: str) -> None:
        raise RuntimeError("张伟示")

    await changsha.sign_in()
    monkeypatch.setattr(platform.centres["430100"], "handle", fail)
    assert await changsha.refused("1101", {}) == "系统内部错误"
    assert ("failed", "RuntimeError") in {(x["event"], x.get("kind")) for x in log_lines}
    assert "张伟示" not in repr(log_lines)


@pytest.mark.parametrize("scheme", ["apikey", "none"])
async def test_centres_behind_other_gateways(
    scheme: str, platform_config: PlatformConfig, changsha: Any, clock: Any
) -> None:
    """A key in a header, or nothing: the body names the transaction, for faults as well."""
    platform_config.regions[0].scheme = scheme
    platform_config.regions[0].secret = "key-1"
    running = Platform(platform_config, clock=clock)
    await running.start()
    changsha.url = running.url
    changsha.config = platform_config.regions[0]
    await changsha.fault("refuse", "9001", message="演示")
    assert "apikey" in changsha.headers("9001") or scheme == "none"
    with pytest.raises(ValueError, match="演示"):
        await changsha.sign_in()
    await changsha.sign_in()
    await running.close()


async def test_the_log_identifies_nobody(changsha: Any, log_lines: list[dict[str, Any]]) -> None:
    """One line a request, with region, transaction and outcome; no name, number or token."""
    content, _ = await _ready(changsha)
    await changsha.call("2207", content)
    await changsha.refused("2207", content)
    text = repr(log_lines)
    assert ("2207", 0) in {(line.get("infno"), line.get("infcode")) for line in log_lines}
    for secret in ("张伟示", "430199198001010010", P1, "EC4301", changsha.sign_no):
        assert secret not in text
