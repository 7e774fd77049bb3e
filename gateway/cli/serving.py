"""`gateway serve` and `gateway check-config`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import Any, NoReturn

import typer
import uvloop

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.keys import GOOD, channel_keys
from gateway.cli.output import complain, say, show_json
from gateway.clock import SystemClock
from gateway.errors import ConfigurationError, JournalError
from gateway.inbound.peers import PeerDirectory
from gateway.inbound.smart_routes import check_clients
from gateway.inbound.tls import http_tls, mllp_tls
from gateway.settings import Settings
from gateway.telemetry import configure_logging, get_logger
from gateway.telemetry.logs import level_of

STOPS = (signal.SIGTERM, signal.SIGINT)
"""Signals that ask the gateway to stop."""


COLLECT_AFTER = 10_000
"""New objects after which the collector looks for cycles; Python itself says 700.

A message makes some thousands, hardly any of them in a cycle, so that looking costs a tenth of the
work on it and finds nothing.
"""


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the gateway until a signal (SIGTERM, SIGINT) asks it to stop.

    What is in work then is finished and answered before the process ends; a second signal ends it
    at once with 7, and the next start looks after what was in work. When the journal takes
    no more writes (disk full, another gateway took over) it ends with 6, to be started anew.
    """
    settings = settings_of(config)
    configure_logging(settings.log)
    try:
        uvloop.run(_serve(settings))
    except ConfigurationError:
        raise
    except JournalError as error:
        get_logger().critical("gateway ended", exc_info=error)
        complain(str(error))
        raise typer.Exit(int(Exit.JOURNAL)) from None
    except Exception as error:  # noqa: BLE001 - the last line of a process says why it ended
        get_logger().critical("gateway ended", exc_info=error)
        raise typer.Exit(int(Exit.DEFECT)) from None


def collect_seldom() -> None:
    """Leave what was built at start alone, and look for cycles among the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def cut_short() -> NoReturn:
    """End this process now: what the journal has is all that the next one needs."""
    get_logger().warning("gateway cut short")
    sys.stderr.flush()
    os._exit(int(Exit.CUT_SHORT))


async def _serve(settings: Settings) -> None:
    from gateway.app import Gateway  # noqa: PLC0415 - loads every protocol

    gateway = Gateway(settings)
    configure_logging(settings.log, on_drop=gateway.metrics.dropped)
    log = get_logger()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stopping.is_set():
            cut_short()
        stopping.set()

    for number in STOPS:
        loop.add_signal_handler(number, asked)
    await gateway.start()
    collect_seldom()
    try:
        ports: dict[str, Any] = {}
        if settings.mllp.enabled:
            ports["mllp_port"] = gateway.mllp_address[1]
        if settings.http.enabled:
            ports["http_port"] = gateway.http_address[1]
        log.info(
            "gateway ready",
            peers=len(settings.peers),
            institutions=len(settings.institutions),
            channels=len(settings.channels),
            **ports,
        )
        ends = [asyncio.create_task(event.wait()) for event in (stopping, gateway.failed)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        failure = gateway.journal.health().failure
        log.info("gateway stopping")
    finally:
        await gateway.stop()
        for number in STOPS:  # it is ending: a further one would only hide its exit code
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
    if failure:
        raise JournalError(failure)
    log.info("gateway stopped")


def check_config(*, json: JSONOption = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Read the settings and everything they name (maps, tables, profiles, keys); start nothing.

    Ends with 3 when something is wrong, and names every wrong key.
    """
    settings = settings_of(config)
    _check(settings)
    found = {
        "file": str(config),
        "mllp": _address(settings.mllp.enabled, settings.mllp.host, settings.mllp.port),
        "http": _address(settings.http.enabled, settings.http.host, settings.http.port),
        "journal": str(settings.journal.dsn_file or settings.journal.path),
        "institutions": ", ".join(i.fixmedins_code for i in settings.institutions),
        "channels": ", ".join(f"{c.name} ({c.profile})" for c in settings.channels),
        "peers": ", ".join(peer.name for peer in settings.peers),
    }
    if json:
        show_json({"ok": True, **found})
        return
    for key, value in found.items():
        say(f"{key:14}{value}")
    say("ok")


def _check(settings: Settings) -> None:
    """Read what the settings name.

    Raises:
        ConfigurationError: names the file, the line where there is one, and the reason.
    """
    from gateway.app import Gateway, build_adapters  # noqa: PLC0415 - loads every protocol
    from gateway.fhir.stored import NothingAnswered  # noqa: PLC0415 - as above

    level_of(settings.log)
    PeerDirectory(settings.peers)
    http_tls(settings.http).context("http")
    mllp_tls(settings.mllp).context("mllp")
    Gateway(settings)
    check_clients(settings)
    build_adapters(settings, SystemClock(), NothingAnswered())
    unusable = [key for key in channel_keys(settings) if key.state != GOOD]
    if unusable:
        raise ConfigurationError(
            "; ".join(f"channel {key.channel}: {key.file}: {key.state}" for key in unusable)
        )


def _address(enabled: bool, host: str, port: int) -> str:  # noqa: FBT001 - the setting's own type
    return f"{host}:{port}" if enabled else "off"
