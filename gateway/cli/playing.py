"""`gateway sandbox` and `gateway demo`: the gateway with a reference platform beside it."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from gateway.settings import LogFormat, LogSettings
from gateway.telemetry import configure_logging

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")]


def sandbox(
    *,
    mllp_port: PortOption = 2575,
    http_port: PortOption = 8080,
    platform_port: PortOption = 0,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Folder for everything; a new one if left out.")
    ] = None,
) -> None:
    """Start the reference platform and a gateway with made-up keys, hospital and patients.

    Prints one JSON line with addresses, folder and token once both are ready; runs until a
    signal.
    """
    configure_logging(LogSettings(format=LogFormat.JSON))
    made = folder or Path(tempfile.mkdtemp(prefix="gateway-sandbox-"))
    uvloop.run(_sandbox(made, mllp_port, http_port, platform_port))


async def _sandbox(folder: Path, mllp_port: int, http_port: int, platform_port: int) -> None:
    from gateway.demo.sandbox import Sandbox  # noqa: PLC0415 - other commands start without it

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Sandbox(
        folder, mllp_port=mllp_port, http_port=http_port, platform_port=platform_port
    ) as running:
        typer.echo(msgspec.json.encode(running.describe()).decode())
        await stopping.wait()


def demo() -> None:
    """Send real messages over real sockets to two regional centres and show what happens.

    Ends with 0 only when every step held.
    """
    from gateway.demo import run_demo  # noqa: PLC0415 - other commands start without it

    configure_logging(LogSettings(level="ERROR", format=LogFormat.CONSOLE))
    raise typer.Exit(uvloop.run(run_demo()))
