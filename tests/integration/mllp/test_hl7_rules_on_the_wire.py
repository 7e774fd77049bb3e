"""Rules of headers, character sets and errors, as a sender sees them on its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import NotSentError
from gateway.inbound.mllp_client import MLLPClient
from gateway.inbound.mllp_framing import frame

Start = Callable[..., Any]
Make = Callable[..., bytes]


async def _told(port: Any, raw: bytes) -> list[list[str]]:
    """The fields of each segment of the one reply to a message."""
    sender = await port.connect()
    await sender.send(raw)
    body = await sender.body()
    sender.writer.close()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("gb18030")
    return [line.split("|") for line in text.split("\r") if line]


def _fields(told: list[list[str]], name: str) -> list[str]:
    """The first segment of a name, with enough empty fields behind it."""
    return [*next(line for line in told if line[0] == name), *([""] * 10)]


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"m9": "ZZZ^Z01"}, "200", "MSH^1^9"),
        ({"m9": "ADT^A99"}, "201", "MSH^1^9"),
        ({"m9": "ADT^A04^DFT_P03"}, "201", "MSH^1^9"),
        ({"m9": "EHC^E01", "m12": "2.5.1"}, "200", "MSH^1^9"),
        ({"m9": "EHC^E30", "m12": "2.6"}, "201", "MSH^1^9"),
        ({"m11": "X"}, "202", "MSH^1^11"),
        ({"m12": "9.9"}, "203", "MSH^1^12"),
    ],
)
async def test_a_header_that_is_not_served_is_ar_and_in_enhanced_mode_cr(
    start_port: Start, make_message: Make, changes: dict[str, str], code: str, place: str
) -> None:
    """V-003 to V-007, V-017, V-019, A-006, A-012, A-016: ERR-3 and ERR-2, and nothing is done."""
    port = await start_port()
    plain = await _told(port, make_message("C1", **changes))
    assert _fields(plain, "MSA")[1:3] == ["AR", "C1"]
    assert _fields(plain, "ERR")[3].partition("^")[0] == code
    assert _fields(plain, "ERR")[2].startswith(place)
    enhanced = await _told(port, make_message("C2", **changes, m15="AL", m16="AL"))
    assert _fields(enhanced, "MSA")[1:3] == ["CR", "C2"]
    assert _fields(enhanced, "ERR")[3].partition("^")[0] == code
    assert _fields(enhanced, "MSH")[14:16] == ["", ""]
    assert port.pipeline.steps == []


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"m15": "YES", "m16": "AL"}, "103", "MSH^1^15"),
        ({"m15": "AL", "m16": "NO"}, "103", "MSH^1^16"),
        ({"m10": ""}, "101", "MSH^1^10"),
        ({"m7": ""}, "101", "MSH^1^7"),
    ],
)
async def test_a_header_with_wrong_content_is_an_error_at_its_field(
    start_port: Start, make_message: Make, changes: dict[str, str], code: str, place: str
) -> None:
    """V-010, V-011, V-016, A-017: AE or CE, never AA; ERR-3 and ERR-2."""
    port = await start_port()
    told = await _told(port, make_message("C1", **changes))
    assert _fields(told, "MSA")[1] in {"AE", "CE"}
    assert _fields(told, "ERR")[3].partition("^")[0] == code
    assert _fields(told, "ERR")[2].startswith(place)
    assert port.pipeline.steps == []


async def test_the_accept_acknowledgement_asks_for_none(
    start_port: Start, make_message: Make
) -> None:
    """A-012: MSH-15 and MSH-16 of CA are empty, those of the application acknowledgement not AL."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(make_message("C1", m15="AL", m16="AL"))
    accepted, answered = [(await sender.body()).decode().split("\r") for _ in range(2)]
    assert accepted[1] == "MSA|CA|C1"
    assert [*accepted[0].split("|"), *([""] * 4)][14:16] == ["", ""]
    assert answered[1] == "MSA|AA|C1"
    assert answered[0].split("|")[15] == "NE"


@pytest.mark.parametrize(
    ("changes", "replies", "absent"),
    [({"m15": "AL"}, ["CA|C1"], "MSH-16"), ({"m16": "AL"}, ["AA|C1"], "MSH-15")],
)
async def test_half_of_enhanced_mode_counts_as_never_and_is_warned_of(
    start_port: Start, make_message: Make, changes: dict[str, str], replies: list[str], absent: str
) -> None:
    """A-003: the other is NE; a warning names the peer and the field, once."""
    port = await start_port()
    sender = await port.connect()
    with capture_logs() as logs:
        for _ in range(2):
            await sender.send(make_message("C1", **changes))
            assert [await sender.reply() for _ in replies] == replies
        await sender.send(make_message("C2"))
        assert await sender.reply() == "AA|C2"
    warned = [it for it in logs if it["log_level"] == "warning"]
    assert [(it["peer"], it["field"], it["counts_as"]) for it in warned] == [("his", absent, "NE")]


@pytest.mark.parametrize(
    ("charset", "codec", "expected"),
    [
        ("", "gb18030", ("207", "MSH^1^18")),
        ("KLINGON", "utf-8", ("103", "MSH^1^18")),
        ("UNICODE UTF-16", "utf-8", ("103", "MSH^1^18")),
        ("UNICODE UTF-8", "gb18030", ("102", "")),
    ],
)
async def test_a_character_set_that_does_not_fit_is_told_in_plain_letters(
    start_port: Start, make_message: Make, charset: str, codec: str, expected: tuple[str, str]
) -> None:
    """H-005, H-006, H-007, M-021: AE or AR, ERR-3, ERR-2, in ASCII; nothing of it is worked on."""
    code, place = expected
    port = await start_port()
    sender = await port.connect()
    await sender.send(frame(make_message("C1", m18=charset)[1:-2].decode().encode(codec)))
    body = await sender.body()
    if charset != "UNICODE UTF-8":
        assert body.isascii()
    told = [line.split("|") for line in body.decode().split("\r") if line]
    assert _fields(told, "MSA")[1:3] in (["AE", "C1"], ["AR", "C1"])
    assert _fields(told, "ERR")[3].partition("^")[0] == code
    assert _fields(told, "ERR")[2].startswith(place)
    assert "\ufffd" not in body.decode()
    assert port.pipeline.steps == []


async def test_the_first_charset_decodes_and_the_others_are_alternates(
    start_port: Start, make_message: Make
) -> None:
    """H-009: bytes of the second repetition are not the message's, and are refused."""
    port = await start_port()
    text = make_message("C1", m18="GB 18030-2000~UNICODE UTF-8")[1:-2].decode()
    told = await _told(port, frame(text.encode("gb18030")))
    assert _fields(told, "MSA")[1] == "AA"
    assert _fields(told, "MSH")[17].partition("~")[0] == "GB 18030-2000"


@pytest.mark.parametrize("terminator", [b"\n", b"\r\n"])
async def test_a_reply_to_line_feeds_has_carriage_returns(
    start_port: Start, make_message: Make, terminator: bytes
) -> None:
    """E-004, E-005: a peer whose line feeds are taken is answered by CR; any other is refused."""
    raw = make_message("C1")[1:-2].replace(b"\r", terminator)
    strict = await start_port()
    assert _fields(await _told(strict, frame(raw)), "MSA")[1] in {"AE", "AR"}
    assert strict.pipeline.steps == []
    port = await start_port({"accept_line_feeds": True})
    sender = await port.connect()
    await sender.send(frame(raw))
    body = await sender.body()
    assert b"\n" not in body
    assert body.endswith(b"\r")
    assert b"\rMSA|AA|C1\r" in body


async def test_a_bad_segment_name_is_placed_behind_the_segment_before(
    start_port: Start, make_message: Make
) -> None:
    """E-018: ERR-2 names the last segment that could be read; the bad name is not repeated."""
    port = await start_port()
    raw = make_message("C1")[1:-2] + "张三SECRET|1\r".encode()
    told = await _told(port, frame(raw))
    assert _fields(told, "MSA")[1:3] == ["AE", "C1"]
    assert _fields(told, "ERR")[2].startswith("PV1^1")
    assert "100" in _fields(told, "ERR")[3]
    assert "SECRET" not in str(told)


async def test_release_1_writes_nothing_but_framed_replies(
    start_port: Start, make_message: Make
) -> None:
    """M-016: over good, bad and unreadable messages every byte that comes is of a framed reply."""
    port = await start_port()
    reader, writer = await asyncio.open_connection("127.0.0.1", port.server.port)
    bad = [make_message("C2", m12=""), b"\x0bnonsense\x1c\r", b"\x0b\x06\x1c\r", b"\x0b\x15\x1c\r"]
    writer.write(make_message("C1") + b"".join(bad) + make_message("C3"))
    writer.write_eof()
    data = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    blocks = data.split(b"\x1c\r")
    assert blocks.pop() == b""
    assert all(block.startswith(b"\x0bMSH|") for block in blocks)
    assert b"\x06" not in data
    assert b"\x15" not in data
    assert b"\rMSA|AA|C1\r" in blocks[0]
    assert b"\rMSA|AA|C3\r" in blocks[-1]


async def test_two_messages_of_a_peer_are_worked_on_beside_each_other(
    start_port: Start, make_message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-019: while one connection waits for its work, another of the peer is served to the end."""
    port = await start_port()
    held, work = asyncio.Event(), port.pipeline.work

    async def hold(received: Any) -> Any:
        if received.message.control_id == "C1":
            port.pipeline.started.set()
            await held.wait()
        return await work(received)

    monkeypatch.setattr(port.pipeline, "work", hold)
    slow, quick = await port.connect(), await port.connect()
    await slow.send(make_message("C1"))
    await asyncio.wait_for(port.pipeline.started.wait(), 20)
    await quick.send(make_message("C2"))
    assert await quick.reply() == "AA|C2"
    held.set()
    assert await slow.reply() == "AA|C1"
    assert port.pipeline.steps == ["accept C1", "accept C2", "work C2", "work C1"]


async def test_a_release_2_client_sends_nothing_more_before_its_commit(make_message: Make) -> None:
    """M-012: two messages are given at once; the second leaves after the first is committed."""
    came: asyncio.Queue[bytes] = asyncio.Queue()
    commit = asyncio.Event()

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readuntil(b"\x1c\r")
        came.put_nowait(first)
        more = asyncio.create_task(reader.readuntil(b"\x1c\r"))
        await commit.wait()
        assert not more.done()
        writer.write(frame(b"\x15"))
        await writer.drain()
        more.cancel()
        writer.close()

    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with MLLPClient("127.0.0.1", port, commits=True) as client:
        sends = [asyncio.create_task(client.send(make_message(it)[1:-2])) for it in ("C1", "C2")]
        assert b"|C1|" in await asyncio.wait_for(came.get(), 20)
        assert came.empty()
        assert not any(task.done() for task in sends)
        commit.set()
        with pytest.raises(NotSentError):
            await sends[0]
        assert b"|C2|" in await asyncio.wait_for(came.get(), 20)
        with pytest.raises(NotSentError):
            await sends[1]
    server.close()
    await server.wait_closed()


async def test_a_corrected_batch_is_kept_with_the_number_of_the_first(
    start_port: Start, make_message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-006: BHS-12 of a resend stands beside each of its messages, where the journal keeps it."""
    port = await start_port()
    contexts: list[Any] = []
    read = port.pipeline.adapter.read

    async def spy(raw: bytes, peer: Any, meta: Any) -> Any:
        message = await read(raw, peer, meta)
        contexts.append(message.context)
        return message

    monkeypatch.setattr(port.pipeline.adapter, "read", spy)
    sender = await port.connect()
    batch = b"BHS|^~\\&|HIS|H1|||20260301||||B10|B9\r"
    messages = make_message("C1")[1:-2] + make_message("C2")[1:-2]
    await sender.send(frame(batch + messages + b"BTS|2\r"))
    await sender.body()
    kept = [(it["batch"], it["batch_reference"], it["batch_number"]) for it in contexts]
    assert kept == [("B10", "B9", "1"), ("B10", "B9", "2")]
