"""`gateway unknown`: what has no known outcome, and an operator's decisions, over HTTP."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import msgspec
import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.settlement.deciding import Decision

unknown = typer.Typer(no_args_is_help=True, help="Outcomes that are not known.")

TOKEN_VARIABLE = "GATEWAY_OPERATOR_TOKEN"  # noqa: S105 - the name of a variable, not a secret
SECONDS = 60.0

URLOption = Annotated[
    str, typer.Option("--url", help="Base URL of the running gateway; by the settings if left out.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help=f"File with the operator's token; else ${TOKEN_VARIABLE}."),
]


def _token(file: Path | None) -> str:
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


def _base(url: str, config: Path) -> str:
    if url:
        return url.rstrip("/")
    http = settings_of(config).http
    return f"http://{http.host}:{http.port}"


async def _ask(method: str, url: str, token: str, body: object = None) -> tuple[int, Any]:
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    data = msgspec.json.encode(body) if body is not None else None
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.request(method, url, data=data) as response,
    ):
        return response.status, msgspec.json.decode(await response.read())


def _call(method: str, url: str, token: str, body: object = None) -> Any:
    try:
        status, content = asyncio.run(_ask(method, url, token, body))
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        stop(Exit.NOT_REACHED, f"{url}: {type(error).__name__}")
    if status == 401:
        stop(Exit.CONFIGURATION, "the gateway does not know this operator's token")
    if status != 200:
        stop(Exit.PROBLEMS, str(content.get("error", content)))
    return content["unknown"]


@unknown.command("list")
def list_unknown(
    *,
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List what has no known outcome; exit code 5 when there is any."""
    rows = _call("GET", f"{_base(url, config)}/operator/unknown", _token(token_file))
    if json:
        show_json(rows)
    elif rows:
        columns = ("msgid", "infno", "since", "peer", "kind", "control_id", "decisions")
        show_table(
            columns,
            [[_text(row.get(column, "")) for column in columns] for row in rows],
        )
    else:
        say("every outcome is known")
    if rows:
        raise typer.Exit(Exit.UNKNOWN)


@unknown.command("resolve")
def resolve(
    msgid: Annotated[str, typer.Argument(help="Message id of the transaction.")],
    decision: Annotated[
        Decision,
        typer.Argument(
            help="reverse: undo it by 2601; confirm: it is settled, read it back; "
            "nothing: the platform does not have it."
        ),
    ],
    *,
    note: Annotated[str, typer.Option(help="Why; goes into the audit.")],
    operator: Annotated[str, typer.Option(help="Who decides; goes into the audit.")],
    setl_id: Annotated[str, typer.Option(help="For confirm: the platform's setl_id.")] = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Decide about one; the sender's message then has its final answer."""
    body = {
        "decision": decision.value,
        "operator": operator,
        "note": note,
        "setl_id": setl_id,
    }
    url = f"{_base(url, config)}/operator/unknown/{msgid}"
    left = _call("POST", url, _token(token_file), body)
    if left is not None:
        say(f"{msgid} is still unknown")
        raise typer.Exit(Exit.UNKNOWN)
    say(f"{msgid} is resolved: {decision.value}")


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
