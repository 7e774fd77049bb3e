"""Sign-in numbers: one 9001 for all who wait, kept for the day, renewed after a refusal."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.errors import NotSentError
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.signin import SignIn
from gateway.intents import Accepted, Call, NotSent, Outcome, Rejected, Reply, Unknown
from gateway.settings import InstitutionSettings

HOSPITAL = InstitutionSettings(
    fixmedins_code="H43010000001",
    fixmedins_name="长沙示范医院",
    mdtrtarea_admvs="430100",
    channel="changsha",
)


class _World:
    """A platform that numbers its sign-ins, a store, and a clock."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 23, 0, tzinfo=CHINA)
        self.calls: list[Call] = []
        self.kept: dict[str, tuple[str, datetime]] = {}
        self.outcome: Outcome | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    async def session_get(self, key: str) -> str | None:
        value, expires = self.kept.get(key, ("", self.time))
        return value if self.time < expires else None

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        self.kept[key] = (value, expires)

    async def transact(self, call: Call) -> Outcome:
        self.calls.append(call)
        await self.gate.wait()
        output: dict[str, Any] = {"signinoutb": {"sign_no": f"S{len(self.calls)}"}}
        return self.outcome or Accepted(Reply(infcode="0", output=output))

    def sign_in(self) -> SignIn:
        return SignIn(transact=self.transact, store=self, clock=self)


async def test_callers_at_the_same_time_share_one_sign_in() -> None:
    """Twenty calls wait for the same 9001."""
    world = _World()
    signing = world.sign_in()
    world.gate.clear()
    waiting = [asyncio.create_task(signing.number(HOSPITAL, "1001")) for _ in range(20)]
    await asyncio.sleep(0)
    world.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"S1"}
    assert len(world.calls) == 1


async def test_a_caller_that_gives_up_does_not_take_the_others_with_it() -> None:
    """Cancelling one of two who wait leaves the 9001 running."""
    world = _World()
    signing = world.sign_in()
    world.gate.clear()
    first = asyncio.create_task(signing.number(HOSPITAL, "1001"))
    second = asyncio.create_task(signing.number(HOSPITAL, "1001"))
    await asyncio.sleep(0)
    first.cancel()
    world.gate.set()
    assert await second == "S1"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_each_operator_has_a_number() -> None:
    """And an unnamed one stands for the institution's own."""
    world = _World()
    signing = world.sign_in()
    assert await signing.number(HOSPITAL, "1001") == "S1"
    assert await signing.number(HOSPITAL, "1002") == "S2"
    assert await signing.number(HOSPITAL, "") == "S3"
    assert await signing.number(HOSPITAL, "gateway") == "S3"


async def test_the_call_is_a_valid_9001() -> None:
    """Operator, MAC and IP from the settings."""
    world = _World()
    await world.sign_in().number(HOSPITAL, "1001", "收费员")
    call = world.calls[0]
    assert (call.infno, call.opter, call.opter_name) == ("9001", "1001", "收费员")
    assert call.input == {
        "signIn": {"opter_no": "1001", "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}
    }
    checker = Checker(Definitions.load("HN"), load_profile("hunan"))
    assert checker.check(call.infno, call.input) == []


async def test_a_number_lasts_until_the_end_of_its_day() -> None:
    """At midnight in China a new one is due."""
    world = _World()
    signing = world.sign_in()
    assert await signing.number(HOSPITAL, "1001") == "S1"
    world.time += timedelta(minutes=59)
    assert await signing.number(HOSPITAL, "1001") == "S1"
    world.time += timedelta(minutes=1)
    assert await signing.number(HOSPITAL, "1001") == "S2"


async def test_a_number_survives_a_restart() -> None:
    """Another process of the same day takes it from the store."""
    world = _World()
    await world.sign_in().number(HOSPITAL, "1001")
    assert await world.sign_in().number(HOSPITAL, "1001") == "S1"
    assert len(world.calls) == 1


async def test_a_refused_number_is_renewed() -> None:
    """Neither the memory nor the store gives it out again."""
    world = _World()
    signing = world.sign_in()
    await signing.number(HOSPITAL, "1001")
    signing.forget(HOSPITAL, "1001", "S1")
    assert await signing.number(HOSPITAL, "1001") == "S2"


async def test_a_late_refusal_of_an_old_number_changes_nothing() -> None:
    """The number was renewed in the meantime."""
    world = _World()
    signing = world.sign_in()
    await signing.number(HOSPITAL, "1001")
    signing.forget(HOSPITAL, "1001", "S1")
    await signing.number(HOSPITAL, "1001")
    signing.forget(HOSPITAL, "1001", "S1")
    assert await signing.number(HOSPITAL, "1001") == "S2"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Rejected(Reply(infcode="-1", err_msg="操作员不存在")), "操作员不存在"),
        (NotSent("no connection"), "no connection"),
        (Unknown("HTTP 500"), "HTTP 500"),
        (Accepted(Reply(infcode="0", output={})), "no number"),
        (Accepted(Reply(infcode="0", output={"signinoutb": []})), "no number"),
    ],
)
async def test_without_a_number_the_call_is_not_sent(outcome: Outcome, reason: str) -> None:
    """Whatever became of the 9001, the transaction itself has not left; the next one tries anew."""
    world = _World()
    world.outcome = outcome
    signing = world.sign_in()
    with pytest.raises(NotSentError, match=reason):
        await signing.number(HOSPITAL, "1001")
    world.outcome = None
    assert await signing.number(HOSPITAL, "1001") == "S2"
