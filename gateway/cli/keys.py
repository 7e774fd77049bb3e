"""`gateway keys`: the SM2 key pairs that sign for an institution."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.crypto.sm import SigningKey, VerifyKey, sm3
from gateway.errors import ConfigurationError
from gateway.settings import Settings

keys = typer.Typer(no_args_is_help=True, help="SM2 keys.")

PRIVATE = 0o600
"""Mode of a private key file: its owner only."""


GOOD = "ok"
OPEN = "may be read by others: chmod 600"


class KeyFile(msgspec.Struct, frozen=True):
    """A key file of a channel and what is wrong with it."""

    channel: str
    whose: str
    file: str
    fingerprint: str
    state: str

    @property
    def usable(self) -> bool:
        """True when it can be loaded, even if others may read it."""
        return self.state in {GOOD, OPEN}


@keys.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the two files; made if missing.")],
    *,
    name: Annotated[str, typer.Option(help="First part of the file names.")] = "signing",
    json: JSONOption = False,
) -> None:
    """Make a key pair: NAME-key.pem (secret) and NAME-public.pem (for the bureau).

    Existing files are never overwritten.
    """
    secret, public = folder / f"{name}-key.pem", folder / f"{name}-public.pem"
    for path in (secret, public):
        if path.exists():
            stop(Exit.UNREADABLE, f"{path} exists and is not overwritten")
    key = SigningKey.generate()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(secret, key.to_pem(), PRIVATE)
        _write(public, key.public_key().to_pem(), 0o644)
    except OSError as error:
        stop(Exit.UNREADABLE, f"{folder}: {error.strerror}")
    found = {
        "key": str(secret),
        "public": str(public),
        "fingerprint": fingerprint(key.public_key()),
        "raw": key.public_key().to_raw().hex(),
    }
    if json:
        show_json(found)
        return
    for label, value in found.items():
        say(f"{label:12}{value}")


@keys.command("list")
def list_keys(*, json: JSONOption = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """List the keys that the channels of the settings name, and what is wrong with them.

    Ends with 1 when one cannot be used.
    """
    found = channel_keys(settings_of(config))
    if json:
        show_json(found)
    else:
        show_table(KeyFile.__struct_fields__, [msgspec.structs.astuple(key) for key in found])
    if any(key.state != GOOD for key in found):
        raise typer.Exit(int(Exit.PROBLEMS))


def channel_keys(settings: Settings) -> list[KeyFile]:
    """The key files of the channels, as they are found now."""
    found = []
    for channel in settings.channels:
        if channel.signing_key_file is not None:
            found.append(_look(channel.name, channel.signing_key_file, secret=True))
        if channel.platform_public_key_file is not None:
            found.append(_look(channel.name, channel.platform_public_key_file, secret=False))
    return found


def fingerprint(key: VerifyKey) -> str:
    """SM3 of the raw public key, first 16 hexadecimal digits: for two people on the telephone."""
    return sm3(key.to_raw()).hex()[:16]


def _look(channel: str, path: Path, *, secret: bool) -> KeyFile:
    whose = "ours" if secret else "platform"
    mark, state = "", GOOD
    try:
        pem = path.read_bytes()
        key = SigningKey.from_pem(pem).public_key() if secret else VerifyKey.from_pem(pem)
        mark = fingerprint(key)
        if secret and path.stat().st_mode & 0o077:
            state = OPEN
    except OSError as error:
        state = f"cannot be read: {error.strerror}"
    except (ConfigurationError, ValueError):
        state = "is no SM2 key in PEM"
    return KeyFile(channel, whose, str(path), mark, state)


def _write(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
