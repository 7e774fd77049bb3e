"""`gateway exchanges` and `gateway audit`: the journal, read beside a running gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.cli.reading import with_journal
from gateway.journal import AuditReport, AuditRow, ExchangeRow, Journal, SendRow

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
    journal: JournalOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check the whole chain and say which rows are not what was written.

    Ends with 0 when it is intact and 1 when it is not. The head, noted elsewhere, proves later
    that the chain was not made anew.
    """
    report: AuditReport = with_journal(config, journal, lambda store: store.audit_verify())
    if json:
        show_json(
            {
                "intact": report.intact,
                "rows": report.rows,
                "head": report.head,
                "broken": report.broken,
            }
        )
    elif report.intact:
        say(f"intact: {report.rows} rows, head {report.head}")
    else:
        say(f"BROKEN: {report.rows} rows, {len(report.broken)} finding(s)")
        show_table(
            ("row", "kind", "reason"), [(str(b.seq), b.kind.value, b.reason) for b in report.broken]
        )
    raise typer.Exit(int(Exit.OK if report.intact else Exit.PROBLEMS))
