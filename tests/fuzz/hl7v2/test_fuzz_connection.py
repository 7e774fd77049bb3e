"""A connection answers the same, however its bytes are cut, and whatever they are."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inbound.hl7_limits import Limits, Seat
from gateway.inbound.mllp_connection import Connection
from gateway.inbound.mllp_framing import Frame, FrameReader
from gateway.settings import MLLPSettings
from tests.fuzz.atheris_hl7 import BEGIN, check, main
from tests.fuzz.hl7_whole_way import CLOCK, SETTINGS, make_exchanger

MESSAGE = (
    b"MSH|^~\\&|HIS|H43010000001|||20260301||ADT^A04|%d|P|2.5.1||||||UNICODE UTF-8\r"
    b"EVN||202603010900\rPID|1||430199198001010010^^^^NNCHN||A^B\rPV1|1|O|NK|||||||||||||||||V1\r"
)


class Transport:
    """Collects what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.transport = self

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default


async def _replies(pieces: list[bytes]) -> bytes:
    """What a connection writes until its sender has left."""
    reader, transport = asyncio.StreamReader(), Transport()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    writer: Any = transport
    connection = Connection(
        MLLPSettings(max_message_bytes=10_000),
        make_exchanger(),
        lambda _: None,
        reader,
        writer,
        seat=Seat(Limits(SETTINGS.peers, CLOCK)),
    )
    await connection.serve()
    return transport.data


parts = st.one_of(
    st.integers(1, 3).map(lambda number: b"\x0b" + MESSAGE % number + b"\x1c\r"),
    st.sampled_from([*BEGIN, b"\x0b", b"\x1c\r", b"\x1c", b"\r", b"\x0b\x1c\r", b"MSH|^~\\&|"]),
    st.binary(max_size=20),
)


@given(st.lists(parts, max_size=5), st.integers(2, 50))
@settings(deadline=None, max_examples=60)
def test_the_replies_do_not_depend_on_how_the_bytes_are_cut(found: list[bytes], size: int) -> None:
    """Whole, byte by byte and in pieces: the same answers, each a whole frame."""
    data = b"".join(found)
    whole = asyncio.run(_replies([data]))
    assert asyncio.run(_replies([data[at : at + 1] for at in range(len(data))])) == whole
    assert (
        asyncio.run(_replies([data[at : at + size] for at in range(0, len(data), size)])) == whole
    )
    events = FrameReader(1_000_000).receive(whole)
    assert all(isinstance(event, Frame) for event in events)


@given(st.lists(parts, max_size=4).map(b"".join))
@settings(deadline=None, max_examples=60)
def test_the_invariant_of_the_guided_fuzzer_holds(data: bytes) -> None:
    """Each frame has an answer that is a message, or none is due."""
    assert check(data) is None


def test_the_guided_fuzzer_says_when_its_library_is_missing(monkeypatch: Any, capsys: Any) -> None:
    """It is an optional package."""
    monkeypatch.setitem(__import__("sys").modules, "atheris", None)
    assert main([]) == 2
    assert "atheris is not installed" in capsys.readouterr().err
