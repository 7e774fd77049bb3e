"""`gateway catalogue`: the national catalogues, downloaded and looked into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    InstitutionOption,
    JSONOption,
    institution_of,
    settings_of,
)
from gateway.cli.exits import Exit
from gateway.cli.output import complain, say, show_json, show_table, stop
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.fsi.channel import Channel
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.catalogue import Catalogues, Manifest, Updated, catalogue_infnos
from gateway.fsi.files.line import ChannelLine, Line, Serials
from gateway.fsi.files.rows import Kept
from gateway.fsi.files.transfer import PATIENCE
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport
from gateway.intents import NotSent, Rejected, Unknown
from gateway.journal import SQLiteJournal
from gateway.settings import InstitutionSettings, Settings

catalogue = typer.Typer(
    no_args_is_help=True, help="National catalogues (1301 to 1327): download, list, look into."
)

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder", help="Where catalogues are kept; `catalogues` beside the journal if left out."
    ),
]

SHOWN_COLUMNS = 3
"""Columns of a row in a list, beside its key and version."""

Result = Updated | Rejected | NotSent | Unknown


@catalogue.command("download")
def download(
    infnos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INFNO]...", help="Transactions such as 1301; all if left out."),
    ] = None,
    *,
    folder: FolderOption = None,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Fetch everything newer than what is held, and merge it.

    What breaks off is taken up by the next call. A damaged file never replaces a good one. Ends
    with 1 when the platform refuses one of them, and with 4 when one did not arrive.
    """
    settings, asked, held = _opened(config, institution, folder)
    wanted = _wanted(asked, settings, infnos or [])

    async def run() -> dict[str, Result]:
        async with _line(settings, asked) as line:
            with _watching(silent=json) as screen:
                return {infno: await screen.update(held, line, infno) for infno in wanted}

    try:
        results = asyncio.run(run())
    except OSError as error:
        stop(Exit.CONFIGURATION, f"the catalogues cannot be kept: {error.strerror}")
    if json:
        show_json({infno: _summary(result) for infno, result in results.items()})
    failed = [result for result in results.values() if not isinstance(result, Updated)]
    if any(isinstance(result, NotSent | Unknown) for result in failed):
        stop(Exit.NOT_REACHED)
    if failed:
        stop(Exit.PROBLEMS)


@catalogue.command("list")
def list_catalogues(
    *,
    folder: FolderOption = None,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the catalogues that are held, with their largest version."""
    settings, asked, held = _opened(config, institution, folder)
    manifests = held.held()
    if json:
        show_json(manifests)
        return
    definitions = _definitions(settings, asked)
    show_table(
        ("infno", "name", "version", "rows", "files", "last fetched", "open"),
        [
            (
                manifest.infno,
                definitions.transaction(manifest.infno).name,
                manifest.version or "-",
                str(manifest.rows),
                str(len(manifest.files)),
                manifest.files[-1].fetched if manifest.files else "-",
                "yes" if manifest.pending else "no",
            )
            for manifest in manifests
        ],
    )


@catalogue.command("show")
def show(
    infno: Annotated[str, typer.Argument(metavar="INFNO", help="Transaction such as 1301.")],
    text: Annotated[
        str, typer.Argument(metavar="[CODE]", help="A code or a name: whole content of a column.")
    ] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")] = 20,
    folder: FolderOption = None,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show rows of a catalogue that is held: the first ones, or those with a code or name.

    Ends with 1 when nothing is found.
    """
    settings, asked, held = _opened(config, institution, folder)
    (infno,) = _wanted(asked, settings, [infno])
    if not held.manifest(infno).rows:
        stop(Exit.PROBLEMS, f"{infno}: nothing is held; see `gateway catalogue download {infno}`")
    columns = held.layout(infno).columns
    with held.rows(infno) as rows:
        found = list(rows.find(text) if text else rows.current(limit))[:limit]
    if json:
        show_json([dict(_named(columns, row)) for row in found])
    elif text:
        for row in found:
            show_table((columns[0], row.columns[0]), list(_named(columns, row))[1:])
            say()
    else:
        names = _telling(columns, found)
        show_table(
            (columns[0], *(columns[at] for at in names), "version"),
            [(row.columns[0], *(row.columns[at] for at in names), row.version) for row in found],
        )
    if not found:
        stop(Exit.PROBLEMS, "nothing found" if not json else "")


def _telling(columns: tuple[str, ...], found: list[Kept]) -> list[int]:
    """The first columns that hold codes or names in these rows, beside the key."""
    named = (at for at, column in enumerate(columns) if at and column.endswith(("代码", "名称")))
    return [at for at in named if any(row.columns[at] for row in found)][:SHOWN_COLUMNS]


def _named(columns: tuple[str, ...], row: Kept) -> Iterator[tuple[str, str]]:
    """The columns of a row that are not empty; those without a name by their number."""
    for at, value in enumerate(row.columns):
        if value:
            yield columns[at] if at < len(columns) else f"column {at + 1}", value


# What the commands begin with


def _opened(
    config: Path, institution: str, folder: Path | None
) -> tuple[Settings, InstitutionSettings, Catalogues]:
    settings = settings_of(config)
    asked = institution_of(settings, institution)
    root = folder or settings.journal.path.parent / "catalogues"
    definitions = _definitions(settings, asked)
    return settings, asked, Catalogues(root, asked.fixmedins_code, definitions, SystemClock())


def _definitions(settings: Settings, institution: InstitutionSettings) -> Definitions:
    (channel,) = (each for each in settings.channels if each.name == institution.channel)
    return Definitions.load(load_profile(channel.profile).edition)


def _wanted(
    institution: InstitutionSettings, settings: Settings, infnos: list[str]
) -> tuple[str, ...]:
    known = catalogue_infnos(_definitions(settings, institution))
    unknown = [infno for infno in infnos if infno not in known]
    if unknown:
        stop(
            Exit.UNREADABLE,
            f"{', '.join(unknown)} downloads no catalogue; there are: {', '.join(known)}",
        )
    return tuple(dict.fromkeys(infnos)) or known


@asynccontextmanager
async def _line(settings: Settings, institution: InstitutionSettings) -> AsyncIterator[Line]:
    (channel,) = (each for each in settings.channels if each.name == institution.channel)
    transport, clock = HTTPTransport(), SystemClock()
    journal = await _journal(settings)
    try:
        opened = Channel(channel, load_profile(channel.profile), transport, clock)
        kept = settings.journal.path.parent / f"{institution.fixmedins_code}.file-serials"
        serials = Serials(clock, kept)
        yield ChannelLine(institution, opened, clock, sessions=_Sessions(journal), serials=serials)
    finally:
        await transport.close()
        if journal is not None:
            await journal.close()


def _has_journal(settings: Settings) -> bool:
    return settings.journal.path.exists()


async def _journal(settings: Settings) -> SQLiteJournal | None:
    if not _has_journal(settings):
        return None
    try:
        return await SQLiteJournal.open(settings.journal.path, read_only=True)
    except GatewayError:
        return None  # its sign-in number is a convenience: this command signs in by itself


class _Sessions:
    """The sign-in number of a gateway that runs beside, read from its journal."""

    def __init__(self, journal: SQLiteJournal | None) -> None:
        self._journal = journal

    async def session_get(self, key: str) -> str | None:
        """The number, where there is a journal that has one."""
        return await self._journal.session_get(key) if self._journal is not None else None

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        """Nothing is written into a journal of somebody else."""


# What is seen meanwhile


class _Lines:
    """One line a catalogue, for pipes; nothing while JSON is due."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    async def update(self, held: Catalogues, line: Line, infno: str) -> Result:
        """Update a catalogue and say what came of it."""
        result = await _updated(held, line, infno, None)
        if not self._silent:
            self.tell(infno, result)
        return result

    def tell(self, infno: str, result: Result) -> None:
        """Say how an update ended."""
        say(f"{infno}  {_sentence(result)}")
        for short in result.short if isinstance(result, Updated) else ():
            complain(
                f"{infno}: line {short.line} has {short.found} columns instead of {short.expected}"
            )


class _Bars(_Lines):
    """A bar a download, on a terminal."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(silent=False)
        self._progress = progress

    async def update(self, held: Catalogues, line: Line, infno: str) -> Result:
        """Update a catalogue under a bar of its own."""
        bar = _Bar(self._progress, infno)
        try:
            result = await _updated(held, line, infno, bar)
        finally:
            bar.remove()
        self.tell(infno, result)
        return result

    def tell(self, infno: str, result: Result) -> None:
        """Say how an update ended, above the bars."""
        self._progress.console.print(f"{infno}  {_sentence(result)}", markup=False)
        for short in result.short if isinstance(result, Updated) else ():
            self._progress.console.print(
                f"  line {short.line} has {short.found} columns instead of {short.expected}",
                style="yellow",
                markup=False,
            )


class _Bar:
    """Follows the downloads of one catalogue."""

    def __init__(self, progress: Progress, infno: str) -> None:
        self._progress = progress
        self._task = progress.add_task(infno, total=None)

    def size(self, total: int | None, held: int) -> None:
        """A reply began."""
        self._progress.update(self._task, total=total, completed=held)

    def received(self, count: int) -> None:
        """So many bytes more."""
        self._progress.advance(self._task, count)

    def remove(self) -> None:
        """The catalogue is done."""
        self._progress.remove_task(self._task)


@contextmanager
def _watching(*, silent: bool) -> Iterator[_Lines]:
    console = Console(highlight=False, soft_wrap=True)
    if silent or not console.is_terminal:
        yield _Lines(silent=silent)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


async def _updated(held: Catalogues, line: Line, infno: str, bar: _Bar | None) -> Result:
    try:
        return await held.update(line, infno, watcher=bar, patience=PATIENCE)
    except FileError as error:
        return Unknown(str(error))


def _sentence(result: Result) -> str:
    if isinstance(result, Updated):
        fresh = sum(fetched.fresh for fetched in result.fetched)
        version = result.manifest.version or "no version"
        return f"{version}: {result.manifest.rows} rows, {fresh} new"
    if isinstance(result, Rejected):
        return f"refused: {result.reply.err_msg}"
    return f"did not arrive: {result.reason}"


def _summary(result: Result) -> dict[str, Any]:
    if isinstance(result, Updated):
        manifest: Manifest = result.manifest
        return {
            "outcome": "updated",
            "version": manifest.version,
            "rows": manifest.rows,
            "fetched": result.fetched,
            "short": [short._asdict() for short in result.short],
        }
    if isinstance(result, Rejected):
        return {"outcome": "rejected", "reason": result.reply.err_msg}
    return {"outcome": "not-arrived", "reason": result.reason}
