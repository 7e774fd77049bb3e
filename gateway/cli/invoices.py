"""`gateway invoices`: what is kept of invoices of HL7 v2 (EHC), and what payers said about them."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, settings_of
from gateway.cli.exits import Exit
from gateway.cli.output import say, show_json, show_table, stop
from gateway.cli.reading import with_journal
from gateway.hl7v2.correspondence import MESSAGE, REQUEST, RESPONSE, Noted
from gateway.hl7v2.invoices import AUTHORIZATION, INVOICE, Kept, identity
from gateway.journal import Journal
from gateway.settings import Settings
from gateway.settlement.reconciling.remitted import KIND, Remittance, decode_remittance
from gateway.settlement.reconciling.report import ReportRow, Side
from gateway.settlement.reconciling.words import FINDINGS

invoices = typer.Typer(
    no_args_is_help=True, help="Invoices of HL7 v2, and what payers say about them."
)

MOST = 1_000
"""Messages that are read at once."""


class Found(msgspec.Struct, kw_only=True):
    """An invoice or authorization of a peer with what was said about it."""

    peer: str
    kept: Kept
    messages: list[Noted]


@invoices.command("show")
def show(
    number: Annotated[str, typer.Argument(help="Number of the invoice (IVC-1).")],
    *,
    peer: Annotated[str, typer.Option(help="Only of this peer.")] = "",
    segments: Annotated[bool, typer.Option(help="Also print the kept segments.")] = False,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show how an invoice or authorization stands, and every message about it.

    Ends with 1 when nothing is kept under this number. `--segments` and `--json` print what was
    sent (requests and their answers), which may hold patient data.
    """
    names = [it.name for it in settings_of(config).peers if it.name == peer or not peer]
    found = with_journal(config, None, lambda store: _found(store, names, number))
    if json:
        show_json(found)
    if not found:
        stop(Exit.PROBLEMS, f"nothing is kept under the number {number}")
    for one in [] if json else found:
        _show(one, segments=segments)


async def _found(store: Journal, peers: list[str], number: str) -> list[Found]:
    found = []
    for name in peers:
        for kind in (INVOICE, AUTHORIZATION):
            key = identity(name, number)
            resource = await store.resource(kind, key)
            if resource is not None:
                kept = msgspec.json.decode(resource.body, type=Kept)
                found.append(Found(peer=name, kept=kept, messages=await _noted(store, invoice=key)))
    return found


async def _noted(store: Journal, **search: str) -> list[Noted]:
    params = {name: [value] for name, value in search.items()}
    _, rows = await store.search_resources(MESSAGE, params, limit=MOST)
    noted = [msgspec.json.decode(row.body, type=Noted) for row in rows]
    return sorted(noted, key=lambda one: (one.received_at, one.control_id))


def _show(one: Found, *, segments: bool) -> None:
    kept = one.kept
    show_table(
        ("peer", "status", "amount", "paid", "setl_id", "msgid", "filing"),
        [
            (
                *(one.peer, kept.status, kept.amount, kept.paid, kept.setl_id, kept.msgid),
                kept.trt_dcla_detl_sn,
            )
        ],
    )
    if one.messages:
        _list(one.messages)
    for noted in one.messages if segments else []:
        say("")
        for line in noted.lines:
            say(line)


def _list(messages: list[Noted]) -> None:
    columns = ("received", "peer", "event", "control id", "invoice", "status", "paid", "due", "to")
    show_table(
        columns,
        [
            (
                *(it.received_at, it.peer, it.kind, it.control_id, it.number),
                *(it.status, it.paid, it.due, it.answers),
            )
            for it in messages
        ],
    )


@invoices.command("requests")
def requests(*, json: JSONOption = False, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """List the requests for information (EHC^E12) that no EHC^E13 has answered yet."""

    async def read(store: Journal) -> list[Noted]:
        answered = {(it.number, it.answers) for it in await _noted(store, kind=RESPONSE)}
        asked = await _noted(store, kind=REQUEST)
        return [it for it in asked if (it.number, it.control_id) not in answered]

    found = with_journal(config, None, read)
    if json:
        show_json(found)
    else:
        _list(found)


@invoices.command("remittances")
def remittances(
    number: Annotated[
        str, typer.Argument(help="Number of a payment (PMT-1); empty lists them.")
    ] = "",
    *,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the remittances (EHC^E15) that payers sent, or show the lines of one.

    Ends with 1 when a line of what is shown is not as our own settlements have it, and when there
    is no remittance of the number.
    """
    settings = settings_of(config)
    found = with_journal(config, None, lambda store: _remittances(store, settings))
    found = [it for it in found if number in ("", it.number)]
    if json:
        show_json(found)
    elif number:
        _show_lines([row for it in found for row in it.rows])
    else:
        _show_remittances(found)
    wrong = any(it.differences for it in found) or (number and not found)
    raise typer.Exit(int(Exit.PROBLEMS if wrong else Exit.OK))


async def _remittances(store: Journal, settings: Settings) -> list[Remittance]:
    found = []
    for institution in settings.institutions:
        rows = await store.books(KIND, prefix=f"{institution.fixmedins_code}/", limit=MOST)
        found += [decode_remittance(row) for row in rows]
    return found


def _show_remittances(found: list[Remittance]) -> None:
    columns = ("institution", "number", "payer", "from", "to", "total", "lines", "differences")
    show_table(
        columns,
        [
            (
                *(it.fixmedins_code, it.number, it.payer, it.begin, it.end, f"{it.total:f}"),
                *(str(len(it.rows)), str(len(it.differences))),
            )
            for it in found
        ],
    )


def _show_lines(rows: list[ReportRow]) -> None:
    columns = ("finding", "setl_id", "msgid", "ours", "theirs", "fields")
    show_table(
        columns,
        [
            (
                *(FINDINGS[row.finding][1], row.setl_id, row.msgid),
                *(_side(row.ours), _side(row.theirs), " ".join(row.fields)),
            )
            for row in rows
        ],
    )


def _side(side: Side) -> str:
    stated = (side.medfee_sumamt, side.fund_pay_sumamt)
    amounts = " / ".join("-" if amount is None else f"{amount:f}" for amount in stated)
    return side.state.value if stated == (None, None) else f"{side.state.value} {amounts}"
