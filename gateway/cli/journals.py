"""`gateway journal`: the store as a whole. Its schema, its size, and moving it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.journal import AuditEvent, AuditReport, Journal, Stats, open_journal
from gateway.journal.archive import FORM, ExchangeLine, Header, Sink, Source
from gateway.settings import JournalSettings

journal = typer.Typer(no_args_is_help=True, help="The journal as a whole: SQLite or PostgreSQL.")

T = TypeVar("T")

TRIMMED_AT_A_TIME = 1_000
"""Exchanges that are trimmed in one transaction."""


def _run(
    settings: JournalSettings, task: Callable[[Journal], Awaitable[T]], *, read_only: bool
) -> T:
    async def run() -> T:
        store = await open_journal(settings, read_only=read_only)
        try:
            return await task(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _name(settings: JournalSettings) -> str:
    return f"PostgreSQL ({settings.dsn_file})" if settings.dsn_file else str(settings.path)


@journal.command("migrate")
def migrate(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Make the journal, or bring its schema up to this version.

    `gateway serve` does so by itself. Gateways of an older version on the same PostgreSQL database
    write no more from that moment on.
    """
    settings = settings_of(config).journal

    async def nothing(_: Journal) -> None:
        pass

    _run(settings, nothing, read_only=False)
    say(f"{_name(settings)}: the schema is that of this version")


@journal.command("stats")
def stats(*, json: JSONOption = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Count what the journal holds, beside a running gateway."""
    settings = settings_of(config).journal
    counted = _run(settings, lambda store: store.stats(), read_only=True)
    if json:
        show_json(counted)
        return
    show_table(("what", "state", "count"), list(_counts(counted)))


def _counts(counted: Stats) -> Iterator[tuple[str, str, str]]:
    for what, by_state in (
        ("exchanges", counted.exchanges),
        ("transactions", counted.sends),
        ("visits", counted.visits),
    ):
        for state, count in sorted(by_state.items()):
            yield what, state, str(count)
    yield "resources", "", str(counted.resources)
    yield "audit rows", "", str(counted.audit_rows)
    yield "bytes", "", str(counted.size)


@journal.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
    *,
    before: Annotated[
        str, typer.Option(metavar="DATE", help="Only exchanges that are over and older than this.")
    ] = "",
    trim: Annotated[
        bool, typer.Option(help="With --before: then remove what is large of them.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the journal to a file of JSON lines with a checksum; it holds patient data.

    The whole journal, to be imported elsewhere: stop the gateway first, or what happens meanwhile
    is not in it. With `--before 2025-01-01` an archive of old exchanges. `--trim` then removes
    their bytes, results and replies from the journal; keys, answers, transactions, visits and the
    audit stay for ever, so that nothing is ever settled twice.
    """
    if trim and not before:
        stop(Exit.UNREADABLE, "--trim needs --before")
    if before:
        _check_date(before)
    settings = settings_of(config).journal

    async def write(store: Journal) -> Source:
        header = Header(FORM, "archive" if before else "whole", before)
        with Sink(file, header) as sink:
            await store.dump(sink, before)
        source = await asyncio.to_thread(Source, file)
        if trim:
            await _trim(store, source)
        return source

    # A journal that cannot be written is refused before the file is made.
    source = _run(settings, write, read_only=not trim)
    _say_counts(source)
    if trim:
        say("trimmed: keys, answers, transactions and the audit stay")


def _check_date(text: str) -> None:
    try:
        valid = date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        stop(Exit.UNREADABLE, f"{text!r} is no date of the form 2025-01-01")


async def _trim(store: Journal, source: Source) -> None:
    ids = (row.exchange_id for row in source.rows() if isinstance(row, ExchangeLine))
    while portion := list(islice(ids, TRIMMED_AT_A_TIME)):
        detail = {"exchanges": str(len(portion)), "archive_sm3": source.sm3}
        await store.trim(portion, events=[AuditEvent("", "trim", detail)])


@journal.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File that `gateway journal export` wrote.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Store a whole exported journal in the empty one of the settings, and verify its audit.

    The file is checked to its last byte first; either all of it is stored or nothing.
    """
    settings = settings_of(config).journal
    source = Source(file)

    async def read(store: Journal) -> AuditReport:
        await store.load(source)
        return await store.audit_verify()

    report = _run(settings, read, read_only=False)
    _say_counts(source)
    if not report.intact:
        stop(Exit.PROBLEMS, "the audit does not verify: run `gateway audit verify`")
    say(f"audit intact: {report.rows} rows, head {report.head}")


def _say_counts(source: Source) -> None:
    for table, count in source.counts.items():
        say(f"{table:20}{count:12}")
    say(f"{'sm3':20}{source.sm3}")
