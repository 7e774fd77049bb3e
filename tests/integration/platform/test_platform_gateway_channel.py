"""The gateway's channel and the platform understand each other over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.platform.demo import ACCOUNTS
from conformance.platform.server import Platform
from gateway.fsi.channel import Channel
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport
from gateway.intents import Accepted, Call, NotSent, Rejected, Unknown
from gateway.settings import ChannelSettings

PROFILES = {"430100": "hunan", "440300": "guangdong"}

SIGN_IN = {"signIn": {"opter_no": "001", "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}}
WHO = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440399197503200429"}}


class StandingClock:
    """The gateway's clock, standing where the platform's stands."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock()

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def channel_to(
    platform: Platform, demo_folder: Path, clock: Callable[[], datetime]
) -> AsyncIterator[Callable[..., Channel]]:
    """Opens the gateway's channel to a region."""
    transport = HTTPTransport()

    def opened(region: str, **changes: Any) -> Channel:
        keys = demo_folder / "keys"
        settings = ChannelSettings(
            name=region,
            url=f"{platform.url}/{region}",
            profile=PROFILES[region],
            account=ACCOUNTS[region],
            secret_file=keys / f"{region}.secret",
            signing_key_file=keys / "gateway.pem",
            platform_public_key_file=keys / f"platform-{region}.pub.pem",
            timeout=5.0,
        )
        return Channel(
            settings.model_copy(update=changes),
            load_profile(PROFILES[region]),
            transport,
            StandingClock(clock),
        )

    yield opened
    await transport.close()


def call(region: str, infno: str, content: dict[str, Any], insuplc: str = "") -> Call:
    """A call of the demo hospital of a region."""
    code, name = ("H43010000001", "长沙示范医院")
    if region == "440300":
        code, name = ("H44030000001", "深圳示范医院")
    return Call(
        infno=infno,
        input=content,
        fixmedins_code=code,
        fixmedins_name=name,
        mdtrtarea_admvs=region,
        insuplc_admdvs=insuplc,
        opter="001",
        opter_name="收费员",
    )


def msgid(region: str, serial: int) -> str:
    """A message id of that hospital."""
    return f"H{region}0000120260302100000{serial:04d}"


@pytest.mark.parametrize("region", sorted(PROFILES))
async def test_a_person_is_identified_through_each_profile(
    channel_to: Callable[..., Channel], region: str
) -> None:
    """CSB and x-tif headers, the signature both ways, infcode as number and as text."""
    channel = channel_to(region)
    signed = await channel.send(call(region, "9001", SIGN_IN), msgid=msgid(region, 1), sign_no="")
    assert isinstance(signed, Accepted)
    sign_no = signed.reply.output["signinoutb"]["sign_no"]
    found = await channel.send(
        call(region, "1101", WHO, "440300"), msgid=msgid(region, 2), sign_no=sign_no
    )
    assert isinstance(found, Accepted)
    assert found.reply.output["insuinfo"][0]["balc"] == Decimal("3260.50")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("drop-before", Unknown),
        ("drop-after", Unknown),
        ("late", Unknown),
        ("http-500-before", Unknown),
        ("http-500-after", Unknown),
        ("garbled", Unknown),
        ("wrong-signature", Unknown),
        ("refuse", Rejected),
    ],
)
async def test_every_fault_has_its_outcome(
    channel_to: Callable[..., Channel], changsha: Any, kind: str, outcome: type
) -> None:
    """What the sender cannot know it calls unknown, and a refusal is a refusal."""
    await changsha.fault(kind, "9001")
    made = await channel_to("430100").send(
        call("430100", "9001", SIGN_IN), msgid=msgid("430100", 1), sign_no=""
    )
    assert isinstance(made, outcome)


async def test_a_refusal_of_the_service_gateway_is_not_sent(
    channel_to: Callable[..., Channel],
) -> None:
    """An account the bureau did not give: nothing took effect."""
    channel = channel_to("430100", account="nobody")
    made = await channel.send(call("430100", "9001", SIGN_IN), msgid=msgid("430100", 1), sign_no="")
    assert isinstance(made, NotSent)
