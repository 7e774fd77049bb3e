"""`gateway clearing`: the monthly clearing of patients insured elsewhere (3260, 3261, 3262).

Steps are taken by the running gateway; `show` and `report` read its journal beside it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    InstitutionOption,
    JSONOption,
    institution_of,
    settings_of,
)
from gateway.cli.exits import Exit
from gateway.cli.operating import (
    OperatorOption,
    TokenOption,
    URLOption,
    steps_of,
)
from gateway.cli.output import say, show_json, show_table, stop
from gateway.cli.reading import with_journal
from gateway.journal import Journal
from gateway.settlement.clearing.following import follow
from gateway.settlement.clearing.month import (
    KIND,
    ClearingMonth,
    MonthState,
    book_key,
    decode_month,
)
from gateway.settlement.clearing.reporting import COLUMNS, by_pool, content, table, to_csv, total

clearing = typer.Typer(
    no_args_is_help=True,
    help="Monthly clearing of patients insured elsewhere (3260, 3261, 3262).",
)

STEP_SECONDS = 1_800.0
"""How long the answer to a step of many portions is waited for."""
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")

MonthArgument = Annotated[str, typer.Argument(metavar="MONTH", help="Month such as 2026-03.")]


class Word(StrEnum):
    """What the centre says of a transaction without known outcome."""

    HAPPENED = "happened"
    NOTHING = "nothing"


def _month(text: str) -> tuple[str, str]:
    found = _MONTH.fullmatch(text)
    if found is None:
        stop(Exit.UNREADABLE, f"{text!r} is no month of the form 2026-03")
    return found[1], found[2]


_step = steps_of("clearing", STEP_SECONDS)


def _shown(found: Any, *, json: bool) -> NoReturn:
    """Say where the month stands, and end by it."""
    if json:
        show_json(found)
    else:
        whole = found["total"]
        say(f"{found['fixmedins_code']} {found['month']}: {found['state']}")
        say(
            f"listed {whole['listed']} ({whole['listed_pay']}), agreeing {whole['agreeing']}, "
            f"confirmed {whole['confirmed']} ({whole['confirmed_pay']}), "
            f"left out {whole['left_out']}, missing {whole['missing']}"
        )
        if found["note"]:
            say(found["note"])
    _end(found)


def _end(found: Any) -> NoReturn:
    whole = found["total"]
    if found["state"] == MonthState.UNKNOWN:
        raise typer.Exit(int(Exit.UNKNOWN))
    if found["state"] == MonthState.FETCHING:
        raise typer.Exit(int(Exit.NOT_REACHED))
    agrees = whole["agreeing"] == whole["listed"] and not whole["missing"]
    refused = bool(found["note"])
    raise typer.Exit(int(Exit.OK if agrees and not refused else Exit.PROBLEMS))


@clearing.command("fetch")
def fetch(
    month: MonthArgument,
    *,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Extract a month (3260), page by page, and compare it with our own settlements.

    Ends with 0 when every line is ours to the fen and none is missing, 1 when not, 4 when a page
    got no answer: the next call goes on behind it.
    """
    year, number = _month(month)
    found = _step("fetch", config, institution, url, token_file, year=year, month=number)
    _shown(found, json=json)


@clearing.command("show")
def show(
    month: MonthArgument,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also the lines that agree.")] = False,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show a month line by line, without persons; ends like `fetch`, and with 5 when unknown."""
    found = _stored(config, institution, month)
    if json:
        show_json(found)
        _end(found)
    columns = (
        *("setl_sn", "finding", "medfee_sumamt", "our_medfee", "optins_pay_sumamt", "our_pay"),
        *("cnfm_flag", "msgid"),
    )
    lines = [line for line in found["lines"] if every or line["finding"] != "agrees"]
    if lines:
        show_table(columns, [[line[name] or "-" for name in columns] for line in lines])
    for missing in found["missing"]:
        say(
            f"not listed: {missing['setl_id']} of {missing['setl_time']}, pool {missing['pool']}, "
            f"{missing['medfee_sumamt']} / {missing['pay_sumamt']}, msgid {missing['msgid']}"
        )
    for one in found["confirmations"]:
        back = f", rolled back: {one['roll_back']}" if one["roll_back"] else ""
        say(f"confirmation {one['msgid']}: {one['lines']} lines, {one['state']}{back}")
    _shown(found, json=False)


@clearing.command("confirm")
def confirm(
    month: MonthArgument,
    *,
    operator: OperatorOption,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="SETL_SN", help="Confirm this line although it does not agree."),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SETL_SN", help="Leave this line out of the clearing (cnfm_flag 0)."),
    ] = None,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Confirm a month (3261), 100 lines at a time; money is paid by it.

    Lines that agree are confirmed; every other one needs `--accept` or `--leave-out`. Ends with 5
    when a confirmation has no known outcome: it is not repeated (`roll-back --all`, `decide`).
    """
    year, number = _month(month)
    more = {"accept": accept or [], "leave_out": leave_out or [], "operator": operator}
    found = _step("confirm", config, institution, url, token_file, year=year, month=number, **more)
    if found["state"] == MonthState.CONFIRMED and not json:
        say(f"{found['fixmedins_code']} {month}: confirmed, {found['total']['confirmed_pay']} yuan")
        raise typer.Exit
    _shown(found, json=json)


@clearing.command("roll-back")
def roll_back(
    month: MonthArgument,
    *,
    operator: OperatorOption,
    msgid: Annotated[str, typer.Option(help="The confirmation to take back.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Take every confirmation of the month back.")
    ] = False,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take a confirmation back (3262), or all of the month.

    `--all` is also what ends a confirmation without known outcome: the centre then holds none.
    """
    if bool(msgid) == every:
        stop(Exit.UNREADABLE, "say --msgid or --all, one of them")
    year, number = _month(month)
    more = {"msgid": msgid, "operator": operator}
    found = _step(
        "roll-back", config, institution, url, token_file, year=year, month=number, **more
    )
    _shown(found, json=json)


@clearing.command("decide")
def decide(
    msgid: Annotated[str, typer.Argument(help="Message id without known outcome.")],
    word: Annotated[Word, typer.Argument(help="What the centre says of it.")],
    *,
    note: Annotated[str, typer.Option(help="Who said it, when; goes into the audit.")],
    operator: OperatorOption,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a confirmation or roll back without known outcome by the centre's own word."""
    more = {"msgid": msgid, "happened": word is Word.HAPPENED, "operator": operator, "note": note}
    _shown(_step("decide", config, institution, url, token_file, **more), json=json)


@clearing.command("report")
def report(
    month: MonthArgument,
    *,
    file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV file.")
    ] = None,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Count and sum a month by pooling region; the last line is the sum of all."""
    asked = institution_of(settings_of(config), institution).fixmedins_code
    held = _month_of(config, asked, month)
    pools = by_pool(held)
    if json:
        show_json({"pools": pools, "total": total(pools)})
    elif file is not None:
        try:
            file.write_bytes(b"\xef\xbb\xbf" + to_csv(held).encode())
        except OSError as error:
            stop(Exit.CONFIGURATION, f"{file}: {error.strerror}")
        say(f"{file}: {len(pools)} pooling regions")
    else:
        show_table(COLUMNS, table(pools))


def _stored(config: Path, institution: str, month: str) -> Any:
    asked = institution_of(settings_of(config), institution).fixmedins_code
    return content(_month_of(config, asked, month))


def _month_of(config: Path, fixmedins_code: str, month: str) -> ClearingMonth:
    """The month as the journal has it at this moment, not as the last step left it."""
    key = book_key(fixmedins_code, *_month(month))

    async def read(store: Journal) -> ClearingMonth | None:
        row = await store.book(KIND, key)
        if row is None:
            return None
        held = decode_month(row)
        await follow(store, held, repair=False)
        return held

    held = with_journal(config, None, read)
    if held is None:
        stop(Exit.UNREADABLE, f"{month} was not fetched yet: `gateway clearing fetch {month}`")
    return held
