"""The sandbox and the demonstration: a reference platform, a gateway, a made-up hospital."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from gateway.demo.sandbox import Sandbox
from gateway.demo.scenes import SCENES, Stage
from gateway.demo.showing import Show
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging

__all__ = ["Sandbox", "run_demo"]


async def run_demo() -> int:
    """Play every scene; 0 only if every step held. Leaves nothing running and no file behind."""
    configure_logging(LogSettings(level="CRITICAL"))
    show = Show()
    began = time.monotonic()
    show.console.print(
        "Two regional centres, a gateway with fresh keys, real messages over real sockets."
    )
    with tempfile.TemporaryDirectory(prefix="fsi-demo-") as folder:
        async with Sandbox(Path(folder)) as sandbox:
            stage = Stage(sandbox, show)
            try:
                for scene in SCENES:
                    try:
                        await scene(stage)
                    except Exception as error:  # noqa: BLE001 - a broken scene is shown, the rest is played
                        show.check(
                            f"{scene.__name__}: {type(error).__name__}: {error}", holds=False
                        )
            finally:
                await stage.close()
    return show.summary(time.monotonic() - began)
