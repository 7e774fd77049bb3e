"""Messages made to hold up others: a million delimiters, ten megabytes, and how they are answered.

Each is sent over a socket and goes the way of a message up to its answer. Every turn of the event
loop is measured by the processor time of its thread: no turn may take longer than 50 ms. Other
programs of the machine change that time only a little and only upwards, by what they push out of
the caches; so a longer turn is measured again, and the least of the measures counts.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.mllp_framing import END, START
from gateway.intents import Answer
from gateway.settings import PeerSettings

MOST = 0.050
"""Seconds that a turn of the event loop may take."""
TRIES = 5
"""How often a message is sent before its longest turn is believed to be its own."""
MILLION = 1_000_000
HEAD = "MSH|^~\\&|HIS|H43010000001|||20260301090000||{kind}|C1|P|2.5.1||||||UNICODE UTF-8\r"
A04 = HEAD.format(kind="ADT^A04")
PID = "PID|1||430199198001010010^^^^NNCHN||张^三\r"
PV1 = "PV1|1|O|NK|||||||||||||||||V1\r"
BODY = "EVN||20260301090000\r" + PID + PV1

HOSTILE = {
    "fields": A04 + BODY + "ZZZ" + "|" * MILLION + "\r",
    "fields of a known segment": A04 + "EVN||1\rPID" + "|a" * MILLION + "\r" + PV1,
    "components": A04 + "EVN||1\rPID|1||" + "^a" * MILLION + "||x\r" + PV1,
    "subcomponents": A04 + "EVN||1\rPID|1||" + "&a" * MILLION + "||x\r" + PV1,
    "repetitions": A04 + "EVN||1\rPID|1||" + "~a" * MILLION + "||x\r" + PV1,
    "escapes": A04 + "EVN||1\rPID|1||x||" + "\\F\\" * MILLION + "\r" + PV1,
    "unfinished escapes": A04 + "EVN||1\rPID|1||x||" + "\\X0" * MILLION + "\r" + PV1,
    "empty segments": A04 + BODY + "\r" * MILLION,
    "segments": A04 + BODY + "NTE|1\r" * MILLION,
    "long segments": A04 + BODY + ("NTE|1||" + "x" * 490 + "\r") * 19_990,
    "charge lines": HEAD.format(kind="DFT^P03")
    + BODY
    + ("FT1|1|1||2026||CG|A^B" + "|x" * 200 + "\r") * 19_000,
    "a long text": A04 + BODY + "NTE|1||" + "x" * 10_300_000 + "\r",
    "a long Chinese text": A04 + BODY + "NTE|1||" + "张" * 3_400_000 + "\r",
    "tokens": A04 + "EVN||1\rPID|1||" + "A^^^^ECTOKEN~" * 1_990 + "x" * 10_000_000 + "||x\r" + PV1,
    "file separators": A04 + BODY + "NTE|1||" + "\x1c" * MILLION + "\r",
    "a batch": (A04 + BODY) * 20_000,
    "XML elements": "<A><MSH/>" + "<NTE><NTE.3>x</NTE.3></NTE>" * 60_000 + "</A>",
    "an XML text": "<A><MSH/><NTE><NTE.3>" + "x" * 9_900_000 + "</NTE.3></NTE></A>",
}


class Reading:
    """A pipeline that reads and understands, and refuses whatever comes."""

    def __init__(self, adapter: HL7Adapter, peer: PeerSettings) -> None:
        self._adapter = adapter
        self._peer = peer

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Any:
        try:
            message = await self._adapter.read(raw, peer, meta)
        except MessageError as error:
            return _Refused(self._adapter.refuse(raw, meta, error))
        self._adapter.redact(raw)
        try:
            _, problems = await self._adapter.understand(message, peer)
        except MessageError as error:
            problems = list(error.problems)
        error = MessageError(problems)
        return _Refused(self._adapter.refuse(b"", {}, error, message.context))

    async def work(self, received: Any) -> Answer:
        raise AssertionError("everything was answered")


class _Refused:
    message = None

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


async def _turns(stop: asyncio.Event) -> list[float]:
    """Processor time of this thread in each turn of its loop, the longest first."""
    found = []
    last = time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        found.append(now - last)
        last = now
    return sorted(found, reverse=True)


def _exchange(port: int, framed: bytes) -> bytes:
    """Send, and the reply until its frame ends or the connection closes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(framed)
        reply = b""
        while not reply.endswith(END):
            data = connection.recv(65_536)
            if not data:
                break
            reply += data
    return reply


async def _measured(port: int, framed: bytes) -> tuple[bytes, list[float]]:
    """The reply, and the turns of the loop while it was waited for, the longest first."""
    stop = asyncio.Event()
    watch = asyncio.create_task(_turns(stop))
    reply = await asyncio.to_thread(_exchange, port, framed)
    stop.set()
    return reply, await watch


@pytest.mark.parametrize("validation", ["off", "strict"])
@pytest.mark.parametrize("name", list(HOSTILE))
async def test_no_message_holds_the_event_loop(
    start_port: Callable[..., Any], name: str, validation: str
) -> None:
    """And each gets an answer, or has its connection closed."""
    port = await start_port({"encoding": "xml", "validation": validation})
    peer = port.server._exchanger._directory.by_name("his")
    port.server._exchanger._pipeline._pipeline = Reading(port.pipeline.adapter, peer)
    framed = START + HOSTILE[name].encode() + END
    longest: list[float] = []
    for _ in range(TRIES):
        reply, turns = await _measured(port.server.port, framed)
        assert reply[:1] in {START, b""}
        longest.append(turns[0])
        if longest[-1] < MOST:
            break
    assert min(longest) < MOST, longest
