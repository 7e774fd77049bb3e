"""`gateway exchanges` and `gateway audit`: the journal, read beside a running gateway."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.cli.reading import with_journal
from gateway.errors import ConfigurationError
from gateway.fhir.audit_events import audit_event
from gateway.fhir.names import Names
from gateway.journal import AuditReport, AuditRow, ExchangeRow, Journal, SendRow
from gateway.journal.heads import read_heads

exchanges = typer.Typer(no_args_is_help=True, help="Messages and how they were answered.")
audit = typer.Typer(no_args_is_help=True, help="The hash chain of what happened.")

JournalOption = Annotated[
    Path | None,
    typer.Option("--journal", help="Journal file; the one of the settings if left out."),
]


@exchanges.command("list")
def list_exchanges(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 50,
    before: Annotated[str, typer.Option(help="Only older than this exchange.")] = "",
    status: Annotated[str, typer.Option(help="Only of this status, such as unknown.")] = "",
    journal: JournalOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List messages, newest first; no patient data is shown."""
    rows = with_journal(config, journal, lambda store: store.exchanges(limit, before, status))
    if json:
        show_json(rows)
        return
    columns = ("exchange", "received", "peer", "protocol", "kind", "control id", "status")
    show_table(
        columns,
        [
            (
                row.exchange_id,
                row.received_at,
                row.peer,
                row.protocol,
                row.kind,
                row.control_id,
                row.status if row.final else f"{row.status} (open)",
            )
            for row in rows
        ],
    )


@exchanges.command("show")
def show_exchange(
    exchange_id: Annotated[str, typer.Argument(metavar="ID", help="Exchange id.")],
    *,
    answer: Annotated[bool, typer.Option(help="Also print the stored answer.")] = False,
    journal: JournalOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show one message: its transactions, their outcomes and its audit trail.

    `--answer` prints the stored answer, which may hold patient data.
    """

    async def read(store: Journal) -> tuple[ExchangeRow | None, list[SendRow], list[AuditRow], str]:
        row = await store.exchange(exchange_id)
        stored = await store.stored_answer(exchange_id) if answer else None
        text = stored.body.decode("utf-8", "replace").replace("\r", "\n") if stored else ""
        sends = await store.sends(exchange_id=exchange_id)
        return row, sends, await store.audit_trail(exchange_id), text

    row, sends, trail, text = with_journal(config, journal, read)
    if row is None:
        stop(Exit.PROBLEMS, f"no exchange {exchange_id}")
    if json:
        content = {"exchange": row, "transactions": sends, "audit": trail}
        show_json(content | ({"answer": text} if answer else {}))
        return
    final = "final" if row.final else "open: a later answer will replace it"
    say(f"{row.exchange_id}  {row.kind}  from {row.peer}  control id {row.control_id}")
    say(f"{row.status} ({final}); received {row.received_at}, answered {row.answered_at or '-'}")
    say()
    show_table(
        ("msgid", "infno", "state", "channel", "platform's id", "note"),
        [
            (s.msgid, s.infno, s.state.value, s.channel, s.inf_refmsgid or "-", s.note)
            for s in sends
        ],
    )
    say()
    show_table(
        ("audit", "time", "station", "detail"),
        [
            (str(a.seq), a.time, a.station, " ".join(f"{k}={v}" for k, v in a.detail.items()))
            for a in trail
        ],
    )
    if text:
        say()
        say(text)


@audit.command("verify")
def verify(
    *,
    heads: Annotated[
        Path | None,
        typer.Option(help="File of exported heads; `[audit] heads_file` if left out."),
    ] = None,
    journal: JournalOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check the whole chain and say which rows are not what was written.

    The chain alone shows rows that were altered, removed, inserted or put elsewhere. Against the
    heads that were written down outside the journal it also shows a tail that was cut off and a
    chain that was made anew. Ends with 0 when it is intact and 1 when it is not.
    """
    file = heads or (None if journal else settings_of(config).audit.heads_file)
    # A file that was named has to be there; that of the settings is made by the first export.
    known = read_heads(file) if file is not None and (heads or file.exists()) else []
    report: AuditReport = with_journal(config, journal, lambda store: store.audit_verify(known))
    if json:
        show_json(
            {
                "intact": report.intact,
                "rows": report.rows,
                "head": report.head,
                "exported_heads": len(known),
                "broken": report.broken,
            }
        )
    elif report.intact:
        say(f"intact: {report.rows} rows, head {report.head}")
        if known:
            say(f"exported heads that fit: {len(known)}")
    else:
        say(f"BROKEN: {report.rows} rows, {len(report.broken)} finding(s)")
        show_table(
            ("row", "kind", "reason"), [(str(b.seq), b.kind.value, b.reason) for b in report.broken]
        )
    raise typer.Exit(int(Exit.OK if report.intact else Exit.PROBLEMS))


@audit.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
    *,
    after: Annotated[int, typer.Option(min=0, help="Only rows behind this number.")] = 0,
    exchange: Annotated[str, typer.Option(metavar="ID", help="Only this exchange.")] = "",
    journal: JournalOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the audit as FHIR R4 AuditEvents, one a line (application/fhir+ndjson).

    Nothing in them identifies a patient. `--after` with the number of the last row of an earlier
    file goes on behind it.
    """
    names = Names(settings_of(config).fhir.canonical_base)

    async def write(store: Journal) -> int:
        count = 0
        peers: dict[str, tuple[str, str]] = {}
        with _new_file(file) as stream:
            async for row in _rows(store, after, exchange):
                if row.exchange_id not in peers:
                    found = await store.exchange(row.exchange_id) if row.exchange_id else None
                    peers[row.exchange_id] = (found.peer, found.kind) if found else ("", "")
                peer, kind = peers[row.exchange_id]
                event = audit_event(row, names, peer=peer, kind=kind)
                stream.write(msgspec.json.encode(event) + b"\n")
                count += 1
        return count

    say(f"{with_journal(config, journal, write)} rows")


async def _rows(store: Journal, after: int, exchange: str) -> AsyncIterator[AuditRow]:
    if exchange:
        for row in await store.audit_trail(exchange):
            if row.seq > after:
                yield row
        return
    while page := await store.audit_rows(after):
        for row in page:
            yield row
        after = page[-1].seq


def _new_file(file: Path) -> BinaryIO:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", file=str(file)) from error
    return os.fdopen(handle, "wb")
