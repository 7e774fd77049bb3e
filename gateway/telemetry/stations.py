"""One log line a station of a message's way, with its duration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from gateway.telemetry.logs import Logger
from gateway.telemetry.metrics import Metrics


class StationLine:
    """What is known about one passage; `note` adds to the line that is written at its end."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def note(self, **fields: Any) -> None:
        """Add or replace fields (`infno`, `outcome`, `problems`, counts ...)."""
        self.fields.update(fields)


@contextmanager
def station(
    log: Logger,
    name: str,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.perf_counter,
    **fields: Any,
) -> Iterator[StationLine]:
    """Write one line when the station is left; `seconds` is how long the passage took.

    The outcome is `ok` unless `note` says otherwise, and `failed` with the type and line of the
    exception when one passes through (it is not swallowed).
    """
    line = StationLine(**fields)
    started = clock()
    try:
        yield line
    except Exception as error:
        seconds = clock() - started
        line.note(outcome="failed", exc_info=error)
        log.warning("station", station=name, seconds=seconds, **line.fields)
        if metrics is not None:
            metrics.station(name, seconds)
        raise
    seconds = clock() - started
    line.fields.setdefault("outcome", "ok")
    log.info("station", station=name, seconds=seconds, **line.fields)
    if metrics is not None:
        metrics.station(name, seconds)


@contextmanager
def exchange_scope(exchange: str, **fields: Any) -> Iterator[None]:
    """Every line written inside carries the exchange id (and peer, protocol, kind if given)."""
    with structlog.contextvars.bound_contextvars(exchange=exchange, **fields):
        yield
