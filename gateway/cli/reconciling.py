"""`gateway reconcile`: our settlements against the centre's books.

`run` asks the running gateway; `list`, `show` and `export` read its journal beside it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    InstitutionOption,
    JSONOption,
    day_of,
    institution_of,
    settings_of,
)
from gateway.cli.exits import Exit
from gateway.cli.operating import TokenOption, URLOption, ask, base_url, token_of
from gateway.cli.output import say, show_json, show_table, stop
from gateway.cli.reading import with_journal
from gateway.errors import StateError
from gateway.fhir.names import Names
from gateway.fhir.payment_reconciliation import payment_reconciliation
from gateway.fhir.release import R4
from gateway.hl7v2.acks import Identity
from gateway.hl7v2.remittances import Payee, invoice_numbers, receiver, remittance
from gateway.settlement.reconciling.rendering import (
    TOTALS_HEAD,
    Form,
    content,
    render,
    totals_table,
    unstated,
)
from gateway.settlement.reconciling.report import Report, ReportRow, ReportState, Side
from gateway.settlement.reconciling.stored import days_of, report_of
from gateway.settlement.reconciling.words import FINDINGS, REPAIRS, REPORTS

reconcile = typer.Typer(
    no_args_is_help=True, help="Settlements against the centre's books (3201, 3202)."
)

DAY_SECONDS = 300.0
"""How long the answer to one day is waited for."""

DayArgument = Annotated[str, typer.Argument(metavar="DAY", help="Day of settlement, 2026-03-01.")]

_EXITS = {
    ReportState.BALANCED.value: Exit.OK,
    ReportState.DIFFERENT.value: Exit.PROBLEMS,
    ReportState.INCOMPLETE.value: Exit.NOT_REACHED,
}


def _end(states: list[str]) -> NoReturn:
    """End with the worst of the states: not answered, then different."""
    codes = [_EXITS.get(state, Exit.NOT_REACHED) for state in states]  # or it is running
    worst = Exit.NOT_REACHED if Exit.NOT_REACHED in codes else max(codes, default=Exit.OK)
    raise typer.Exit(int(worst))


@reconcile.command("run")
def run(
    begin: Annotated[str, typer.Argument(metavar="BEGIN", help="First day of settlement.")],
    end: Annotated[str, typer.Argument(metavar="[END]", help="Last day; BEGIN if left out.")] = "",
    *,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have the running gateway reconcile a day, or each day of a span.

    Ends with 0 when every day balances, 1 when there are differences, 4 when a day got no answer.
    """
    first, last = day_of(begin), day_of(end or begin)
    if last < first:
        stop(Exit.UNREADABLE, f"{end} is before {begin}")
    asked = institution_of(settings_of(config), institution).fixmedins_code
    address, token = f"{base_url(url, config)}/operator/reconciliations", token_of(token_file)
    found = []
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number).isoformat()
        body = {"fixmedins_code": asked, "day": day}
        found.append(ask("POST", address, token, body, seconds=DAY_SECONDS)["reconciliation"])
    if json:
        show_json(found)
    else:
        _table([(one["day"], one["state"], one["count"], one["differences"]) for one in found])
    _end([one["state"] for one in found])


@reconcile.command("list")
def list_reports(
    *,
    begin: Annotated[str, typer.Option("--from", help="First day; all if left out.")] = "",
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the days that were reconciled; ends like `run`."""
    asked = institution_of(settings_of(config), institution).fixmedins_code
    first = day_of(begin) if begin else date.min
    days = with_journal(config, None, lambda store: days_of(store, asked, first))
    rows = [(one.day.isoformat(), one.state, one.count, one.differences) for one in days]
    if json:
        names = ("day", "state", "count", "differences")
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        _table(rows)
    _end([state for _, state, *_ in rows])


def _table(rows: list[tuple[str, str, int, int]]) -> None:
    show_table(
        ("day", "state", "settlements", "differences"),
        [(day, state, str(count), str(found)) for day, state, count, found in rows],
    )


@reconcile.command("show")
def show(
    day: DayArgument,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also what agrees.")] = False,
    institution: InstitutionOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show a day's differences, each with the proposed repair; ends like `run`.

    Behind the state of each side stand medfee_sumamt, fund_pay_sumamt and acct_pay.
    `--json` has every settlement, with person numbers.
    """
    report = _report(config, institution, day)
    if json:
        show_json(content(report))
        _end([report.state.value])
    say(f"{report.fixmedins_code} {day}: {' '.join(REPORTS[report.state])}; {report.made_at}")
    for group in report.groups:
        if group.note:
            key = f"{group.clr_type} {group.setl_optins} {group.refd_setl_flag}"
            say(f"{key}: {group.state.value}: {group.note}")
    show_table(("", *TOTALS_HEAD[1:]), totals_table(report))
    if more := unstated(report):
        say(more)
    sums = "total / fund / account"
    columns = ("finding", "msgid", "setl_id", f"ours: {sums}", f"theirs: {sums}")
    rows = report.rows if every else report.differences
    if rows:
        show_table((*columns, "fields", "repair"), [_line(row) for row in rows])
    _end([report.state.value])


def _line(row: ReportRow) -> tuple[str, ...]:
    sides = (_side(row.ours), _side(row.theirs))
    finding, repair = " ".join(FINDINGS[row.finding]), " ".join(REPAIRS[row.repair])
    fields = " ".join(row.fields) or "-"
    return finding, row.msgid or "-", row.setl_id or "-", *sides, fields, repair.strip()


def _side(side: Side) -> str:
    stated = (side.medfee_sumamt, side.fund_pay_sumamt, side.acct_pay)
    amounts = " / ".join("-" if amount is None else str(amount) for amount in stated)
    return side.state.value if stated == (None, None, None) else f"{side.state.value} {amounts}"


@reconcile.command("export")
def export(
    day: DayArgument,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    *,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="How it is written; fhir: PaymentReconciliation of R4, e15: EHC^E15 of HL7 v2.6.",
        ),
    ] = Form.HTML,
    institution: InstitutionOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a day's report to a file, settlement by settlement.

    It holds person numbers, but for PaymentReconciliation and EHC^E15, which name no person.
    EHC^E15 is written of a day that balances only.
    """
    report = _report(config, institution, day)
    try:
        written = _written(report, form, config)
        file.touch(mode=0o600)
        file.write_bytes(written)
    except OSError as error:
        stop(Exit.CONFIGURATION, f"{file}: {error.strerror}")
    say(f"{file}: {len(report.rows)} settlements, {len(report.differences)} differences")


def _written(report: Report, form: Form, config: Path) -> bytes:
    if form not in (Form.FHIR, Form.E15):
        return render(report, form)
    settings = settings_of(config)
    if form is Form.E15:
        payee = Payee(
            report.fixmedins_code, institution_of(settings, report.fixmedins_code).fixmedins_name
        )
        numbers = with_journal(config, None, lambda store: invoice_numbers(store, report))
        try:
            identity = Identity(settings.application, settings.facility)
            return remittance(report, payee, identity, receiver(), numbers)
        except StateError as error:
            stop(Exit.PROBLEMS, str(error))
    names = Names(settings.fhir.canonical_base)
    resource = payment_reconciliation(report, names, R4)
    encoded = msgspec.json.Encoder(decimal_format="number").encode(resource)
    return msgspec.json.format(encoded, indent=2)


def _report(config: Path, institution: str, day: str) -> Report:
    asked = institution_of(settings_of(config), institution).fixmedins_code
    wanted = day_of(day)
    report = with_journal(config, None, lambda store: report_of(store, asked, wanted))
    if report is None:
        stop(Exit.UNREADABLE, f"{day} was not reconciled yet: `gateway reconcile run {day}`")
    return report
