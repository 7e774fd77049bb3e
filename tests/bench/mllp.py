"""MLLP: messages a second from the socket to the durable accept, at 1 and at 16 connections.

Each message asks for an accept acknowledgement only (MSH-15 AL, MSH-16 NE), so a line counts
receive, read, journal and CA. Beside it stands a bare asyncio echo of the same frames in the same
run, sender included: senders and port share one process and one loop.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.clock import SystemClock, stamp
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.mllp_framing import Frame, FrameReader, frame
from gateway.inbound.mllp_server import MLLPServer
from gateway.intents import Answer, Message
from gateway.journal import Journal, SQLiteJournal
from gateway.settings import PeerSettings, Settings

SECONDS = 3.0
"""How long each line is measured."""
SETTINGS = Settings.model_validate(
    {
        "mllp": {"port": 0},
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "own",
            }
        ],
        "channels": [{"name": "own", "url": "http://localhost", "profile": "hunan"}],
        "peers": [{"name": "his", "institutions": ["H43010000001"]}],
    }
)


class Received(msgspec.Struct):
    """An accepted message that is not worked on."""

    message: Message | None
    answer: Answer | None = None


class AcceptOnly:
    """The first half of the pipeline: read and store."""

    def __init__(self, adapter: HL7Adapter, journal: Journal) -> None:
        self._adapter, self._journal = adapter, journal
        self._clock = SystemClock()

    async def accept(
        self, _: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Received:
        """Read and store."""
        message = await self._adapter.read(raw, peer, meta)
        redacted = self._adapter.redact(raw)
        await self._journal.begin_exchange(message, redacted, stamp(self._clock.now()))
        return Received(message)

    async def work(self, _: Received) -> Answer:
        """Nothing."""
        return Answer(body=b"")


def message(number: int) -> bytes:
    """A framed registration of 600 bytes or so."""
    text = (
        f"MSH|^~\\&|HIS|H43010000001|||20260301090000||ADT^A04|{number}|P|2.5.1|||AL|NE||"
        "UNICODE UTF-8\rEVN||20260301090000|||1003^王收费\r"
        "PID|1||430199198001010010^^^MPS^NNCHN~P1^^^HIS^MR||张^伟示||19800101|M\r"
        f"PV1|1|O|NK||||1001^陈医生||||||||||||O{number}\r" + "NTE|1||" + "x" * 200 + "\r"
    )
    return frame(text.encode())


async def sender(port: int, numbers: range, until: float) -> int:
    """Sends and waits for the answer, one after the other; how many were answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frames = FrameReader(1_000_000)
    done = 0
    for number in numbers:
        if time.perf_counter() > until:
            break
        writer.write(message(number))
        found = 0
        while not found:
            events = frames.receive(await reader.read(65_536))
            found = sum(isinstance(event, Frame) for event in events)
        done += found
    writer.close()
    return done


async def rate(port: int, connections: int, start: int) -> float:
    """Messages a second over so many connections."""
    began = time.perf_counter()
    ranges = [range(start + i * 1_000_000, start + (i + 1) * 1_000_000) for i in range(connections)]
    done = await asyncio.gather(*(sender(port, it, began + SECONDS) for it in ranges))
    return sum(done) / (time.perf_counter() - began)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Gives back what comes."""
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def measure() -> None:
    """Both ports, at 1 and 16 connections."""
    bare = await asyncio.start_server(echo, "127.0.0.1", 0)
    adapter = HL7Adapter(SETTINGS, SystemClock())
    with tempfile.TemporaryDirectory() as folder:
        journal = await SQLiteJournal.open(Path(folder) / "journal.db")
        server = MLLPServer(SETTINGS.mllp, SETTINGS.peers, AcceptOnly(adapter, journal), adapter)
        await server.start()
        sys.stdout.write("connections   accepts a second   echoes a second   ratio\n")
        for index, connections in enumerate((1, 16)):
            echoes = await rate(bare.sockets[0].getsockname()[1], connections, 0)
            accepts = await rate(server.port, connections, (index + 1) * 100_000_000)
            ratio = accepts / echoes
            sys.stdout.write(
                f"{connections:>11}   {accepts:>16.0f}   {echoes:>15.0f}   {ratio:>5.2f}\n"
            )
        await server.close(grace=1.0)
        await journal.close()
    bare.close()
    await bare.wait_closed()


def main() -> None:
    """Print the figures."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
