"""Acknowledgements: which one is due, and MSH, MSA and ERR in the form of the version.

Sources: HL7 v2 chapter 2, 2.8 (original and enhanced mode), MSA and ERR in the version tables,
tables 0008, 0155 and 0357.

* AR (CR): the message type, event, processing id or version is not accepted, or the cause is not
  in the message and nothing was sent: the sender may repeat. AE (CE): everything else. An unknown
  outcome is AE, because AR invites a repetition.
* 2.3 to 2.4: one ERR whose ERR-1 repeats segment, sequence, field and code. From 2.5 one ERR for
  each problem, with ERR-2 (place), ERR-3 (table 0357), ERR-4 (severity), ERR-5 (our code), ERR-7
  (for support staff) and ERR-8 (for the person at the counter). ERR-1 is never sent there.
* MSA-3 has the first text below 2.5, where no ERR-8 exists, and is empty later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import (
    MessageError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
    UnsupportedError,
)
from gateway.hl7v2.charset import encode, fits
from gateway.hl7v2.header import ACKNOWLEDGE_WHEN, Header, Mode
from gateway.hl7v2.places import Place, read_place
from gateway.hl7v2.writer import (
    Components,
    Field,
    Raw,
    Subcomponents,
    components,
    message,
    segment,
)

MAX_ERRORS = 100
"""Problems that one acknowledgement lists."""
MAX_USER_TEXT = 250
"""Characters of ERR-8."""
MAX_DETAIL = 2048
"""Characters of ERR-7."""
MAX_MSA_TEXT = 80
"""Characters of MSA-3."""

TABLE_0357 = {
    ProblemKind.STRUCTURE: ("100", "Segment sequence error"),
    ProblemKind.REQUIRED: ("101", "Required field missing"),
    ProblemKind.TYPE: ("102", "Data type error"),
    ProblemKind.VALUE: ("103", "Table value not found"),
    ProblemKind.NO_CODE: ("103", "Table value not found"),
    ProblemKind.LENGTH: ("104", "Value too long"),
    ProblemKind.UNSUPPORTED_TYPE: ("200", "Unsupported message type"),
    ProblemKind.UNSUPPORTED_EVENT: ("201", "Unsupported event code"),
    ProblemKind.UNSUPPORTED_PROCESSING: ("202", "Unsupported processing id"),
    ProblemKind.UNSUPPORTED_VERSION: ("203", "Unsupported version id"),
    ProblemKind.NOT_FOUND: ("204", "Unknown key identifier"),
    ProblemKind.DUPLICATE: ("205", "Duplicate key identifier"),
    ProblemKind.LOCKED: ("206", "Application record locked"),
}
"""ERR-3 of each kind of problem; every other kind is an application internal error."""
_INTERNAL = ("207", "Application internal error")
_ACCEPTED = ("0", "Message accepted")

_SEVERITY = {Severity.ERROR: "E", Severity.WARNING: "W", Severity.INFORMATION: "I"}
_REFUSABLE = frozenset({ProblemKind.TOO_COSTLY, ProblemKind.FORBIDDEN})
_TO_ACCEPT = {"AA": "CA", "AE": "CE", "AR": "CR"}


class Identity(msgspec.Struct, frozen=True):
    """Our names in MSH-3 and MSH-4; an empty facility repeats MSH-6 of the request."""

    application: str
    facility: str = ""


def code_of_error(error: Exception, *, started: bool) -> str:
    """AE or AR for an error that stopped a message.

    `started` tells that the work on the message had begun: an error that is neither the message's
    nor provably before the send is then AE, as something may have been sent.
    """
    if isinstance(error, UnsupportedError | NotSentError):
        return "AR"
    if isinstance(error, MessageError):
        busy = any(
            problem.kind in _REFUSABLE and problem.code is not ProblemCode.INPUT_LIMIT
            for problem in error.problems
        )
        return "AR" if busy else "AE"
    return "AE" if started else "AR"


def problems_of_error(error: Exception) -> list[Problem]:
    """What is told about an error; nothing of an internal one but that it happened."""
    if isinstance(error, MessageError) and error.problems:
        return list(error.problems)
    if isinstance(error, NotSentError):
        return [
            Problem(
                kind=ProblemKind.NOT_SENT,
                code=ProblemCode.FSI_NOTSENT,
                zh="未发送到医保平台，可稍后重发",
                en="nothing was sent to the platform; the message may be repeated",
            )
        ]
    return [
        Problem(
            kind=ProblemKind.INTERNAL,
            code=ProblemCode.INTERNAL,
            zh="网关内部错误",
            en="internal error of the gateway",
        )
    ]


def wanted(condition: str, *, success: bool) -> bool:
    """Whether MSH-15 or MSH-16 asks for the acknowledgement (table 0155).

    Blank counts as NE. A value that is not in the table counts as ER: its sender learns of it.
    """
    if condition and condition not in ACKNOWLEDGE_WHEN:
        return not success
    return condition in {"AL", "SU" if success else "ER"}


def accept_code(code: str) -> str:
    """The accept acknowledgement that goes with an application code."""
    return _TO_ACCEPT[code]


def is_accept_acknowledgement(body: bytes) -> bool:
    """True for CA, CE and CR, as this module writes them."""
    at = body.find(b"\rMSA")
    return at >= 0 and body[at + 5 : at + 6] == b"C"


def acknowledgement(
    header: Header,
    code: str,
    problems: Sequence[Problem],
    identity: Identity,
    now: datetime,
    *,
    asks_accept: str = "",
    extra: Sequence[str] = (),
) -> bytes:
    """A general ACK: MSH, MSA, ERR and `extra` segments.

    `asks_accept` is MSH-15 of an application acknowledgement in enhanced mode.
    """
    segments = [
        reply_header(header, "ACK", identity, now, code=code, asks_accept=asks_accept),
        msa(header, code, problems),
        *err(header, problems),
        *extra,
    ]
    return encode(message(segments), header.codec)


def reply_header(
    header: Header,
    message_type: str,
    identity: Identity,
    now: datetime,
    *,
    code: str,
    event: str = "",
    structure: str = "",
    asks_accept: str = "",
) -> str:
    """MSH of a reply: the names change sides, time and control id are new, the rest is repeated."""
    marks = header.reply_delimiters
    event = event or header.event
    kind = [message_type, event]
    if event and header.at_least("2.3.1"):
        kind.append(structure or message_type)
    seed = f"{header.sender}|{header.control_id}|{code}|{now.isoformat()}"
    enhanced = header.mode is Mode.ENHANCED and code[0] == "A"
    fields: list[Field] = [
        identity.application,
        identity.facility or echo(header, header.receiving_facility),
        echo(header, header.sending_application),
        echo(header, header.sending_facility),
        f"{now:%Y%m%d%H%M%S}",
        "",
        Components(kind),
        sm3(seed.encode("utf-8", "replace")).hex()[:20].upper(),
        echo(header, header.processing),
        echo(header, header.version) or "2.5",
        "",
        "",
        asks_accept if enhanced else "",
        "NE" if enhanced else "",
        "",
        echo(header, header.charset),
    ]
    return segment("MSH", fields, marks)


def echo(header: Header, raw: str) -> Raw:
    """Raw text of the request for the reply, without control characters.

    Where the reply has other delimiters than the request, only the first component is repeated.
    """
    clean = "".join(character for character in raw if character.isprintable())
    if header.reply_delimiters != header.delimiters:
        clean = clean.partition(header.delimiters.component)[0]
        marks = header.reply_delimiters.encoding + header.reply_delimiters.field
        clean = "".join(character for character in clean if character not in marks)
    return Raw(clean)


def msa(header: Header, code: str, problems: Sequence[Problem]) -> str:
    """MSA: the code, the control id of the request, below 2.5 the first text, and MSA-4."""
    text = ""
    if code[1] != "A" and problems and not header.at_least("2.5"):
        text = user_text(header, problems[0], MAX_MSA_TEXT)
    fields: list[Field] = [code, echo(header, header.control_id), text, header.expected]
    return segment("MSA", fields, header.reply_delimiters)


def err(header: Header, problems: Sequence[Problem], *, most: int = MAX_ERRORS) -> list[str]:
    """ERR segments of the problems in the form of the version, `most` of them.

    Below 2.5 a warning cannot be told from an error and is left out.
    """
    marks = header.reply_delimiters
    if not header.at_least("2.5"):
        items = [_eld(header, it) for it in problems if it.stops][:MAX_ERRORS]
        repeated: list[str | Components] = [*items]
        return [segment("ERR", [repeated], marks)] if items else []
    return [_err_of_problem(header, problem) for problem in problems[:most]]


def user_text(header: Header, problem: Problem, length: int) -> str:
    """The text for the person at the counter: Chinese where the character set has it."""
    text = f"{problem.zh}；{problem.remedy_zh}" if problem.remedy_zh else problem.zh
    if not fits(text, header.codec):
        text = f"{problem.en}; {problem.remedy_en}" if problem.remedy_en else problem.en
    return text[:length]


def table_0357(header: Header, problem: Problem) -> tuple[str, str]:
    """ERR-3 code and text; 104 exists from 2.7 and is 102 before. What only informs is no error."""
    if problem.severity is Severity.INFORMATION:
        return _ACCEPTED
    if problem.kind is ProblemKind.LENGTH and not header.at_least("2.7"):
        return TABLE_0357[ProblemKind.TYPE]
    return TABLE_0357.get(problem.kind, _INTERNAL)


def _eld(header: Header, problem: Problem) -> Components:
    place = read_place(problem.place) or Place("", 0)
    code, text = table_0357(header, problem)
    return components(
        place.segment,
        _number(place.occurrence if place.segment else 0),
        _number(place.field),
        Subcomponents((code, text, "HL70357")),
    )


def _err_of_problem(header: Header, problem: Problem) -> str:
    place = read_place(problem.place)
    code, text = table_0357(header, problem)
    location = (
        components(
            place.segment,
            _number(place.occurrence),
            _number(place.field),
            _number(place.repetition),
            _number(place.component),
            _number(place.subcomponent),
        )
        if place
        else ""
    )
    detail = " ".join(filter(None, [problem.field, problem.detail]))
    return segment(
        "ERR",
        [
            "",
            location,
            components(code, text, "HL70357"),
            _SEVERITY[problem.severity],
            components(problem.code.value, problem.en[:200], "L"),
            "",
            detail[:MAX_DETAIL],
            user_text(header, problem, MAX_USER_TEXT),
        ],
        header.reply_delimiters,
    )


def _number(value: int) -> str:
    return str(value) if value else ""
