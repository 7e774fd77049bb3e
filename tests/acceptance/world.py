"""The reference platform and a gateway in one process, real sockets between everything."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from conformance.platform import wire
from conformance.platform.config import load_config
from conformance.platform.demo import ACCOUNTS, write_demo
from conformance.platform.server import Platform
from gateway.app import Gateway
from gateway.clock import CHINA, Clock, SystemClock
from gateway.demo import messages as m
from gateway.demo.sandbox import TABLES
from gateway.demo.talking import FHIRSender, HL7Answer, HL7Sender, PlatformAdmin
from gateway.settings import load_settings

HOSPITAL = "H43010000001"
TOKEN = "t-5d0a7c1be2f94837"
DEADLINE = 100.0
"""Seconds within which a condition has to come true; reached only by a defect. A process of its own
takes half a minute to start where many start at once."""

SETTINGS = """\
[mllp]
port = 0
{mllp}

[http]
port = 0
{http}

[journal]
path = "journal.db"

[codes]
directories = ["{tables}"]

[resolver]
policy = "{policy}"
delay = 0.0
interval = 0.02
{resolver}

[limits]
{limits}

{sections}

[[institutions]]
fixmedins_code = "H43010000001"
fixmedins_name = "长沙示范医院"
mdtrtarea_admvs = "430100"
home_pools = ["430100", "439900"]
channel = "changsha"

[[channels]]
name = "changsha"
url = "{platform}/430100"
profile = "{profile}"
account = "{account}"
secret_file = "{secret}"
signing_key_file = "keys/gateway.pem"
platform_public_key_file = "keys/platform-430100.pub.pem"
timeout = {timeout}
breaker_seconds = 0.1

[[peers]]
name = "his"
institutions = ["H43010000001"]
token_sha256 = ["{token}"]
defaults = {{ acct_used_flag = "1" }}
presettle_with_charges = {presettle}
{peer}

[peers.hl7v2]
default_charset = "GB18030"
reply_segments = ["ZMI", "ZSL"]
{hl7}
"""

BOTTLE = m.Item("YP001", "阿莫西林片", "1", "12.60", "12.60")
CT = m.Item("CT001", "X线计算机体层(CT)平扫", "1", "240.00", "240.00")
"""240.00 yuan: class B, a tenth first by the patient, 216.00 in scope. For an employee of
430100 in a hospital of level three the fund pays (216.00 - 50.00) x 70 % = 116.20."""


class Gate:
    """The waiting of the platform's faults: lasts until the test opens the gate."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        if not seconds:
            return
        self.reached.set()
        await self.opened.wait()


class Reply(NamedTuple):
    """An HTTP answer of the national JSON."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    raw: bytes


class World:
    """A platform, a gateway on a folder, and everybody who talks to them."""

    token = TOKEN
    bottle, ct = BOTTLE, CT

    def __init__(self, folder: Path, *, clock: Clock | None = None, **changes: Any) -> None:
        """`clock` is that of the platform and the gateway; the machine's when none is given."""
        self.folder = folder
        self.clock = clock or SystemClock()
        self.changes = changes
        self.gate = Gate()
        config = load_config(write_demo(folder))
        self.platform = Platform(config, sleep=self.gate, clock=self.clock.now)
        self.his = m.HIS("GB 18030-2000", "gb18030")
        self.client = m.FHIRClient("https://fsi-gateway.example/fhir")
        self.admin_token = config.admin_token
        self.stack = AsyncExitStack()
        self._gateway: Gateway | None = None
        self._serials = count(1)
        self._started = datetime.now(CHINA).strftime("%Y%m%d%H%M%S")

    # Life cycle ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the platform and the gateway."""
        await self.platform.start()
        self.stack.push_async_callback(self.platform.close)
        self.admin = PlatformAdmin(f"{self.platform.url}/admin", self.admin_token)
        self.stack.push_async_callback(self.admin.close)
        self.stack.push_async_callback(self.stop)
        await self.start(**self.changes)

    async def close(self) -> None:
        """Stop everything; faults that wait are let go first."""
        self.gate.opened.set()
        await self.stack.aclose()

    async def start(self, **changes: Any) -> None:
        """Start a gateway on the folder."""
        settings = load_settings(self.write_settings(**changes), environment={})
        gateway = Gateway(settings, clock=self.clock)
        await gateway.start()
        self._gateway = gateway
        self.fhir = FHIRSender(f"{self.http}/fhir/r4", TOKEN)
        self.stack.push_async_callback(self.fhir.close)
        self._hl7: dict[str, HL7Sender] = {}

    async def stop(self) -> None:
        """Stop the gateway; the folder stays."""
        if self._gateway is not None:
            gateway, self._gateway = self._gateway, None
            await gateway.stop()

    def write_settings(self, **changes: Any) -> Path:
        """Write the settings file: hold, 5 seconds, no pre-settlement, unless changed."""
        values: dict[str, Any] = {
            "policy": "hold",
            "timeout": 5.0,
            "presettle": "false",
            "secret": "keys/430100.secret",
            "mllp": "",
            "http": "",
            "limits": "",
            "resolver": "",
            "profile": "hunan",
            "sections": "",
            "peer": "",
            "hl7": "",
            "platform": self.platform.url,
            "account": ACCOUNTS["430100"],
            "tables": TABLES,
            "token": hashlib.sha256(TOKEN.encode()).hexdigest(),
        }
        if not isinstance(self.clock, SystemClock):
            # The messages are of the machine's time, which may lie after that of the clock.
            values["limits"] = f"fee_time_ahead = 1e9\n{changes.pop('limits', '')}"
        path = self.folder / "gateway.toml"
        path.write_text(SETTINGS.format(**{**values, **changes}), "utf-8")
        return path

    @property
    def gateway(self) -> Gateway:
        """The running gateway."""
        assert self._gateway is not None
        return self._gateway

    @property
    def http(self) -> str:
        """Base of the gateway's URLs."""
        host, port = self.gateway.http_address
        return f"http://{host}:{port}"

    # Talking to the gateway ---------------------------------------------------------------------

    def hl7(self, encoding: str = "gb18030") -> HL7Sender:
        """A connection of its own to the HL7 port."""
        sender = HL7Sender(*self.gateway.mllp_address, encoding)
        self.stack.push_async_callback(sender.close)
        return sender

    async def tell(self, message: bytes, encoding: str = "gb18030") -> HL7Answer:
        """Send over the connection of this encoding."""
        if encoding not in self._hl7:
            self._hl7[encoding] = self.hl7(encoding)
        return await self._hl7[encoding].send(message)

    async def post(self, path: str, body: bytes, *, method: str = "POST", **headers: str) -> Reply:
        """POST (or PUT) bytes to the gateway as the HIS."""
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        async with (
            aiohttp.ClientSession(headers=given) as session,
            session.request(method, f"{self.http}{path}", data=body) as response,
        ):
            raw = await response.read()
            found = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, wire.decode(raw), found, raw)

    async def post_fhir(self, kind: str, resource: dict[str, Any], method: str = "POST") -> Reply:
        """POST (or PUT) a FHIR resource; what came back, with its headers."""
        body = msgspec.json.Encoder(decimal_format="number").encode(resource)
        kind_of = {"Content-Type": "application/fhir+json"}
        return await self.post(f"/fhir/r4/{kind}", body, method=method, **kind_of)

    async def carry(
        self, infno: str, content: Any, /, *, insuplc: str = "", msgid: str = "", **more: Any
    ) -> Reply:
        """POST one transaction of the national JSON."""
        envelope = {
            "infno": infno,
            "msgid": msgid or self.msgid(),
            "fixmedins_code": HOSPITAL,
            "insuplc_admdvs": insuplc,
            "input": content,
            **more,
        }
        return await self.post(f"/fsi/{infno}", wire.encode(envelope))

    def msgid(self) -> str:
        """A fresh message id of the hospital's own."""
        return f"{HOSPITAL}{self._started}{9000 + next(self._serials):04d}"

    # Messages -----------------------------------------------------------------------------------

    def register(
        self, person: m.Person, number: str, code: str = "J06.900", event: str = "A04"
    ) -> bytes:
        """An A04 (or A01) with a diagnosis and the insurance."""
        setting = "I" if event == "A01" else "O"
        name = {"J06.900": "急性上呼吸道感染", "K35.900": "急性阑尾炎"}[code]
        diagnosis = self.his.diagnosis(code, name, "A")
        return self.his.visit(event, person, number, setting, diagnosis, self.his.insurance(person))

    def event(self, event: str, person: m.Person, number: str, setting: str, *more: str) -> bytes:
        """An ADT message of any event."""
        structure = {"A08": "ADT_A01", "A11": "ADT_A09", "A24": "ADT_A24"}[event]
        head = f"ADT^{event}^{structure}"
        return self.his.message(
            head, "EVN||20260301090000", *self.person(person, number, setting), *more
        )

    def person(self, person: m.Person, number: str, setting: str) -> tuple[str, str]:
        """PID and PV1."""
        return m._pid(person), m._pv1(number, setting)

    @staticmethod
    def change(message: bytes, segment: str, number: int, text: str, to: str = "gb18030") -> bytes:
        """The message with a field of its first such segment replaced; `to` encodes it anew."""
        lines = message.decode("gb18030").split("\r")
        at = next(index for index, line in enumerate(lines) if line.startswith(segment))
        fields = lines[at].split("|")
        place = number - 1 if segment == "MSH" else number
        fields += [""] * (place + 1 - len(fields))
        fields[place] = text
        lines[at] = "|".join(fields)
        return "\r".join(lines).encode(to)

    async def charged(
        self, number: str, person: m.Person = m.ZHANG, items: tuple[m.Item, ...] = (CT,)
    ) -> None:
        """A registered visit with uploaded lines."""
        assert (await self.tell(self.register(person, number))).code == "AA"
        charges = self.his.charges(person, number, "O", items)
        assert (await self.tell(charges)).code == "AA"

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """What the condition gives as soon as it holds."""
        async with asyncio.timeout(DEADLINE):
            while not (found := await condition()):  # noqa: ASYNC110 - looks from outside, nobody tells
                await asyncio.sleep(0.01)
            return found

    # Looking ------------------------------------------------------------------------------------

    async def requests(self, infno: str = "") -> list[str]:
        """The transactions that the platform took, in order, sign-ins left out."""
        rows = await self.admin.rows("requests", **({"infno": infno} if infno else {}))
        return [row["infno"] for row in rows if row["infno"][:2] != "90"]

    async def settled(self, number: str) -> list[dict[str, Any]]:
        """The live settlements of a visit at the platform."""
        rows = await self.admin.rows("visits")
        mine = [row["mdtrt_id"] for row in rows if row["ipt_otp_no"] == number]
        return [
            row
            for mdtrt_id in mine
            for row in await self.admin.rows("settlements", mdtrt_id=mdtrt_id, state="settled")
        ]

    async def states(self, infno: str) -> list[str]:
        """The states of the sends of a transaction, oldest first."""
        return [send.state.value for send in await self.sends(infno)]

    async def sends(self, infno: str) -> list[Any]:
        """The sends of a transaction, oldest first."""
        rows = await self.gateway.journal.sends(limit=10_000)
        found = [send for send in rows if send.infno == infno]
        return sorted(found, key=lambda send: send.created_at)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


async def command(world: World, *arguments: str | Path, token: str = "") -> Ended:
    """Run `gateway ARGUMENTS` in a process of its own, with the settings of the world."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", *map(str, arguments), "--config", str(world.folder / "gateway.toml")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "GATEWAY_OPERATOR_TOKEN": token},
    )
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())
