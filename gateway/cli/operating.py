"""What commands need that ask a running gateway over its operators' routes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import msgspec
import typer

from gateway.cli.configuration import institution_of, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import stop

TOKEN_VARIABLE = "GATEWAY_OPERATOR_TOKEN"  # noqa: S105 - the name of a variable, not a secret
SECONDS = 60.0

URLOption = Annotated[
    str, typer.Option("--url", help="Base URL of the running gateway; by the settings if left out.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help=f"File with the operator's token; else ${TOKEN_VARIABLE}."),
]
OperatorOption = Annotated[str, typer.Option(help="Who decides; goes into the audit.")]


def token_of(file: Path | None) -> str:
    """The operator's token, from the file or the environment."""
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
    else:
        try:
            token = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            stop(Exit.CONFIGURATION, f"{file}: {error}")
    if not token.strip():
        stop(Exit.CONFIGURATION, f"an operator's token is needed: --token-file or {TOKEN_VARIABLE}")
    return token.strip()


def base_url(url: str, config: Path) -> str:
    """The base URL named, or that of the settings."""
    if url:
        return url.rstrip("/")
    http = settings_of(config).http
    return f"http://{http.host}:{http.port}"


async def _ask(method: str, url: str, token: str, body: object, seconds: float) -> tuple[int, Any]:
    timeout = aiohttp.ClientTimeout(total=seconds)
    headers = {"Authorization": f"Bearer {token}"}
    data = msgspec.json.encode(body) if body is not None else None
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.request(method, url, data=data) as response,
    ):
        return response.status, msgspec.json.decode(await response.read())


def ask(method: str, url: str, token: str, body: object = None, *, seconds: float = SECONDS) -> Any:
    """The JSON that the gateway answers; a refusal ends the command."""
    try:
        status, content = asyncio.run(_ask(method, url, token, body, seconds))
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        stop(Exit.NOT_REACHED, f"{url}: {type(error).__name__}")
    if status == 401:
        stop(Exit.CONFIGURATION, "the gateway does not know this operator's token")
    if status != 200:
        told = [str(content[name]) for name in ("error_zh", "error") if content.get(name)]
        stop(Exit.PROBLEMS, "\n".join(told) or str(content))
    return content


def steps_of(office: str, seconds: float) -> Callable[..., Any]:
    """Gives what has the running gateway take a step of its own work for an institution.

    `office` is the last part of the route below `/operator`, and of the answer the member that
    says what was done; `seconds` is how long that is waited for.
    """

    def take(
        step: str, config: Path, institution: str, url: str, token_file: Path | None, **more: object
    ) -> Any:
        asked = institution_of(settings_of(config), institution).fixmedins_code
        address = f"{base_url(url, config)}/operator/{office}"
        body = {"step": step, "fixmedins_code": asked, **more}
        answer = ask("POST", address, token_of(token_file), body, seconds=seconds)
        return answer[office.replace("-", "_")]

    return take
