"""`gateway unknown`: what has no known outcome, and an operator's decisions, over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption
from gateway.cli.exits import Exit
from gateway.cli.operating import (
    OperatorOption,
    TokenOption,
    URLOption,
    ask,
    base_url,
    token_of,
)
from gateway.cli.output import say, show_json, show_table
from gateway.settlement.deciding import Decision

unknown = typer.Typer(no_args_is_help=True, help="Outcomes that are not known.")


@unknown.command("list")
def list_unknown(
    *,
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List what has no known outcome; exit code 5 when there is any."""
    address = f"{base_url(url, config)}/operator/unknown"
    rows = ask("GET", address, token_of(token_file))["unknown"]
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
    operator: OperatorOption,
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
    address = f"{base_url(url, config)}/operator/unknown/{msgid}"
    left = ask("POST", address, token_of(token_file), body)["unknown"]
    if left is not None:
        say(f"{msgid} is still unknown")
        raise typer.Exit(Exit.UNKNOWN)
    say(f"{msgid} is resolved: {decision.value}")


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
