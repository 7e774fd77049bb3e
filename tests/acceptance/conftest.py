"""Fixtures of the acceptance tests: worlds that are closed afterwards, and no log on the screen."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from conformance.platform.centre import Centre
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging
from tests.acceptance.world import Ended, World, command
from tests.fhir_answers import fhir_answers_are_valid  # noqa: F401 - a fixture for every test


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log line on the screen; what setting the logs up changes is undone."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    configure_logging(LogSettings(level="CRITICAL"))
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2], before[3]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Open worlds with settings of the test's choice; all are closed afterwards."""
    worlds: list[World] = []

    async def make(**changes: Any) -> World:
        folder = tmp_path / f"world-{len(worlds)}"
        folder.mkdir()
        world = World(folder, **changes)
        worlds.append(world)
        await world.open()
        return world

    yield make
    for world in reversed(worlds):
        await world.close()


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[World]]) -> World:
    """A world that holds unknown outcomes for the operator."""
    return await open_world()


@pytest.fixture
def gateway_command() -> Callable[..., Awaitable[Ended]]:
    """Runs a command of the gateway beside a world."""
    return command


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """The envelopes that reached the platform, in order."""
    found: list[Mapping[str, Any]] = []
    carry_out = Centre._carry_out

    def keep(centre: Centre, envelope: Mapping[str, Any], *more: Any) -> Any:
        found.append(envelope)
        return carry_out(centre, envelope, *more)

    monkeypatch.setattr(Centre, "_carry_out", keep)
    return found
