"""MLLP framing: bytes in, events out."""

from __future__ import annotations

import pytest

from gateway.inbound.mllp_framing import (
    MAX_GARBAGE,
    Abandoned,
    Event,
    Frame,
    FrameReader,
    Garbage,
    Oversize,
    TooMuchGarbage,
    frame,
)


def _read(*pieces: bytes, limit: int = 100) -> list[Event]:
    reader = FrameReader(limit)
    return [event for piece in pieces for event in reader.receive(piece)]


def test_a_frame_is_handed_on_without_its_marks() -> None:
    """M-001."""
    assert _read(b"\x0bMSH|1\r\x1c\r") == [Frame(b"MSH|1\r")]


def test_a_frame_may_be_split_at_any_position() -> None:
    """M-003: also between 0x1C and 0x0D."""
    data = b"\x0bMSH|a\x1cb\r\x1c\r\x0b\x1c\r"
    expected: list[Event] = [Frame(b"MSH|a\x1cb\r"), Frame(b"")]
    for at in range(len(data) + 1):
        assert _read(data[:at], data[at:]) == expected


def test_several_frames_in_one_read_keep_their_order() -> None:
    """M-004, M-018: an empty frame is a frame."""
    assert _read(b"\x0b1\x1c\r\x0b\x1c\r\x0b2\x1c\r") == [Frame(b"1"), Frame(b""), Frame(b"2")]


def test_bytes_outside_of_frames_belong_to_none() -> None:
    """M-002: they are counted with the next frame."""
    assert _read(b"\r\nxx", b"\x0b1\x1c\r", b"y") == [Garbage(4), Frame(b"1")]


def test_a_lone_file_separator_is_content() -> None:
    """M-006."""
    assert _read(b"\x0ba\x1cb\x1c\x1c\r") == [Frame(b"a\x1cb\x1c")]


def test_a_new_start_gives_up_the_frame_before() -> None:
    """The sender began again; the part is counted and not processed."""
    assert _read(b"\x0bpart\x0bwhole\x1c\r") == [Abandoned(4), Frame(b"whole")]


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_a_frame_above_the_limit_ends_the_conversation(pieces: int) -> None:
    """M-007: its beginning is kept for the answer, the rest is swallowed."""
    data = b"\x0bMSH|" + b"x" * 200 + b"\x1c\r\x0b2\x1c\r"
    parts = [data[at : at + pieces] for at in range(0, len(data), pieces)]
    assert _read(*parts, limit=20) == [Oversize(b"MSH|" + b"x" * 16)]


def test_a_frame_of_just_the_limit_passes() -> None:
    """The limit is one of the content, without its marks."""
    for pieces in ([b"\x0b" + b"x" * 20 + b"\x1c\r"], [b"\x0b" + b"x" * 20 + b"\x1c", b"\r"]):
        assert _read(*pieces, limit=20) == [Frame(b"x" * 20)]
    assert _read(b"\x0b" + b"x" * 21 + b"\x1c\r", limit=20) == [Oversize(b"x" * 20)]


def test_endless_bytes_outside_of_frames_end_the_conversation() -> None:
    """Memory stays bounded however long it goes on."""
    reader = FrameReader(10)
    assert reader.receive(b"x" * MAX_GARBAGE) == []
    assert reader.receive(b"x") == [TooMuchGarbage(MAX_GARBAGE + 1)]
    assert reader.closed
    assert reader.receive(b"\x0b1\x1c\r") == []


def test_the_reader_says_whether_a_frame_is_open() -> None:
    """What the deadline of a frame is measured by."""
    reader = FrameReader(10)
    states = []
    for piece in (b"x", b"\x0b", b"1", b"\x1c", b"\r"):
        reader.receive(piece)
        states.append(reader.in_frame)
    assert states == [False, True, True, True, False]


def test_messages_are_framed() -> None:
    """M-005, M-016: the two marks and nothing else."""
    assert frame(b"MSH") == b"\x0bMSH\x1c\r"


@pytest.mark.parametrize("content", [b"a\x0bb", b"a\x1c\rb", b"a\x1c"])
def test_content_with_a_mark_cannot_be_framed(content: bytes) -> None:
    """It would end early at the receiver."""
    with pytest.raises(ValueError, match="mark"):
        frame(content)


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_no_mark_is_part_of_a_character(codec: str) -> None:
    """M-022: 0x0B, 0x1C and 0x0D only stand for themselves, over the whole of Unicode."""
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and code not in {0x0B, 0x1C, 0x0D}:
            encoded = chr(code).encode(codec)
            assert not {0x0B, 0x1C, 0x0D} & {*encoded}
