"""The forms of a reconciliation report: nothing breaks out of them, no amount is rounded."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from lxml import etree

from gateway.settlement.reconciling.rendering import Form, render, to_csv, totals_table, unstated
from gateway.settlement.reconciling.report import (
    Asked,
    Finding,
    GroupReport,
    GroupState,
    Repair,
    Report,
    ReportRow,
    ReportState,
    Side,
    SideState,
    Totals,
    decode_report,
    encode_report,
)
from gateway.settlement.reconciling.words import FINDINGS, GROUPS, REPAIRS, REPORTS, SIDES

NASTY = '=cmd|"<script>alert(1)</script>",\n\u4e0d\u5e73'


def report(*rows: ReportRow, state: GroupState = GroupState.DIFFERENT) -> Report:
    """A day with one group."""
    totals = Totals(count=1, medfee_sumamt=Decimal("1234567890123.45"))
    group = GroupReport(
        clr_type="11",
        setl_optins="430100",
        refd_setl_flag="0",
        state=state,
        totals=totals,
        asked=[Asked(insutype="310", totals=totals, balanced=False, text=NASTY)],
        rows=list(rows),
    )
    day = date(2026, 3, 1)
    return Report(fixmedins_code="H43010000001", begin=day, end=day, groups=[group], finished=True)


def row(memo: str = "", finding: Finding = Finding.AMOUNTS_DIFFER) -> ReportRow:
    """A settlement of which the centre has a fen more."""
    return ReportRow(
        finding=finding,
        repair=Repair.READ_BACK,
        msgid="M1",
        setl_id="S1",
        ours=Side(state=SideState.SETTLED, medfee_sumamt=Decimal("1234567890123.45")),
        theirs=Side(state=SideState.SETTLED, medfee_sumamt=Decimal("1234567890123.46")),
        fields=("medfee_sumamt",),
        memo=memo,
    )


def held(total: str, fund: str, state: SideState = SideState.SETTLED) -> Side:
    """A settlement without personal account."""
    return Side(
        state=state,
        medfee_sumamt=Decimal(total),
        fund_pay_sumamt=Decimal(fund),
        acct_pay=Decimal("0.00"),
    )


def test_both_sides_are_summed_and_what_is_not_stated_is_said() -> None:
    """Ours are 240.00 and a refund of it; the centre has 239.99 of the first, no refund, and 5.00
    that we do not have. A settlement that its result does not mention is in no sum of it.
    """
    refund = held("-240.00", "-100.00", SideState.REFUND)
    one = msgspec.structs.replace(row(), ours=held("240.00", "100.00"), theirs=held("239.99", "99"))
    other = row(finding=Finding.ONLY_OURS)
    back = msgspec.structs.replace(other, ours=refund, theirs=Side(state=SideState.ABSENT))
    third = msgspec.structs.replace(other, ours=Side(state=SideState.ABSENT))
    alone = msgspec.structs.replace(third, theirs=held("5.00", "1.00"))
    silent = msgspec.structs.replace(third, finding=Finding.UNMENTIONED, theirs=third.ours)
    day = report(one, back, alone, silent)
    day.groups[0].totals = Totals(count=2)
    assert totals_table(day) == [
        ("医院 ours", "2", "0.00", "0.00", "0.00"),
        ("中心 theirs", "2", "244.99", "100.00", "0.00"),
        ("差额 ours less theirs", "0", "-244.99", "-100.00", "0.00"),
    ]
    assert unstated(day).startswith("另有1笔")
    page = render(day, Form.HTML).decode()
    assert "<td class='amount'>-244.99</td>" in page
    members = msgspec.json.decode(render(day, Form.JSON))
    assert (members["difference"]["medfee_sumamt"], members["unstated"]) == ("-244.99", 1)


def test_the_text_of_the_centre_cannot_become_markup() -> None:
    """Every text is escaped; the page is well-formed and has no script."""
    page = render(report(row(NASTY)), Form.HTML).decode()
    assert "<script>" not in page
    cells = [cell.text for cell in etree.fromstring(page, etree.HTMLParser()).iter("td")]
    assert NASTY in cells
    assert "1234567890123.46" in cells


def test_the_text_of_the_centre_cannot_become_a_formula() -> None:
    """A cell that a spreadsheet would compute is quoted; a negative amount is not."""
    lines = list(csv.DictReader(io.StringIO(to_csv([row(NASTY)]))))
    assert lines[0]["memo"] == f"'{NASTY}"
    refund = msgspec.structs.replace(
        row(), ours=Side(state=SideState.REFUND, medfee_sumamt=Decimal("-0.10"))
    )
    (line,) = csv.DictReader(io.StringIO(to_csv([refund])))
    assert line["our_medfee_sumamt"] == "-0.10"


def test_amounts_are_exact_texts_in_json() -> None:
    """Thirteen digits before the point do not pass through a float."""
    document = msgspec.json.decode(render(report(row()), Form.JSON))
    assert document["rows"][0]["theirs"]["medfee_sumamt"] == "1234567890123.46"
    assert document["totals"]["medfee_sumamt"] == "1234567890123.45"
    assert document["state"] == "different"


def test_a_report_is_stored_and_read_without_loss() -> None:
    """Amounts, states and rows."""
    whole = report(row(NASTY))
    assert decode_report(encode_report(whole)) == whole


@pytest.mark.parametrize(
    ("state", "finished", "rows", "expected"),
    [
        (GroupState.BALANCED, True, [], ReportState.BALANCED),
        (GroupState.BALANCED, False, [], ReportState.INCOMPLETE),
        (GroupState.REFUSED, True, [], ReportState.INCOMPLETE),
        (GroupState.DIFFERENT, True, [], ReportState.DIFFERENT),
        (GroupState.BALANCED, True, [row()], ReportState.DIFFERENT),
        (GroupState.DIFFERENT, True, [row(finding=Finding.BALANCED)], ReportState.DIFFERENT),
    ],
)
def test_the_state_of_a_report(
    state: GroupState, *, finished: bool, rows: list[ReportRow], expected: ReportState
) -> None:
    """Totals that differ are a difference even where every line agrees; no answer is none."""
    whole = report(*rows, state=state)
    whole.finished = finished
    assert whole.state is expected


def test_every_word_has_both_languages() -> None:
    """What a hospital reads is Chinese and English."""
    for words, values in (
        (FINDINGS, Finding),
        (REPAIRS, Repair),
        (SIDES, SideState),
        (REPORTS, ReportState),
        (GROUPS, GroupState),
    ):
        assert set(words) == set(values)
    texts = [
        text for finding, pair in REPAIRS.items() if finding is not Repair.NONE for text in pair
    ]
    assert all(texts)
    assert all(zh and en for zh, en in FINDINGS.values())
