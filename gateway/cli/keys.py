"""`gateway keys`: the key pairs that sign for an institution, and those of its clients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from certs.clients import make_client_pair, sign_assertion
from certs.files import read_private
from certs.signing import ensure_signing_pair, load_signing_key, load_verify_key
from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.clock import SystemClock
from gateway.crypto.sm import VerifyKey
from gateway.errors import ConfigurationError
from gateway.settings import Settings

keys = typer.Typer(no_args_is_help=True, help="Keys of institutions and of clients.")

GOOD = "ok"


class KeyFile(msgspec.Struct, frozen=True):
    """A key file of a channel and what is wrong with it (`ok` when nothing is)."""

    channel: str
    what: str
    file: str
    fingerprint: str
    state: str


@keys.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the two files; made if missing.")],
    *,
    name: Annotated[str, typer.Option(help="First part of the file names.")] = "gateway",
    json: JSONOption = False,
) -> None:
    """Make a key pair: NAME.sm2.key (secret) and NAME.sm2.pub (for the bureau).

    Existing files are never overwritten.
    """
    if list(folder.glob(f"{name}.sm2.*")):
        stop(Exit.UNREADABLE, f"{folder / name}.sm2.* exists and is not overwritten")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        stop(Exit.UNREADABLE, f"{folder}: {error.strerror}")
    pair = ensure_signing_pair(folder, name)
    public = load_verify_key(pair.public)
    found = {
        "key": str(pair.private),
        "public": str(pair.public),
        "fingerprint": fingerprint(public),
        "raw": public.to_raw().hex(),
    }
    if json:
        show_json(found)
        return
    for label, value in found.items():
        say(f"{label:12}{value}")


@keys.command("client")
def make_client(
    folder: Annotated[Path, typer.Argument(help="Folder for the two files; made if missing.")],
    *,
    name: Annotated[str, typer.Option(help="First part of the file names.")] = "client",
) -> None:
    """Make the keys of a client that asks for tokens (SMART backend services).

    NAME.client.key is secret and stays with the client; `jwks_file` of the peer is NAME.jwks.json.
    Existing files are never overwritten.
    """
    try:
        pair = make_client_pair(folder, name)
    except ConfigurationError as error:
        stop(Exit.UNREADABLE, str(error))
    say(f"{'key':12}{pair.private}")
    say(f"{'jwks_file':12}{pair.public}")


@keys.command("assertion")
def assertion(
    key: Annotated[Path, typer.Argument(help="NAME.client.key.")],
    *,
    client: Annotated[str, typer.Option(help="client_id: the name of the peer.")],
    audience: Annotated[str, typer.Option(help="URL of the token endpoint.")],
) -> None:
    """Print a signed assertion, to be exchanged for a token once within four minutes."""
    try:
        say(sign_assertion(key, client, audience, SystemClock().now()))
    except ConfigurationError as error:
        stop(Exit.UNREADABLE, str(error))


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
        looks: tuple[tuple[str, Path | None, Callable[[Path], str]], ...] = (
            ("our key", channel.signing_key_file, _our_key),
            ("platform's key", channel.platform_public_key_file, _platform_key),
            ("secret", channel.secret_file, _secret),
        )
        for what, path, look in looks:
            if path is None:
                continue
            try:
                mark, state = look(path), GOOD
            except ConfigurationError as error:
                mark, state = "", error.reason
            found.append(KeyFile(channel.name, what, str(path), mark, state))
    return found


def fingerprint(key: VerifyKey) -> str:
    """SHA-256 of the raw public key in hex: for two people on the telephone."""
    return hashlib.sha256(key.to_raw()).hexdigest()


def _our_key(path: Path) -> str:
    return fingerprint(load_signing_key(path).public_key())


def _platform_key(path: Path) -> str:
    return fingerprint(load_verify_key(path))


def _secret(path: Path) -> str:
    """A secret has no fingerprint: a short one could be found by trying."""
    read_private(path)
    return ""
