"""The journal, read by a command beside a running gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from gateway.cli.configuration import settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import stop
from gateway.errors import GatewayError
from gateway.journal import Journal, open_journal
from gateway.settings import JournalSettings

T = TypeVar("T")


def with_journal(config: Path, journal: Path | None, task: Callable[[Journal], Awaitable[T]]) -> T:
    """What a task reads of the journal named, or else that of the settings."""
    settings = JournalSettings(path=journal) if journal else settings_of(config).journal
    if settings.dsn_file is None and not settings.path.exists():
        stop(Exit.UNREADABLE, f"{settings.path}: no journal there")

    async def run() -> T:
        try:
            store = await open_journal(settings, read_only=True)
        except GatewayError as error:
            stop(Exit.UNREADABLE, str(error))
        try:
            return await task(store)
        finally:
            await store.close()

    return asyncio.run(run())
