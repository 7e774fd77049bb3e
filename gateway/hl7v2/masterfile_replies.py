"""MFK: how each entry of a master file fared.

MFA-4 is S for an entry that was taken and U for one that was not (table 0181), with our code and
its text; an entry that was not come to is U as well. MFI and the keys of MFE are the request's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gateway.hl7v2 import answers
from gateway.hl7v2.acks import err, msa, reply_header
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.segments import of, stamp
from gateway.hl7v2.writer import Components, Raw, components, message, segment
from gateway.intents import EntryResult, Result, Status

STRUCTURE = "MFK_M01"
_NOT_COME_TO = EntryResult(key="", status=Status.NOT_SENT)


def write_master_file_reply(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of MFK."""
    lines = echoed.get("lines", [])
    file, entries = of(lines, "MFI"), of(lines, "MFE")
    if not file or not entries:
        return answers.write_answer(kind, header, echoed, result, style=style, now=now)
    code, problems = answers.CODES[result.status], answers.problems_of(result)
    head = reply_header(
        header,
        "MFK",
        style.identity,
        now,
        code=code,
        structure=STRUCTURE,
        asks_accept=style.asks_accept,
    )
    body = [head, msa(header, code, problems), *err(header, problems), file[0]]
    for number, raw in enumerate(entries):
        come_to = number < len(result.entries)
        told = result.entries[number] if come_to else _NOT_COME_TO
        body.append(_entry(header, raw, told, result, now))
    return code, encode(message(body), header.codec)


def _entry(header: Header, raw: str, told: EntryResult, result: Result, now: datetime) -> str:
    """MFA: event, control id, when, what became of it, the key and its type."""
    fields = [*raw.split(header.delimiters.field), *[""] * 6]
    return segment(
        "MFA",
        [
            Raw(fields[1]),
            Raw(fields[2]),
            stamp(now),
            _outcome(told, result),
            Raw(fields[4]),
            Raw(fields[5]) if fields[5] else "CE",
        ],
        header.reply_delimiters,
    )


def _outcome(told: EntryResult, result: Result) -> Components:
    if told.status is Status.DONE:
        return components("S")
    problems = told.problems or answers.problems_of(result)
    text = f"{problems[0].code.value} {problems[0].zh}" if problems else ""
    return components("U", text[:200])
