"""A FHIR port on a free port: real HTTP and journal; pipeline and platform are made up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import mappings.codes
from gateway.clock import CHINA
from gateway.errors import DuplicateError, MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.problems import other_content
from gateway.fhir.release import BY_SEGMENT
from gateway.fhir.shapes import shapes_of
from gateway.fhir.xml import encode_xml
from gateway.inbound.fhir import fhir_mounts
from gateway.inbound.http import HTTPServer
from gateway.inbound.http_mounts import published_guides
from gateway.inbound.peers import PeerDirectory
from gateway.intents import (
    Answer,
    CallReport,
    Intent,
    Message,
    Record,
    Result,
    Settlement,
    Status,
    Verb,
)
from gateway.journal import SQLiteJournal
from gateway.pipeline import Received
from gateway.settings import PeerSettings, Settings
from gateway.telemetry import Metrics, get_logger
from tests.acceptance.releases import in_release
from tests.fhir_answers import fhir_answers_are_valid  # noqa: F401 - a fixture for every test
from tests.fhir_xml import read_xml
from tests.integration.fhir.speaking import R4_JSON, SPOKEN, Spoken

TOKENS = {"his": "t-7f3a9b2c4d5e6f708192", "other": "t-0011223344556677"}
TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"
BASE = "https://fsi-gateway.example/fhir"


REFUSED = Problem(
    kind=ProblemKind.BUSINESS,
    code=ProblemCode.FSI_REJECT,
    zh="平台拒绝",
    en="the platform refused",
)


class StoppedClock:
    """Half past ten on 2 March 2026, for ever."""

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 10, 30, 0, tzinfo=CHINA)

    def monotonic(self) -> float:
        return 0.0


class Centre:
    """Stands for the conductor and the platform behind it: every bill is paid in cash."""

    def __init__(self) -> None:
        self.carried: list[Intent] = []
        self.status = Status.DONE
        self.gate = asyncio.Event()
        self.gate.set()

    async def conduct(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        self.carried.append(intent)
        if intent.verb is Verb.IGNORE:
            return Result(status=Status.DONE, intent=intent)
        await self.gate.wait()
        number = f"MSG-{len(self.carried)}"
        result = Result(
            status=self.status,
            intent=intent,
            calls=[CallReport(infno="2207", msgid=number, outcome=self.status.value)],
        )
        if self.status is Status.REJECTED:
            result.problems = [REFUSED]
        if self.status is not Status.DONE:
            return result
        intent.visit.values["mdtrt_id"] = "M-1"
        made = Settlement(infno="2207", msgid=number, info=self._info(intent), chrg_bchno="B-1")
        if intent.verb is Verb.SETTLE:
            result.settlements = [made]
        elif intent.verb is Verb.PRESETTLE:
            result.presettlement = made
        elif intent.verb is Verb.CANCEL:
            made.cancels = intent.settlement.get("setl_id")
            result.settlements = [made]
        elif intent.verb is Verb.IDENTIFY:
            result.insurances = [Record({"insutype": "310", "psn_insu_stas": "1"})]
        return result

    def _info(self, intent: Intent) -> Record:
        amount = intent.settlement.get("medfee_sumamt", "0.00")
        return Record(
            {
                "setl_id": f"S-{len(self.carried)}",
                "psn_no": "43010000000000000001",
                "setl_time": "2026-03-02 10:30:05",
                "medfee_sumamt": amount,
                "fund_pay_sumamt": "0.00",
                "psn_part_amt": amount,
                "psn_cash_pay": amount,
                "acct_pay": "0.00",
            }
        )


class Line:
    """Stands for the pipeline: read, store, understand, carry out, answer, store."""

    def __init__(self, adapter: FHIRAdapter, journal: SQLiteJournal, centre: Centre) -> None:
        self._adapter, self._journal, self._centre = adapter, journal, centre
        self._running: dict[str, asyncio.Task[Answer]] = {}

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        return await self.work(await self.accept(protocol, raw, peer, meta))

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Received:
        received = Received(protocol=protocol, peer=peer)
        try:
            message = await self._adapter.read(raw, peer, meta)
            kept = self._adapter.redact(raw)
            begun = await self._journal.begin_exchange(message, kept, "2026-03-02 10:30:00")
            if begun.kind == "conflict":
                raise DuplicateError([other_content("")])
        except MessageError as error:
            received.answer = self._adapter.refuse(raw, meta, error)
            return received
        received.exchange_id, received.message = begun.exchange_id, message
        received.answer = begun.answer
        return received

    async def work(self, received: Received) -> Answer:
        if received.answer is not None:
            return received.answer
        if received.exchange_id not in self._running:
            assert received.message is not None
            self._running[received.exchange_id] = asyncio.create_task(
                self._work(received.exchange_id, received.message, received.peer)
            )
        return await self._running[received.exchange_id]

    async def _work(self, exchange_id: str, message: Message, peer: PeerSettings) -> Answer:
        intent, problems = await self._adapter.understand(message, peer)
        if problems:
            result = Result(status=Status.INVALID, intent=intent, problems=problems)
        else:
            result = await self._centre.conduct(intent, peer, exchange_id)
        answer = self._adapter.answer(message.kind, message.context, result)
        if result.status is Status.NOT_SENT:
            await self._journal.release_exchange(exchange_id)
        else:
            await self._journal.finish_exchange(exchange_id, answer, result)
        self._running.pop(exchange_id)
        return answer

    def uncoded(self, _intent: Intent, _peer: PeerSettings) -> list[Problem]:
        """There are no code tables here: tests/acceptance has them."""
        return []

    async def idle(self) -> None:
        """Wait until nothing is worked on."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def replace(self, exchange_id: str, result: Result) -> None:
        """What the resolver does once an outcome is known."""
        row = await self._journal.exchange(exchange_id)
        assert row is not None
        context = await self._journal.context(exchange_id)
        answer = self._adapter.answer(row.kind, context, result)
        await self._journal.replace_answer(exchange_id, answer, result)


class Port:
    """The running port and what stands behind it."""

    def __init__(self, settings: Settings, journal: SQLiteJournal) -> None:
        clock = StoppedClock()
        self.settings = settings
        self.journal = journal
        self.peer = settings.peers[0]
        self.centre = Centre()
        self.adapter = FHIRAdapter(settings, journal, clock.now)
        self.pipeline = Line(self.adapter, journal, self.centre)
        mounts = fhir_mounts(
            self.pipeline,
            self.adapter,
            journal,
            page_size=2,
            software_version="0.1.0",
            guides=published_guides(settings),
        )
        self.mounts = mounts
        self.server = HTTPServer(
            settings.http,
            PeerDirectory(settings.peers),
            mounts,
            metrics=Metrics(),
            log=get_logger(),
        )


class Reply:
    """A response that was read to its end; XML is read apart from the product's reader."""

    def __init__(self, status: int, headers: Any, raw: bytes, release: str = "r4") -> None:
        self.status, self.headers, self.raw = status, headers, raw
        kind = headers.get("Content-Type", "")
        self.body: Any = None
        if raw and "json" in kind:
            self.body = decode_own(raw)
        elif raw and "xml" in kind:
            self.body = read_xml(BY_SEGMENT[release].models, raw)[0]


class Client:
    """A peer of the port, which speaks one release in one format.

    A resource goes in the form of the release, unless the path names its base.
    """

    def __init__(self, session: aiohttp.ClientSession, host: str, spoken: Spoken = R4_JSON) -> None:
        self._session, self.host = session, host
        self.release, self.form = spoken
        self.base = f"{host}/fhir/{self.release}"
        self.media_type = f"application/fhir+{self.form}"

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = TOKENS["his"],
        **headers: str,
    ) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if self.form == "xml":
            sent.setdefault("Accept", self.media_type)
        if body is not None and not isinstance(body, bytes):
            body = encode(body) if path.startswith("/fhir/") else self.written(body)
            sent.setdefault("Content-Type", self.media_type)
        if body is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
        where = self.host if path.startswith("/fhir/") else self.base
        url = path if path.startswith("http") else f"{where}{path}"
        async with self._session.request(method, url, data=body, headers=sent) as response:
            raw = await response.read()
            segment = url.split("/")[4]
            release = segment if segment in BY_SEGMENT else self.release
            return Reply(response.status, response.headers, raw, release)

    def written(self, resource: dict[str, Any]) -> bytes:
        """A resource as this client sends it."""
        tree = in_release(resource, self.release)
        if self.form == "json":
            return encode(tree)
        return encode_xml(tree, shapes_of(BY_SEGMENT[self.release].models))


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    """The port, started."""
    settings = Settings.model_validate(
        {
            "codes": {"directories": [TABLES]},
            "http": {"port": 0, "max_body_bytes": 1_000_000},
            "institutions": [
                {
                    "fixmedins_code": "H43010000001",
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": "bureau",
                }
            ],
            "channels": [{"name": "bureau", "url": "http://127.0.0.1:1/"}],
            "peers": [
                {
                    "name": name,
                    "institutions": ["H43010000001"],
                    "token_sha256": [hashlib.sha256(token.encode()).hexdigest()],
                }
                for name, token in TOKENS.items()
            ],
        }
    )
    journal = await SQLiteJournal.open(tmp_path / "journal.db", clock=StoppedClock())
    port = Port(settings, journal)
    await port.server.start()
    try:
        yield port
    finally:
        await port.server.stop(0.1)
        await journal.close()


@pytest.fixture
def spoken(request: pytest.FixtureRequest) -> Spoken:
    """What `ask` speaks: R4 in JSON, unless a test is marked for more."""
    found: Spoken = getattr(request, "param", R4_JSON)
    return found


@pytest.fixture
async def ask(port: Port, spoken: Spoken) -> AsyncIterator[Client]:
    """Asks the port as the peer `his`; gives what came back."""
    host, number = port.server.address
    async with aiohttp.ClientSession() as session:
        yield Client(session, f"http://{host}:{number}", spoken)


@pytest.fixture
async def speakers(port: Port) -> AsyncIterator[list[Client]]:
    """One client for each release and format, all of the peer `his`."""
    host, number = port.server.address
    async with aiohttp.ClientSession() as session:
        yield [Client(session, f"http://{host}:{number}", spoken) for spoken in SPOKEN]


@pytest.fixture
def make_claim() -> Callable[..., dict[str, Any]]:
    """A claim of one line of 12.50; keywords replace elements."""

    def make(number: str = "C-1", **changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Claim",
            "identifier": [{"system": "urn:his:claims", "value": number}],
            "status": "active",
            "type": {"coding": [{"code": "professional"}]},
            "use": "claim",
            "patient": {
                "reference": "Patient/7",
            },
            "extension": [
                {
                    "url": f"{BASE}/StructureDefinition/encounter",
                    "valueReference": {
                        "identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": f"V-{number}"}
                    },
                }
            ],
            "created": "2026-03-02",
            "provider": {"identifier": {"value": "H43010000001"}},
            "priority": {"text": "normal"},
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "职工医保"}}],
            "item": [
                {
                    "sequence": 1,
                    "productOrService": {"coding": [{"code": "YP001"}]},
                    "net": {"value": Decimal("12.50"), "currency": "CNY"},
                }
            ],
        } | changes

    return make


@pytest.fixture
def make_encounter() -> Callable[..., dict[str, Any]]:
    """An outpatient visit; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Encounter",
            "identifier": [{"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}],
            "status": "in-progress",
            "class": {"code": "AMB"},
            "subject": {
                "identifier": {"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"}
            },
        } | changes

    return make
