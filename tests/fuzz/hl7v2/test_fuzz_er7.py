"""Any bytes become a message or a `MessageError`, and what is written can be read again."""

from __future__ import annotations

import asyncio
import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.escapes import Delimiters, escape, unescape
from gateway.hl7v2.reader import Document, Segment, read_document
from gateway.hl7v2.writer import Components, Field, Subcomponents, message, segment
from gateway.inbound.mllp_framing import Event, FrameReader, frame
from gateway.settings import Settings

SETTINGS = Settings.model_validate(
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
        "peers": [{"name": "his", "institutions": ["H43010000001"]}],
    }
)
ADAPTER = HL7Adapter(SETTINGS, SystemClock())

PUNCTUATION = "".join(set(string.punctuation) - set("\"'"))
delimiters = st.permutations(PUNCTUATION).map(lambda marks: Delimiters(*marks[:5]))
texts = st.text(st.characters(codec="utf-8"), max_size=20)
stated = texts.filter(lambda text: text != '""')
names = st.from_regex(r"Z[A-Z0-9]{2}", fullmatch=True)

SEED = (
    b"MSH|^~\\&|HIS|H43010000001|||20260301090000||DFT^P03|1|P|2.5.1||||||UNICODE UTF-8\r"
    b"EVN||20260301\rPID|1||430199198001010010^^^^NNCHN||A^B\rPV1|1|O|NK\r"
    b"FT1|1|1|B|20260301||CG|A^B|||1|1.00|1.00\rNTE|1||x\rFT1|2|||20260301||PY\r"
)


@given(texts, delimiters)
def test_escaped_text_is_read_back(text: str, marks: Delimiters) -> None:
    """E-017: unescape(escape(text)) is text, with any delimiters."""
    assert unescape(escape(text, marks), marks) == text


@given(
    st.lists(
        st.tuples(
            names,
            st.lists(
                st.lists(st.lists(stated, min_size=1, max_size=3), min_size=1, max_size=3),
                max_size=4,
            ),
        ),
        max_size=4,
    ),
    delimiters,
)
def test_a_written_message_is_read_back(
    lines: list[tuple[str, list[list[list[str]]]]], marks: Delimiters
) -> None:
    """E-017: every text of every field, component and sub-component is where it was put."""
    written = [segment("MSH", ["HIS"], marks)]
    for name, values in lines:
        fields: list[Field] = [
            Components(Subcomponents(parts) for parts in value) for value in values
        ]
        written.append(segment(name, fields, marks))
    document = read_document(message(written))
    assert document.delimiters == marks
    for read, (name, values) in zip(document.segments[1:], lines, strict=True):
        assert read.name == name
        for field, value in enumerate(values, start=1):
            for component, parts in enumerate(value, start=1):
                for subcomponent, text in enumerate(parts, start=1):
                    assert read.get(field, component, subcomponent) == text


def _rewritten(document: Document) -> str:
    """The message again, from the data of every sub-component."""
    return message(_line(it, document.delimiters) for it in document.segments)


def _line(read: Segment, marks: Delimiters) -> str:
    first = 3 if read.name == "MSH" else 1
    fields: list[Field] = [
        [_field(raw, read, marks) for raw in read.repetitions(number)]
        for number in range(first, len(read.fields))
    ]
    return segment(read.name, fields, marks)


def _field(raw: str, read: Segment, marks: Delimiters) -> Components:
    return Components(
        Subcomponents(read.data(part) for part in component.split(marks.subcomponent))
        for component in raw.split(marks.component)
    )


repetitions = st.lists(st.lists(stated, min_size=1, max_size=3), min_size=1, max_size=3)
lines_of_data = st.lists(
    st.tuples(names, st.lists(st.lists(repetitions, min_size=1, max_size=3), max_size=4)),
    max_size=4,
)


@given(lines_of_data, delimiters)
def test_what_is_read_is_written_byte_by_byte_as_it_was(
    lines: list[tuple[str, list[list[list[list[str]]]]]], marks: Delimiters
) -> None:
    """A canonical message, which has no empty ends, is the same after reading and writing."""
    texts_of_lines = [segment("MSH", ["HIS", "H1"], marks)]
    for name, values in lines:
        fields: list[Field] = [
            _without_empty_ends([Components(map(Subcomponents, parts)) for parts in field])
            for field in values
        ]
        texts_of_lines.append(segment(name, fields, marks))
    canonical = message(texts_of_lines)
    assert _rewritten(read_document(canonical)).encode() == canonical.encode()


def _without_empty_ends(field: list[Components]) -> list[str | Components]:
    """The repetitions up to the last that states something."""
    kept = list[str | Components](field)
    while kept and not any(text for part in kept[-1] for text in part):
        kept.pop()
    return kept


def _whole_way(raw: bytes) -> bytes:
    """The refusal, after reading, understanding and redacting: only `MessageError` is raised."""

    async def run() -> None:
        peer = SETTINGS.peers[0]
        try:
            read = await ADAPTER.read(raw, peer, {})
            await ADAPTER.understand(read, peer)
        except MessageError as error:
            ADAPTER.refuse(raw, {"peer": "his"}, error)

    asyncio.run(run())
    redacted = ADAPTER.redact(raw)
    assert ADAPTER.redact(redacted) == redacted
    return ADAPTER.refuse(raw, {}, ValueError()).body


@given(st.binary(max_size=300))
@example(b"")
@example(b"MSH|^~\\&")
@example(b"MSH|^~\\&|" + b"|" * 40)
@example(SEED.replace(b"^~\\&|HIS", b"^|HIS"))
@example(SEED.replace(b"^~\\&|HIS", b"^~|HIS"))
@example(SEED.replace(b"^~\\&|HIS", b"^~&|HIS"))
@settings(deadline=None)
def test_any_bytes_are_a_message_or_a_message_error(raw: bytes) -> None:
    """No other exception, whatever comes."""
    reply = _whole_way(raw)
    assert not reply or frame(reply).startswith(b"\x0bMSH")


@given(st.data())
@settings(deadline=None)
def test_a_damaged_message_is_a_message_or_a_message_error(data: st.DataObject) -> None:
    """Bytes of a good message changed, removed or inserted."""
    raw = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from("cdi"))
        piece = data.draw(
            st.binary(min_size=1, max_size=3)
            | st.sampled_from([b"|", b"^", b"~", b"\\", b"&", b"\r", b'""'])
        )
        raw[at : at + (kind != "i")] = b"" if kind == "d" else piece
    reply = _whole_way(bytes(raw))
    assert not reply or frame(reply).startswith(b"\x0bMSH")


@given(
    st.lists(
        st.binary(max_size=12) | st.sampled_from([b"\x0b", b"\x1c\r", b"\x1c", b"\r"]), max_size=20
    ),
    st.integers(1, 30),
)
def test_the_events_do_not_depend_on_how_reads_cut_the_bytes(
    pieces: list[bytes], limit: int
) -> None:
    """Fed whole, byte by byte, or in pieces, the framing gives the same events."""

    def events(parts: list[bytes]) -> list[Event]:
        reader = FrameReader(limit)
        return [event for part in parts for event in reader.receive(part)]

    whole = b"".join(pieces)
    expected = events([whole])
    assert events([whole[at : at + 1] for at in range(len(whole))]) == expected
    assert events(pieces) == expected
