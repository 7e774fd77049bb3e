"""The settings that most commands begin with."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import Exit
from gateway.cli.output import stop
from gateway.inbound.peers import PeerDirectory
from gateway.settings import InstitutionSettings, PeerSettings, Settings, load_settings

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="GATEWAY_CONFIG", help="Settings file (TOML)."),
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
InstitutionOption = Annotated[
    str, typer.Option("--institution", help="Which institution; the first one if left out.")
]

DEFAULT_CONFIG = Path("gateway.toml")


def settings_of(config: Path) -> Settings:
    """The settings of a command.

    Raises:
        ConfigurationError: the file cannot be read or a value is wrong.
    """
    return load_settings(config)


def peer_of(settings: Settings, name: str, application: tuple[str, str] = ("", "")) -> PeerSettings:
    """The peer a file is taken to come from: the one named, the one recognised, or the only one."""
    directory = PeerDirectory(settings.peers)
    if name:
        peer = directory.by_name(name)
        if peer is None:
            stop(Exit.UNREADABLE, f"no peer {name!r}; there are: {_names(settings)}")
        return peer
    peer = directory.by_application(*application) if application[0] else None
    if peer is None and len(settings.peers) == 1:
        peer = settings.peers[0]
    if peer is None:
        stop(Exit.UNREADABLE, f"say --peer; there are: {_names(settings)}")
    return peer


def institution_of(settings: Settings, code: str) -> InstitutionSettings:
    """The institution named, or the first."""
    if not code:
        return settings.institutions[0]
    institution = settings.institution(code)
    if institution is None:
        stop(Exit.UNREADABLE, f"no institution {code!r} in the settings")
    return institution


def day_of(text: str) -> date:
    """The day that somebody entered; another form ends the command."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        stop(Exit.UNREADABLE, f"{text!r} is no day of the form 2026-03-01")
    return day


def _names(settings: Settings) -> str:
    return ", ".join(peer.name for peer in settings.peers)
