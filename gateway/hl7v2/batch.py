"""Batches and files of messages: [FHS] { [BHS] { MSH... } [BTS] } [FTS], each part optional.

Source: HL7 v2 chapter 2, batch protocol. The whole batch is read, and its counts are checked,
before the first of its messages is worked on: a truncated file does nothing. Each message then is
a unit of its own with its own character set, so a batch is cut as bytes, at segment names only.

The reply is a batch too: for each batch of the request one with the answers in the order of the
messages. BHS-12 and FHS-12 name the control id of the request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.hl7v2.acks import Identity, acknowledgement
from gateway.hl7v2.charset import encode
from gateway.hl7v2.escapes import Delimiters
from gateway.hl7v2.header import Header
from gateway.hl7v2.reader import Segment, read_delimiters, unreadable
from gateway.hl7v2.writer import Field, Raw, segment

MAX_MESSAGES = 10_000
"""Messages of a file."""

BATCH_KEYS = ("batch", "batch_reference", "batch_number")
"""What is kept with a message about its batch: BHS-11, BHS-12, which one it was."""

_EDGE = re.compile(rb"(?:^|(?<=[\r\n]))(FHS|BHS|MSH|BTS|FTS)(?=[^A-Za-z0-9\r\n]|[\r\n]|$)")
_MORE = (b"\rMSH", b"\nMSH", b"\rBTS", b"\nBTS", b"\rFTS", b"\nFTS")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """FHS or BHS: who sends, and the control ids; texts are raw, in its delimiters."""

    delimiters: Delimiters = Delimiters()
    codec: str = "ascii"
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    control_id: str = ""
    reference: str = ""
    """Control id of the first batch, where this one corrects it."""


class Batch(msgspec.Struct, kw_only=True):
    """The messages between BHS and BTS; without BHS the envelope is None."""

    envelope: Envelope | None = None
    messages: list[bytes] = []
    stated: str = ""
    """BTS-1."""
    closed: bool = False


class BatchFile(msgspec.Struct, kw_only=True):
    """A whole batch file; without FHS the envelope is None."""

    envelope: Envelope | None = None
    batches: list[Batch] = []
    stated: str = ""
    """FTS-1."""
    closed: bool = False


def is_batch(raw: bytes) -> bool:
    """True for a file, a batch, or several messages in a row."""
    marks = _MORE if b"\n" in raw else _MORE[::2]
    return raw[:3] in {b"FHS", b"BHS"} or any(mark in raw for mark in marks)


def read_batch(raw: bytes) -> BatchFile:
    """Cut a batch into its messages.

    Raises:
        UnreadableError: the envelopes are not in order, or there are too many messages.
        InvalidError: BTS-1 or FTS-1 is not what was counted.
    """
    file = BatchFile()
    found = _EDGE.finditer(raw)
    match = next(found, None)
    if match is None or raw[: match.start()].strip(b"\r\n"):
        raise _disorder("FHS[1]", "content before the first envelope")
    messages = 0
    # one after the other: a list of them all would be a single long turn of the interpreter
    while match is not None:
        following = next(found, None)
        end = following.start() if following is not None else len(raw)
        name, content = match[1].decode(), raw[match.start() : end]
        match = following
        if file.closed:
            raise _disorder(f"{name}[1]", "content after FTS")
        if name != "MSH":
            _take_envelope(file, name, content)
            continue
        messages += 1
        if messages > MAX_MESSAGES:
            raise unreadable(
                "批中消息数超过上限", "too many messages in a batch", code=ProblemCode.READ_LIMIT
            )
        _open(file).messages.append(content)
    _check_counts(file)
    return file


def _open(file: BatchFile) -> Batch:
    """The batch that messages go into; one without BHS is opened where there is none."""
    if not file.batches or file.batches[-1].closed:
        file.batches.append(Batch())
    return file.batches[-1]


def _take_envelope(file: BatchFile, name: str, content: bytes) -> None:
    line = content.strip(b"\r\n")
    if b"\r" in line or b"\n" in line:
        raise _disorder(f"{name}[1]", f"segments after {name} that belong to no message")
    if name == "FHS":
        if file.envelope is not None or file.batches:
            raise _disorder("FHS[1]", "FHS is not first")
        file.envelope = _envelope(line)
    elif name == "BHS":
        if file.batches and not file.batches[-1].closed and file.batches[-1].envelope is not None:
            raise _disorder("BHS[1]", "BHS within a batch")
        file.batches.append(Batch(envelope=_envelope(line)))
    elif name == "BTS":
        batch = _open(file)
        batch.stated, batch.closed = _first_field(line, batch.envelope or file.envelope), True
    else:
        file.stated, file.closed = _first_field(line, file.envelope), True


def _envelope(line: bytes) -> Envelope:
    text, codec = _text(line)
    # the delimiters of FHS and BHS are declared as those of MSH
    marks = read_delimiters("MSH" + text[3:])
    fields = Segment("MSH", 1, text, marks)
    return Envelope(
        delimiters=marks,
        codec=codec,
        sending_application=fields.field(3),
        sending_facility=fields.field(4),
        receiving_application=fields.field(5),
        receiving_facility=fields.field(6),
        control_id=fields.field(11),
        reference=fields.field(12),
    )


def _text(line: bytes) -> tuple[str, str]:
    for codec in ("ascii", "utf-8", "gb18030"):
        try:
            return line.decode(codec), codec
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1"), "latin-1"


def _first_field(line: bytes, envelope: Envelope | None) -> str:
    marks = envelope.delimiters if envelope else Delimiters()
    fields = _text(line)[0].split(marks.field)
    return fields[1].strip() if len(fields) > 1 else ""


def _check_counts(file: BatchFile) -> None:
    problems = [
        _wrong_count(f"BTS[{number}]-1")
        for number, batch in enumerate(file.batches, start=1)
        if batch.stated and batch.stated != str(len(batch.messages))
    ]
    if file.stated and file.stated != str(len(file.batches)):
        problems.append(_wrong_count("FTS[1]-1"))
    if problems:
        raise InvalidError(problems)


def _wrong_count(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NODE_COUNT,
        zh="批的计数与内容不符，整批未处理",
        en="the count differs from the content: nothing of the batch was worked on",
        place=place,
    )


def _disorder(place: str, en: str) -> UnreadableError:
    return unreadable(f"批的结构不对（{place}）", en, place=place)


def batch_meta(file: BatchFile, batch: Batch, number: int) -> dict[str, str]:
    """What the journal keeps beside a message about the batch it came in."""
    envelope = batch.envelope or file.envelope or Envelope()
    stated = {
        "batch": envelope.control_id,
        "batch_reference": envelope.reference,
        "batch_number": str(number),
    }
    return {name: value for name, value in stated.items() if value}


def write_batch(
    file: BatchFile, answers: Sequence[Sequence[bytes]], identity: Identity, now: datetime
) -> bytes:
    """The reply: the answers of each batch of the request in an envelope of its own."""
    parts: list[bytes] = []
    if file.envelope is not None:
        parts.append(_reply_envelope("FHS", file.envelope, identity, now, 0))
    for number, (batch, bodies) in enumerate(zip(file.batches, answers, strict=True), start=1):
        envelope = batch.envelope or file.envelope or Envelope()
        parts.append(_reply_envelope("BHS", envelope, identity, now, number))
        parts += bodies
        parts.append(f"BTS{envelope.delimiters.field}{len(bodies)}\r".encode())
    if file.envelope is not None:
        count = len(file.batches)
        parts.append(f"FTS{file.envelope.delimiters.field}{count}\r".encode())
    return b"".join(parts)


def refuse_batch(
    raw: bytes, problems: Sequence[Problem], identity: Identity, now: datetime
) -> bytes:
    """The answer to a batch of which nothing was done: one acknowledgement with its control id.

    Its MSA-2 is the control id of the batch or file, which is all that names the whole. AR says
    that the batch may come again as it is: it came too soon.
    """
    busy = any(problem.code is ProblemCode.LIMIT_BUSY for problem in problems)
    envelope = _outer(raw)
    marks = envelope.delimiters
    header = Header(
        delimiters=marks,
        sending_application=envelope.sending_application,
        sending_facility=envelope.sending_facility,
        receiving_application=envelope.receiving_application,
        receiving_facility=envelope.receiving_facility,
        control_id=envelope.control_id,
        codec=envelope.codec,
    )
    return acknowledgement(header, "AR" if busy else "AE", problems, identity, now)


def _outer(raw: bytes) -> Envelope:
    line = re.split(rb"[\r\n]", raw[:4096], maxsplit=1)[0]
    try:
        return _envelope(line) if line[:3] in {b"FHS", b"BHS"} else Envelope()
    except UnreadableError:
        return Envelope()


def _reply_envelope(
    name: str, envelope: Envelope, identity: Identity, now: datetime, number: int
) -> bytes:
    marks = envelope.delimiters if envelope.delimiters.subcomponent else Delimiters()
    seed = f"{name}|{envelope.control_id}|{now:%Y%m%d%H%M%S%f}|{number}"
    fields: list[Field] = [
        Raw(marks.encoding),
        identity.application,
        identity.facility or Raw(envelope.receiving_facility),
        Raw(envelope.sending_application),
        Raw(envelope.sending_facility),
        f"{now:%Y%m%d%H%M%S}",
        "",
        "",
        "",
        sm3(seed.encode("utf-8", "replace")).hex()[:20].upper(),
        Raw(envelope.control_id),
    ]
    return encode(f"{segment(name, fields, marks)}\r", envelope.codec)
