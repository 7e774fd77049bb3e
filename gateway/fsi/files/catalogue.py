"""Catalogue downloads (1301 to 1327), kept for each institution and transaction.

The first call states version v0000, every later one the largest version held; the reply names a
file with all newer rows and its last day (reference: rules of the interface, section 5). This is
repeated until nothing newer comes. A folder per institution and catalogue holds::

    manifest.json     what was fetched and merged: written anew in one step
    0001.zip ...      the files as they came
    rows.db           their rows, merged (see `rows`)

Whatever breaks off in between is taken up again: a download where it stopped, a file that was not
merged by fetching it again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gateway.clock import Clock, stamp
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import LIMITS, FileError, Limits
from gateway.fsi.files.line import Line
from gateway.fsi.files.rows import CatalogueRows, Layout, Merged
from gateway.fsi.files.textfile import Short, Shorts, read_rows
from gateway.fsi.files.transfer import (
    CATALOGUE_OWNER,
    PATIENCE,
    Downloaded,
    Patience,
    StoredFile,
    Watcher,
    download,
    stored_file,
)
from gateway.intents import Accepted, NotSent, Rejected, Unknown

FIRST_VERSION = "v0000"
MAX_ROUNDS = 50
"""Files of one update at most; a platform that always has something newer is not followed."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was fetched and merged.

    `asked` is the version the call stated, `version` the largest one held afterwards; `rows` and
    `short` count its lines, `fresh` those not held before.
    """

    file: str
    asked: str
    version: str
    filename: str
    file_qury_no: str
    until: str
    size: int
    sha256: str
    rows: int
    fresh: int
    short: int
    fetched: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the platform named and that was not merged yet."""

    asked: str
    file: StoredFile


class Manifest(msgspec.Struct, kw_only=True):
    """What is held of a catalogue; `version` is the largest, `rows` counts keys."""

    infno: str
    fixmedins_code: str
    version: str = ""
    rows: int = 0
    files: list[Fetched] = []
    pending: Offer | None = None


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """How an update ended: what is held, the files it fetched, the lines it left out."""

    manifest: Manifest
    fetched: tuple[Fetched, ...]
    short: tuple[Short, ...]


def catalogue_infnos(definitions: Definitions) -> tuple[str, ...]:
    """The transactions that download a catalogue."""
    return tuple(i for i in definitions.infnos() if definitions.transaction(i).file_layout)


class Catalogues:
    """The catalogues of an institution under `root`."""

    def __init__(
        self,
        root: Path,
        fixmedins_code: str,
        definitions: Definitions,
        clock: Clock,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self._root = root / fixmedins_code
        self._code = fixmedins_code
        self._definitions = definitions
        self.clock = clock
        self.limits = limits

    def held(self) -> list[Manifest]:
        """What is held, by transaction number.

        Raises:
            FileError: a manifest cannot be read.
        """
        infnos = catalogue_infnos(self._definitions)
        return [self.manifest(i) for i in infnos if (self._root / i / "manifest.json").exists()]

    def manifest(self, infno: str) -> Manifest:
        """What is held of a catalogue; an empty one before the first download.

        Raises:
            FileError: the manifest cannot be read.
        """
        path = self._root / infno / "manifest.json"
        if not path.exists():
            return Manifest(infno=infno, fixmedins_code=self._code)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except msgspec.MsgspecError as error:
            raise FileError(f"{path} cannot be read") from error

    def layout(self, infno: str) -> Layout:
        """The columns of a catalogue.

        Raises:
            KeyError: there is no such transaction.
            ConfigurationError: it downloads no catalogue.
        """
        return Layout.of(self._definitions.transaction(infno))

    def rows(self, infno: str) -> CatalogueRows:
        """The rows of a catalogue that is held, to be closed after use.

        Raises:
            FileError: they cannot be read.
        """
        return CatalogueRows(self._root / infno / "rows.db", self.layout(infno))

    async def update(
        self,
        line: Line,
        infno: str,
        *,
        watcher: Watcher | None = None,
        patience: Patience = PATIENCE,
    ) -> Updated | Rejected | NotSent | Unknown:
        """Fetch and merge everything newer than what is held.

        What was merged before a failure stays, and the next update goes on from there.

        Raises:
            FileError: another update of this catalogue is under way, or what is held cannot be
                read.
            OSError: the disk refuses.
        """
        folder = self._root / infno
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            work = _Update(self, line, infno, folder=folder, watcher=watcher, patience=patience)
            return await work.run()


class _Update:
    """One update under way."""

    def __init__(
        self,
        catalogues: Catalogues,
        line: Line,
        infno: str,
        *,
        folder: Path,
        watcher: Watcher | None,
        patience: Patience,
    ) -> None:
        self._catalogues, self._line, self._folder = catalogues, line, folder
        self._watcher, self._patience = watcher, patience
        self._layout = catalogues.layout(infno)
        self._manifest = catalogues.manifest(infno)
        self._fetched: list[Fetched] = []
        self._short: list[Short] = []

    async def run(self) -> Updated | Rejected | NotSent | Unknown:
        """Ask, fetch and merge until nothing newer comes."""
        for _ in range(MAX_ROUNDS):
            earlier = self._manifest.pending
            offer = earlier or await self._ask()
            if offer is None:
                break
            if not isinstance(offer, Offer):
                return offer
            self._save(pending=offer)
            merged = await self._take(offer)
            if isinstance(merged, NotSent | Unknown):
                return merged
            self._save(pending=None)
            if isinstance(merged, Rejected):
                if earlier is None:
                    return merged
                # The file of an earlier day is gone: ask anew.
            elif not merged.fresh or self._manifest.version == offer.asked:
                break
        return Updated(
            manifest=self._manifest,
            fetched=tuple(self._fetched),
            short=tuple(self._short),
        )

    async def _take(self, offer: Offer) -> Merged | Rejected | NotSent | Unknown:
        """Fetch the offered file, and merge it into the rows."""
        target = self._folder / f"{len(self._manifest.files) + 1:04d}.zip"
        got = await download(
            self._line,
            offer.file,
            target,
            owner=CATALOGUE_OWNER,
            watcher=self._watcher,
            patience=self._patience,
            limits=self._catalogues.limits,
        )
        if not isinstance(got, Downloaded):
            return got
        short = Shorts()
        try:
            merged = await asyncio.to_thread(self._merge, target, short)
        except FileError as error:
            target.unlink()
            self._save(pending=None)
            return Unknown(f"the file cannot be merged: {error}")
        if merged.rows or short.count:
            self._note(offer, got, merged, short)
        else:
            target.unlink()
        return merged

    def _merge(self, path: Path, short: Shorts) -> Merged:
        rows = read_rows(
            path,
            len(self._layout.columns),
            least=self._layout.least,
            short=short,
            limits=self._catalogues.limits,
        )
        with self._catalogues.rows(self._manifest.infno) as held:
            return held.merge(rows)

    async def _ask(self) -> Offer | Rejected | NotSent | Unknown | None:
        """What is newer than the largest version held; None when the platform says nothing is."""
        asked = self._manifest.version or FIRST_VERSION
        content = {"data": {"ver": asked}}
        outcome = await self._line.transact(self._manifest.infno, content)
        for _ in range(self._patience.attempts - 1):
            if not isinstance(outcome, NotSent | Unknown):
                break
            await self._patience.sleep(self._patience.seconds)
            outcome = await self._line.transact(self._manifest.infno, content)
        if not isinstance(outcome, Accepted):
            return outcome
        file = stored_file(outcome.reply.output)
        if file is not None:
            return Offer(asked=asked, file=file)
        return None if _says_nothing(outcome.reply.output) else Unknown("the reply names no file")

    def _note(self, offer: Offer, got: Downloaded, merged: Merged, short: Shorts) -> None:
        """Enter a merged file."""
        with self._catalogues.rows(self._manifest.infno) as rows:
            self._manifest.version, self._manifest.rows = rows.largest(), rows.count()
        self._short += short.first
        entry = Fetched(
            file=got.path.name,
            asked=offer.asked,
            version=self._manifest.version,
            filename=offer.file.filename,
            file_qury_no=offer.file.file_qury_no,
            until=offer.file.until,
            size=got.size,
            sha256=got.sha256,
            rows=merged.rows,
            fresh=merged.fresh,
            short=short.count,
            fetched=stamp(self._catalogues.clock.now()),
        )
        self._fetched.append(entry)
        self._manifest.files.append(entry)

    def _save(self, *, pending: Offer | None) -> None:
        self._manifest.pending = pending
        _replace(self._folder / "manifest.json", msgspec.json.encode(self._manifest))


def _says_nothing(output: Mapping[str, Any]) -> bool:
    """The count of rows is given and 0.

    Believed only where no file is named: an empty number of the interface is 0 as well.
    """
    return str(output.get("data_cnt", "")).strip() == "0"


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.format(content, indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone in this folder, among all processes.

    Raises:
        FileError: somebody else is there.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError("another update of this catalogue is under way") from None
        yield
