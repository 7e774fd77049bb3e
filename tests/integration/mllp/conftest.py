"""An HL7 v2 port on a free local port, a pipeline that remembers, and raw sockets to talk to it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from gateway.clock import Clock, SystemClock
from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_http import hl7_mount
from gateway.inbound.hl7_intake import Intake
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.http import HTTPServer
from gateway.inbound.mllp_exchange import MLLPEvent
from gateway.inbound.mllp_framing import Frame, FrameReader
from gateway.inbound.mllp_server import MLLPServer
from gateway.inbound.peers import PeerDirectory
from gateway.intents import Answer, Intent, Message, Result, Status, Verb
from gateway.journal.memory import MemoryJournal
from gateway.settings import HTTPSettings, PeerSettings, Settings
from gateway.telemetry import Metrics, get_logger


@dataclass
class Received:
    """What the pipeline below gives."""

    message: Message | None = None
    answer: Answer | None = None


@dataclass
class MemoryPipeline:
    """Keeps what it accepted in memory, and does every message at once, or when told to.

    `steps` records what happened in order; `gate` holds the work back while it is not set.
    """

    adapter: HL7Adapter
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    steps: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    failure: Exception | None = None

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Received:
        assert protocol == "hl7v2"
        self.peers.append(peer.name)
        try:
            message = await self.adapter.read(raw, peer, meta)
        except MessageError as error:
            return Received(answer=self.adapter.refuse(raw, meta, error))
        self.steps.append(f"accept {message.control_id}")
        return Received(message, self.answers.get(message.control_id))

    async def work(self, received: Received) -> Answer:
        message = received.message
        assert message is not None
        self.started.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.steps.append(f"work {message.control_id}")
        result = Result(status=Status.DONE, intent=Intent(verb=Verb.REGISTER))
        answer = self.adapter.answer(message.kind, message.context, result)
        self.answers[message.control_id] = answer
        return answer


class Sender:
    """A raw connection that sends bytes and collects framed replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = FrameReader(1_000_000)
        self._replies: list[bytes] = []

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> str:
        """MSA-1 and MSA-2 of the next reply; empty when the connection is closed."""
        body = await self.body()
        return body.partition(b"\rMSA|")[2].partition(b"\r")[0].decode() if body else ""

    async def body(self) -> bytes:
        """The next reply; empty when the connection is closed."""
        while not self._replies:
            try:
                async with asyncio.timeout(20):
                    data = await self.reader.read(65_536)
            except ConnectionError:
                return b""
            if not data:
                return b""
            events = self._frames.receive(data)
            assert all(isinstance(event, Frame) for event in events)
            self._replies += [event.content for event in events if isinstance(event, Frame)]
        return self._replies.pop(0)


@dataclass
class Port:
    """A running server and its surroundings."""

    server: MLLPServer
    pipeline: MemoryPipeline
    counts: Counter[MLLPEvent]
    connect: Callable[[], Awaitable[Sender]]


StartPort = Callable[..., Awaitable[Port]]


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings with one institution, the peers given, and the HL7 v2 port on a free port."""

    def make(peers: list[dict[str, Any]], **mllp: Any) -> Settings:
        return Settings.model_validate(
            {
                "institutions": [
                    {
                        "fixmedins_code": "H43010000001",
                        "fixmedins_name": "长沙示范医院",
                        "mdtrtarea_admvs": "430100",
                        "channel": "c",
                    }
                ],
                "channels": [{"name": "c", "url": "http://127.0.0.1:9"}],
                "peers": [{"institutions": ["H43010000001"], **peer} for peer in peers],
                "mllp": {"port": 0, **mllp},
            }
        )

    return make


@pytest.fixture
async def start_port(make_settings: Callable[..., Settings]) -> AsyncIterator[StartPort]:
    """Starts ports; all of them and all their connections are closed at the end."""
    servers: list[MLLPServer] = []
    senders: list[Sender] = []

    async def start(
        dialect: dict[str, Any] | None = None,
        peers: list[dict[str, Any]] | None = None,
        tls: Any = None,
        clock: Clock | None = None,
        store: MemoryJournal | None = None,
        **mllp: Any,
    ) -> Port:
        settings = make_settings(peers or [{"name": "his", "hl7v2": dialect or {}}], **mllp)
        clock = clock or SystemClock()
        adapter = HL7Adapter(settings, clock)
        pipeline = MemoryPipeline(adapter)
        pipeline.gate.set()
        counts: Counter[MLLPEvent] = Counter()
        limits = Limits(settings.peers, clock)
        server = MLLPServer(
            settings.mllp,
            settings.peers,
            Intake(pipeline, adapter, limits, store or MemoryJournal(), clock),
            adapter,
            limits=limits,
            observe=lambda event: counts.update([event]),
            clock=clock,
        )
        await server.start()
        servers.append(server)

        async def connect() -> Sender:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
            sender = Sender(reader, writer)
            senders.append(sender)
            return sender

        return Port(server, pipeline, counts, connect)

    yield start
    for sender in senders:
        sender.writer.close()
    for server in servers:
        await server.close(grace=1.0)


@pytest.fixture
def make_message() -> Callable[..., bytes]:
    """A framed A04 with the control id given; MSH-15 and MSH-16 and other fields can be set."""

    def make(control_id: str, **changes: str) -> bytes:
        fields = dict.fromkeys(range(3, 19), "")
        fields |= {3: "HIS", 4: "H43010000001", 7: "20260301090000", 9: "ADT^A04"}
        fields |= {10: control_id, 11: "P", 12: "2.5.1", 18: "UNICODE UTF-8"}
        fields |= {int(name[1:]): value for name, value in changes.items()}
        text = "MSH|^~\\&|" + "|".join(fields[number] for number in sorted(fields))
        return b"\x0b" + f"{text}\rPID|1||7^^^^MR||张^三\rPV1|1|O\r".encode() + b"\x1c\r"

    return make


TOKEN = "t-0123456789abcdef0123"


@pytest.fixture
async def post(start_port: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    """Posts a body to a port that serves HL7 v2; gives status, content type and body.

    Further arguments are headers, a `_` in their names a `-`; the token is there unless they say
    otherwise, and `Accept` only when they do.
    """
    pipeline = (await start_port()).pipeline
    peer = PeerSettings(
        name="his",
        institutions=["H43010000001"],
        token_sha256=[hashlib.sha256(TOKEN.encode()).hexdigest()],
    )
    server = HTTPServer(
        HTTPSettings(port=0),
        PeerDirectory([peer]),
        [hl7_mount(pipeline, pipeline.adapter, Limits([], SystemClock()))],
        metrics=Metrics(),
        log=get_logger(),
    )
    await server.start()
    host, port = server.address

    async def send(body: bytes, **headers: str) -> tuple[int, str, bytes]:
        every = {"Authorization": f"Bearer {TOKEN}"}
        every |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Accept"]) as session,
            session.post(f"http://{host}:{port}/hl7v2", data=body, headers=every) as response,
        ):
            return response.status, response.content_type, await response.read()

    yield send
    await server.stop(grace=1.0)
