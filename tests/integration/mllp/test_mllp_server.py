"""The HL7 v2 port over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.inbound.mllp_exchange import MLLPEvent

Make = Callable[..., bytes]
Start = Callable[..., Any]


async def test_original_mode_has_one_reply_on_the_same_connection(
    start_port: Start, make_message: Make
) -> None:
    """A-001, M-005."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.reply() == "AA|C1"
    assert port.pipeline.steps == ["accept C1", "work C1"]
    assert port.counts[MLLPEvent.MESSAGE] == 1


async def test_a_message_may_arrive_byte_by_byte(start_port: Start, make_message: Make) -> None:
    """M-003: every split position in one go."""
    port = await start_port()
    sender = await port.connect()
    sender.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = make_message("C1")
    for at in range(len(data)):
        await sender.send(data[at : at + 1])
        await asyncio.sleep(0)
    assert await sender.reply() == "AA|C1"


async def test_messages_of_one_write_are_answered_in_order(
    start_port: Start, make_message: Make
) -> None:
    """M-004, M-014; an empty frame between them gets no reply (M-018)."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1") + b"\x0b\x1c\r" + make_message("C2") + make_message("C3"))
    assert [await sender.reply() for _ in range(3)] == ["AA|C1", "AA|C2", "AA|C3"]
    assert port.counts[MLLPEvent.EMPTY_FRAME] == 1


async def test_ca_is_written_after_acceptance_and_before_the_work(
    start_port: Start, make_message: Make
) -> None:
    """A-004, A-005, A-011: CA while the work is held back, then the application acknowledgement."""
    port = await start_port()
    port.pipeline.gate.clear()
    sender = await port.connect()
    await sender.send(make_message("C1", m15="AL", m16="AL"))
    assert await sender.reply() == "CA|C1"
    assert port.pipeline.steps == ["accept C1"]
    port.pipeline.gate.set()
    assert await sender.reply() == "AA|C1"


async def test_an_unacceptable_message_gets_cr_and_nothing_else(
    start_port: Start, make_message: Make
) -> None:
    """A-006: and the next message is served."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1", m15="AL", m16="AL", m9="ORU^R01") + make_message("C2"))
    assert await sender.reply() == "CR|C1"
    assert await sender.reply() == "AA|C2"


async def test_no_acknowledgement_is_written_that_nobody_wants(
    start_port: Start, make_message: Make
) -> None:
    """A-008, A-010: NE and NE; the next reply is that of the next message."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1", m15="NE", m16="NE") + make_message("C2"))
    assert await sender.reply() == "AA|C2"
    assert "work C1" in port.pipeline.steps


async def test_a_repeated_message_is_accepted_and_answered_from_the_store(
    start_port: Start, make_message: Make
) -> None:
    """A-021: CA again, the stored answer again, no second work."""
    port = await start_port()
    sender = await port.connect()
    message = make_message("C1", m15="AL", m16="AL")
    await sender.send(message)
    first = [await sender.body(), await sender.body()]
    await sender.send(message)
    again = [await sender.body(), await sender.body()]
    assert again[1] == first[1]
    assert port.pipeline.steps.count("work C1") == 1


async def test_a_single_socket_peer_gets_one_reply(start_port: Start, make_message: Make) -> None:
    """A-023."""
    port = await start_port({"reply_mode": "single"})
    sender = await port.connect()
    await sender.send(make_message("C1", m15="AL", m16="AL") + make_message("C2"))
    assert await sender.reply() == "AA|C1"
    assert await sender.reply() == "AA|C2"


async def test_an_application_acknowledgement_may_travel_on_its_own_connection(
    start_port: Start, make_message: Make
) -> None:
    """A-011: reply mode `connect`; the receiver accepts it with CA."""
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def his(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = (await reader.readuntil(b"\x1c\r"))[1:-2]
        control_id = body.split(b"|")[9]
        reply = b"MSH|^~\\&|HIS||||1||ACK|9|P|2.5\rMSA|CA|" + control_id + b"\r"
        writer.write(b"\x0b" + reply + b"\x1c\r")
        arrived.set_result(body)
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(his, "127.0.0.1", 0)
    address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    port = await start_port({"reply_mode": "connect", "reply_to": address})
    sender = await port.connect()
    await sender.send(make_message("C1", m15="AL", m16="AL"))
    assert await sender.reply() == "CA|C1"
    assert b"\rMSA|AA|C1\r" in await asyncio.wait_for(arrived, 20)
    await sender.send(make_message("C2"))
    assert await sender.reply() == "AA|C2"
    assert port.counts[MLLPEvent.REPLY_LOST] == 0
    listener.close()


async def test_a_reply_to_a_connection_that_is_gone_is_counted(
    start_port: Start, make_message: Make
) -> None:
    """M-020: the work is done, its answer stays stored and meets the message when it comes again."""
    port = await start_port()
    port.pipeline.gate.clear()
    sender = await port.connect()
    await sender.send(make_message("C1"))
    await asyncio.wait_for(port.pipeline.started.wait(), 20)
    sender.writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await sender.writer.wait_closed()
    port.pipeline.gate.set()
    again = await port.connect()
    await again.send(make_message("C1"))
    assert await again.reply() == "AA|C1"
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C1"]


async def test_an_oversize_frame_is_refused_and_its_connection_closed(
    start_port: Start, make_message: Make
) -> None:
    """M-007: AR, as its MSH could be read; another connection is not concerned."""
    port = await start_port(max_message_bytes=400)
    sender, other = await port.connect(), await port.connect()
    await sender.send(make_message("C1")[:-2] + b"x" * 1000)
    assert await sender.reply() == "AR|C1"
    assert await sender.reply() == ""
    await other.send(make_message("C2"))
    assert await other.reply() == "AA|C2"
    assert port.counts[MLLPEvent.OVERSIZE] == 1
    assert port.pipeline.steps == ["accept C2", "work C2"]


async def test_an_unfinished_frame_ends_with_its_deadline(
    start_port: Start, make_message: Make
) -> None:
    """M-008, M-009: nothing is processed; drops of bytes do not buy time."""
    port = await start_port(frame_timeout=0.3)
    sender = await port.connect()
    data = make_message("C1")
    await sender.send(data[:20])

    async def trickle() -> None:
        for at in range(20, len(data) - 2):
            await sender.send(data[at : at + 1])
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(trickle())
    assert await sender.reply() == ""
    dripping.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionError)):
        await dripping
    assert port.pipeline.steps == []
    assert port.counts[MLLPEvent.FRAME_TIMEOUT] == 1


async def test_a_silent_connection_is_closed(start_port: Start, make_message: Make) -> None:
    """Setting first_message_timeout before the first message, idle_timeout after it."""
    port = await start_port(first_message_timeout=0.1)
    sender = await port.connect()
    assert await sender.reply() == ""
    assert port.counts[MLLPEvent.IDLE_TIMEOUT] == 1
    port = await start_port(idle_timeout=0.1)
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert [await sender.reply(), await sender.reply()] == ["AA|C1", ""]
    assert port.counts[MLLPEvent.IDLE_TIMEOUT] == 1


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff\r\n", b"\x0bpart"])
async def test_garbage_before_a_message_does_not_hurt_it(
    start_port: Start, make_message: Make, garbage: bytes
) -> None:
    """M-002: it is counted."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(garbage + make_message("C1"))
    assert await sender.reply() == "AA|C1"
    assert port.counts[MLLPEvent.GARBAGE] + port.counts[MLLPEvent.ABANDONED] == 1


async def test_endless_garbage_closes_the_connection(start_port: Start) -> None:
    """Bounded memory and no answer to what is no MLLP."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(b"x" * 70_000)
    assert await sender.reply() == ""


async def test_a_frame_that_is_no_message_gets_one_clear_answer(start_port: Start) -> None:
    """A bare AR: there is no control id to repeat."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(b"\x0bhello\x1c\r")
    assert await sender.reply() == "AR"


async def test_an_acknowledgement_is_not_answered(start_port: Start, make_message: Make) -> None:
    """A-015: the reply that comes is that of the message behind it."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("X", m9="ACK^A04^ACK") + make_message("C1"))
    assert await sender.reply() == "AA|C1"
    assert port.counts[MLLPEvent.ACKNOWLEDGEMENT] == 1


async def test_an_unknown_sender_is_refused_with_ar(start_port: Start, make_message: Make) -> None:
    """MSH-3, or MSH-3 with MSH-4, says who it is; nothing reaches the pipeline otherwise."""
    peers = [
        {"name": "one", "applications": ["HIS|H43010000001"]},
        {"name": "two", "applications": ["LIS"]},
    ]
    port = await start_port(peers=peers)
    sender = await port.connect()
    await sender.send(
        make_message("C1") + make_message("C2", m3="LIS") + make_message("C3", m3="RIS")
    )
    assert [await sender.reply() for _ in range(3)] == ["AA|C1", "AA|C2", "AR|C3"]
    assert port.pipeline.peers == ["one", "two"]
    assert port.counts[MLLPEvent.UNKNOWN_PEER] == 1


async def test_a_peer_may_only_speak_from_its_addresses(
    start_port: Start, make_message: Make
) -> None:
    """Setting addresses."""
    peers = [{"name": "far", "applications": ["HIS"], "addresses": ["192.0.2.0/24"]}]
    port = await start_port(peers=peers)
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert await sender.reply() == "AR|C1"


async def test_a_fault_of_ours_is_one_answer_and_not_the_end(
    start_port: Start, make_message: Make
) -> None:
    """AE, not AR: something may have been sent; the connection goes on."""
    port = await start_port()
    port.pipeline.failure = RuntimeError("boom")
    sender = await port.connect()
    await sender.send(make_message("C1"))
    body = await sender.body()
    assert b"\rMSA|AE|C1\r" in body
    assert b"boom" not in body
    port.pipeline.failure = None
    await sender.send(make_message("C2"))
    assert await sender.reply() == "AA|C2"
    assert port.counts[MLLPEvent.INTERNAL] == 1


async def test_a_connection_above_the_limit_is_closed_at_once(
    start_port: Start, make_message: Make
) -> None:
    """Setting max_connections; the ones that are open are served."""
    port = await start_port(max_connections=1)
    first = await port.connect()
    await first.send(make_message("C1"))
    assert await first.reply() == "AA|C1"
    second = await port.connect()
    assert await second.reply() == ""
    await first.send(make_message("C2"))
    assert await first.reply() == "AA|C2"
    assert port.counts[MLLPEvent.REFUSED] == 1


async def test_a_slow_message_does_not_hold_up_other_connections(
    start_port: Start, make_message: Make
) -> None:
    """M-019."""
    port = await start_port()
    port.pipeline.gate.clear()
    slow, quick = await port.connect(), await port.connect()
    await slow.send(make_message("C1"))
    await port.pipeline.started.wait()
    await quick.send(make_message("C2", m9="ORU^R01"))
    assert await quick.reply() == "AR|C2"
    port.pipeline.gate.set()
    assert await slow.reply() == "AA|C1"


async def test_draining_answers_what_is_in_work_and_takes_no_more(
    start_port: Start, make_message: Make
) -> None:
    """A graceful stop loses no reply; idle connections are closed."""
    port = await start_port()
    port.pipeline.gate.clear()
    busy, idle = await port.connect(), await port.connect()
    await busy.send(make_message("C1") + make_message("C2"))
    await port.pipeline.started.wait()
    closing = asyncio.create_task(port.server.close(grace=20))
    assert await idle.reply() == ""
    port.pipeline.gate.set()
    assert await busy.reply() == "AA|C1"
    assert await busy.reply() == ""
    await closing
    assert port.pipeline.steps == ["accept C1", "work C1"]


async def test_a_sender_that_leaves_mid_frame_leaves_nothing(
    start_port: Start, make_message: Make
) -> None:
    """M-009."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1")[:-1])
    sender.writer.close()
    await sender.writer.wait_closed()
    again = await port.connect()
    await again.send(make_message("C2"))
    assert await again.reply() == "AA|C2"
    assert port.pipeline.steps == ["accept C2", "work C2"]


async def test_a_port_that_is_taken_is_a_configuration_error(start_port: Start) -> None:
    """The reason stands in the message."""
    port = await start_port()
    with pytest.raises(ConfigurationError, match="mllp"):
        await start_port(port=port.server.port)


async def test_wrong_tls_files_and_reply_addresses_are_configuration_errors(
    start_port: Start, tmp_path: Path
) -> None:
    """Found before the port opens."""
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(ConfigurationError, match="TLS"):
        await start_port(tls_certificate_file=nothing, tls_key_file=nothing)
    with pytest.raises(ConfigurationError, match="go together"):
        await start_port(tls_certificate_file=nothing)
    with pytest.raises(ConfigurationError, match="needs a certificate"):
        await start_port(tls_client_ca_file=nothing)
    with pytest.raises(ConfigurationError, match="reply_to"):
        await start_port({"reply_mode": "connect"})


async def test_a_message_that_cannot_be_stored_is_refused_and_may_be_repeated(
    start_port: Start, make_message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-018: nothing was done, so it is AR; in enhanced mode CR and never CA."""
    port = await start_port()

    async def full(*_: Any) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(port.pipeline, "accept", full)
    sender = await port.connect()
    await sender.send(make_message("C1") + make_message("C2", m15="AL", m16="AL"))
    assert await sender.reply() == "AR|C1"
    assert await sender.reply() == "CR|C2"
    assert port.counts[MLLPEvent.INTERNAL] == 2
