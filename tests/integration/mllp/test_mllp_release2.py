"""MLLP release 2, and senders who leave the last byte of a frame out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import JournalError, NotSentError
from gateway.inbound.mllp_client import MLLPClient
from gateway.inbound.mllp_exchange import MLLPEvent
from gateway.inbound.mllp_framing import Frame, FrameReader

ACK, NAK = b"\x06", b"\x15"


def _framed(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\r"


async def test_a_stored_message_is_committed_before_it_is_answered(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-010, M-011, M-012: ACK when it is durable, then the reply, then the sender's own ACK."""
    port = await start_port(commit_acknowledgements=True)
    port.pipeline.gate.clear()
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.body() == ACK
    assert port.pipeline.steps == ["accept C1"]
    port.pipeline.gate.set()
    assert await sender.reply() == "AA|C1"
    await sender.send(_framed(ACK) + make_message("C2"))
    assert await sender.body() == ACK
    assert await sender.reply() == "AA|C2"
    await sender.send(_framed(ACK))


async def test_messages_keep_their_order(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-014: what comes while a commit is awaited is worked on afterwards."""
    port = await start_port(commit_acknowledgements=True)
    sender = await port.connect()
    await sender.send(make_message("C1") + make_message("C2") + _framed(ACK))
    assert [await sender.body(), await sender.reply()] == [ACK, "AA|C1"]
    assert [await sender.body(), await sender.reply()] == [ACK, "AA|C2"]
    await sender.send(_framed(ACK))
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C2", "work C2"]


async def test_a_reply_that_was_not_stored_is_repeated_once(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-013: after NAK the same reply comes again; the connection goes on after the second."""
    port = await start_port(commit_acknowledgements=True)
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.body() == ACK
    first = await sender.body()
    await sender.send(_framed(NAK))
    assert await sender.body() == first
    await sender.send(_framed(NAK) + make_message("C1"))
    assert await sender.body() == ACK
    assert port.counts[MLLPEvent.REPLY_LOST] == 1
    assert port.pipeline.steps.count("work C1") == 1


async def test_a_message_that_cannot_be_stored_is_not_committed(
    start_port: Callable[..., Any], make_message: Callable[..., bytes], monkeypatch: Any
) -> None:
    """M-011, M-015: NAK says that storing failed; what the message says plays no part."""
    port = await start_port(commit_acknowledgements=True)

    async def fail(*_: object) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(port.pipeline, "accept", fail)
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.body() == NAK
    assert await sender.reply() == "AR|C1"
    await sender.send(_framed(ACK))


async def test_content_that_is_refused_is_committed(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-015: an unreadable message is taken, and answered AE; a repetition would not help."""
    port = await start_port(commit_acknowledgements=True)
    sender = await port.connect()
    await sender.send(make_message("C1", m12=""))
    assert await sender.body() == ACK
    assert await sender.reply() == "AE|C1"
    await sender.send(_framed(ACK) + _framed(ACK))


async def test_release_1_never_writes_a_commit(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-016: the reply is the first thing that comes."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.reply() == "AA|C1"


async def test_a_lenient_port_takes_frames_without_the_last_byte(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-017: before the next frame, before a pause, and at the end of the connection."""
    port = await start_port(lenient_framing=True)
    sender = await port.connect()
    await sender.send(make_message("C1")[:-1] + make_message("C2")[:-1])
    assert await sender.reply() == "AA|C1"
    assert await sender.reply() == "AA|C2"
    await sender.send(make_message("C3")[:-1])
    sender.writer.write_eof()
    assert await sender.reply() == "AA|C3"


async def test_the_client_speaks_release_2_with_the_port(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """M-012: it waits for the commit, then for the reply, and commits that."""
    port = await start_port(commit_acknowledgements=True)
    async with MLLPClient("127.0.0.1", port.server.port, commits=True) as client:
        for control_id in ("C1", "C2"):
            found = await client.send(make_message(control_id, m15="AL", m16="AL")[1:-2])
            assert [it.code for it in found] == ["CA", "AA"]


async def test_a_message_that_was_not_committed_was_not_sent(
    start_port: Callable[..., Any], make_message: Callable[..., bytes], monkeypatch: Any
) -> None:
    """M-013: after NAK the message may be repeated."""
    port = await start_port(commit_acknowledgements=True)

    async def fail(*_: object) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(port.pipeline, "accept", fail)
    async with MLLPClient("127.0.0.1", port.server.port, commits=True) as client:
        with pytest.raises(NotSentError):
            await client.send(make_message("C1")[1:-2])


def test_a_strict_reader_takes_a_lone_separator_as_content() -> None:
    """M-006, M-017: only a lenient one ends the frame there."""
    data = b"\x0ba\x1c\x0bb\x1c\r"
    strict, lenient = FrameReader(100), FrameReader(100, lenient=True)
    assert strict.receive(data)[-1] == Frame(b"b")
    assert strict.pause() == []
    assert lenient.receive(data) == [Frame(b"a"), Frame(b"b")]
    bytewise = FrameReader(100, lenient=True)
    found = [event for byte in data for event in bytewise.receive(bytes([byte]))]
    assert found == [Frame(b"a"), Frame(b"b")]
    assert lenient.receive(b"\x0bc\x1c") == []
    assert lenient.may_end
    assert lenient.pause() == [Frame(b"c")]
    assert not lenient.in_frame
