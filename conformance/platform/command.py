"""Running the platform until a signal comes."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from conformance.platform import wire
from conformance.platform.config import PlatformConfig, load_config
from conformance.platform.demo import write_demo
from conformance.platform.faults import Fault
from conformance.platform.server import Platform


def read_configuration(config: Path | None, demo: Path | None, port: int | None) -> PlatformConfig:
    """The configuration of a file, or of a demo folder made where it is missing.

    Raises:
        ConfigurationError: the file is wrong.
    """
    path = config if config is not None else write_demo(demo or Path("platform-demo"))
    loaded = load_config(path)
    if port is not None:
        loaded.port = port
    return loaded


def json_log() -> structlog.typing.FilteringBoundLogger:
    """A logger that writes JSON lines to standard error."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    return logger


async def serve(config: PlatformConfig, faults: Sequence[Fault] = ()) -> None:
    """Print one JSON line when ready, and serve until SIGTERM or SIGINT.

    Raises:
        OSError: the port cannot be had.
        ConfigurationError: a key or a table cannot be read.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    platform = Platform(config, log=json_log())
    for fault in faults:
        platform.faults.add(fault)
    try:
        await platform.start()
        sys.stdout.write(wire.encode(platform.description()).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await platform.close()
