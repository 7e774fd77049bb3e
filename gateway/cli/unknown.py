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


@unknown.command("show")
def show(
    msgid: Annotated[str, typer.Argument(help="Message id of the transaction.")],
    *,
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show all that is known of one, and what a decision needs."""
    address = f"{base_url(url, config)}/operator/unknown/{msgid}"
    case = ask("GET", address, token_of(token_file))
    if json:
        show_json(case)
        return
    one = case["unknown"]
    show_table(("field", "value"), [[name, _text(value)] for name, value in one.items() if value])
    columns = ("time", "station", "detail")
    rows = [[row["time"], row["station"], _pairs(row["detail"])] for row in case["history"]]
    show_table(columns, rows)


@unknown.command("resolve")
def resolve(
    msgid: Annotated[str, typer.Argument(help="Message id of the transaction.")],
    decision: Annotated[
        Decision,
        typer.Argument(
            help="reverse: undo it by 2601; confirm: it happened, and the platform shows it; "
            "nothing: the platform does not have it."
        ),
    ],
    *,
    note: Annotated[str, typer.Option(help="Why; goes into the audit.")],
    operator: OperatorOption,
    setl_id: Annotated[
        str, typer.Option(help="For confirm: the setl_id that the platform shows.")
    ] = "",
    mdtrt_id: Annotated[
        str, typer.Option(help="For confirm: the mdtrt_id that the platform shows.")
    ] = "",
    total: Annotated[
        str,
        typer.Option(
            help="For confirm: the medfee_sumamt that the platform shows, in yuan; of a "
            "settlement it accepts another total than was sent."
        ),
    ] = "",
    filing: Annotated[
        str, typer.Option(help="For confirm: the trt_dcla_detl_sn that the platform shows.")
    ] = "",
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
        "mdtrt_id": mdtrt_id,
        "medfee_sumamt": total,
        "trt_dcla_detl_sn": filing,
    }
    address = f"{base_url(url, config)}/operator/unknown/{msgid}"
    left = ask("POST", address, token_of(token_file), body)["unknown"]
    if left is not None:
        say(f"{msgid} is still unknown")
        raise typer.Exit(Exit.UNKNOWN)
    say(f"{msgid} is resolved: {decision.value}")


def _pairs(detail: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in detail.items())


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
