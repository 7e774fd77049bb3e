"""`gateway explain`: what would be sent for a message, field by field; nothing is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    peer_of,
    settings_of,
)
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_problems, show_table, stop
from gateway.cli.sniffing import (
    PROTOCOLS,
    application_of,
    as_segments,
    bare,
    protocol_of,
    resource_type,
)
from gateway.errors import MessageError
from gateway.settings import PeerSettings, Settings
from gateway.settlement.explaining import ExplainedField, Explanation

COLUMNS = ("field", "name", "from", "raw", "sent")


def explain(
    file: Annotated[Path, typer.Argument(help="Message: HL7 v2, FHIR JSON or national JSON.")],
    *,
    peer: Annotated[str, typer.Option(help="Peer whose dialect and maps are used.")] = "",
    protocol: Annotated[str, typer.Option(help="hl7v2, fhir or fsi; told by the file.")] = "",
    maps: Annotated[
        bool, typer.Option("--maps", help="Name the line of the message map behind each field.")
    ] = False,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show which transactions a message leads to and where every field comes from.

    Raw values are shown: the output is for the person who holds the file. Ends with 0 when every
    call could be sent, 1 when problems stop it, 2 when the file cannot be read.
    """
    settings = settings_of(config)
    try:
        raw = file.read_bytes()
    except OSError as error:
        stop(Exit.UNREADABLE, f"{file}: {error.strerror}")
    spoken = protocol or protocol_of(raw)
    if spoken not in PROTOCOLS:
        stop(Exit.UNREADABLE, f"protocol {spoken!r}: one of {', '.join(PROTOCOLS)}")
    sender = peer_of(settings, peer, application_of(raw))
    content = as_segments(raw) if spoken == "hl7v2" else bare(raw)
    try:
        explanation = asyncio.run(_explanation(settings, content, spoken, sender))
    except MessageError as error:
        if json:
            show_json({"problems": list(error.problems)})
        else:
            show_problems(error.problems)
        stop(Exit.UNREADABLE)
    if json:
        show_json({**_plain(explanation), "sendable": explanation.sendable})
    else:
        _show(explanation, lines=maps)
    raise typer.Exit(int(Exit.OK if explanation.sendable else Exit.PROBLEMS))


async def _explanation(
    settings: Settings, content: bytes, spoken: str, sender: PeerSettings
) -> Explanation:
    from gateway.app import explain_offline  # noqa: PLC0415 - loads every protocol

    return await explain_offline(settings, spoken, content, sender, _meta(spoken, content))


def _meta(spoken: str, content: bytes) -> dict[str, str]:
    """What the HTTP request of a FHIR file would say beside its body."""
    if spoken != "fhir":
        return {}
    kind = resource_type(content)
    if kind in {"Bundle", "Parameters"}:
        return {"interaction": "submit", "type": "Claim"}
    return {"interaction": "create", "type": kind}


def _plain(explanation: Explanation) -> dict[str, object]:
    return {
        "kind": explanation.kind,
        "verb": explanation.verb,
        "calls": explanation.calls,
        "problems": explanation.problems,
    }


def _show(explanation: Explanation, *, lines: bool) -> None:
    say(f"{explanation.kind} → {explanation.verb}: {len(explanation.calls)} call(s)")
    for call in explanation.calls:
        say()
        say(f"{call.infno} {call.name}")
        if lines:
            show_table((*COLUMNS, "map"), [(*_row(field), field.rule) for field in call.fields])
        else:
            show_table(COLUMNS, [_row(field) for field in call.fields])
    if explanation.problems:
        say()
        show_problems(explanation.problems)


def _row(field: ExplainedField) -> tuple[str, ...]:
    origin = f"← {field.place}" if field.place else "(earlier call)" if field.later else "(gateway)"
    raw = f"← {field.raw}" if field.raw else ""
    sent = "→ …" if field.later and not field.value else f"→ {field.value}"
    return field.path, field.label, origin, raw, sent
