"""The detail file of 3202, its result, and what the two say about each settlement."""

from __future__ import annotations

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.detail import (
    Comparison,
    DetailLine,
    Difference,
    Group,
    ResultLine,
    compare,
    read_result,
    statement,
    write_detail,
)
from gateway.fsi.files.textfile import LineEnd
from gateway.fsi.profiles import load_profile

DEFINITIONS = Definitions.load("HN")
PERSON = "43010000000000000001"


def ours(number: int, **changes: Any) -> DetailLine:
    """A settlement of 12.50 as we know it."""
    values: dict[str, Any] = {
        "msgid": f"M{number}",
        "setl_id": f"S{number}",
        "mdtrt_id": f"V{number}",
        "psn_no": PERSON,
        "medfee_sumamt": Decimal("12.50"),
        "fund_pay_sumamt": Decimal("10.00"),
        "acct_pay": Decimal("2.00"),
        "cash_payamt": Decimal("0.50"),
    }
    return DetailLine(**{**values, **changes})


def theirs(number: int, **changes: Any) -> ResultLine:
    """The same settlement as the centre answers it, in balance."""
    values: dict[str, Any] = {
        "line": number,
        "msgid": f"M{number}",
        "setl_id": f"S{number}",
        "mdtrt_id": f"V{number}",
        "psn_no": PERSON,
        "stmt_rslt": "0",
        "refd_setl_flag": "0",
        "memo": "",
        "medfee_sumamt": Decimal("12.50"),
        "fund_pay_sumamt": Decimal("10.00"),
        "acct_pay": Decimal("2.00"),
    }
    return ResultLine(**{**values, **changes})


# The file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line_end", "end"), [(LineEnd.LF, "\n"), (LineEnd.TAB_CRLF, "\t\r\n")])
def test_the_detail_file_has_the_columns_of_the_table(
    tmp_path: Path, line_end: LineEnd, end: str
) -> None:
    """Seven columns in their order; fen are written out, a refund is negative with flag 1."""
    path = tmp_path / "detail.zip"
    refund = ours(
        2,
        medfee_sumamt=Decimal("-12.5"),
        fund_pay_sumamt=Decimal(-10),
        acct_pay=Decimal("-2.00"),
        refd_setl_flag="1",
    )
    assert write_detail(path, [ours(1), refund], DEFINITIONS, line_end=line_end) == 2
    with zipfile.ZipFile(path) as archive:
        text = archive.read("detail.txt").decode()
    first = f"S1\tV1\t{PERSON}\t12.50\t10.00\t2.00\t0"
    second = f"S2\tV2\t{PERSON}\t-12.50\t-10.00\t-2.00\t1"
    assert text == (f"{first}{end}{second}" + ("" if end == "\n" else end))


@pytest.mark.parametrize("amount", ["0.001", "NaN", "Infinity"])
def test_an_amount_that_is_none_is_not_rounded(tmp_path: Path, amount: str) -> None:
    """Tenths of a fen are an error of ours."""
    with pytest.raises(FileError, match="yuan and fen"):
        write_detail(tmp_path / "a.zip", [ours(1, acct_pay=Decimal(amount))], DEFINITIONS)
    assert list(tmp_path.iterdir()) == []


def result_file(path: Path, *lines: str) -> Path:
    """A result file of these lines."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("r.txt", "\r\n".join(lines))
    return path


def test_a_result_file_is_read_by_position(tmp_path: Path) -> None:
    """The word null is empty, an amount that is left out is None, an eleventh column does no harm."""
    path = result_file(
        tmp_path / "r.zip",
        f"{PERSON}\tV1\tS1\tM1\t0\t0\tnull\t12.50\t10.00\t2.00",
        f"{PERSON}\tnull\tnull\tM2\t1\t0\t中心多条\tnull\tnull\tnull\tnew",
    )
    first, second = read_result(path, DEFINITIONS)
    assert first == theirs(1)
    assert (second.setl_id, second.mdtrt_id, second.memo) == ("", "", "中心多条")
    assert (second.medfee_sumamt, second.acct_pay) == (None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{PERSON}\tV1\tS1\tM1\t0\t0\tnull\t12.50\t10.00", "line 2: 9 columns instead of 10"),
        (f"{PERSON}\tV1\tS1\tM1\t0\t0\tx\t1,5\t0\t0", "line 2: an amount is no number"),
        (f"{PERSON}\tV1\tS1\tM1\t0\t0\tx\tNaN\t0\t0", "line 2: an amount is no number"),
    ],
)
def test_a_result_that_cannot_be_read_names_the_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    """Nothing of it is believed."""
    good = f"{PERSON}\tV1\tS1\tM1\t0\t0\tnull\t12.50\t10.00\t2.00"
    with pytest.raises(FileError, match=reason):
        read_result(result_file(tmp_path / "r.zip", good, line), DEFINITIONS)


def test_the_call_states_the_sums_of_its_lines() -> None:
    """Two lines of 12.50; the input passes the check of its transaction."""
    group = Group(
        setl_optins="430100", clr_type="11", begin=date(2026, 3, 1), end=date(2026, 3, 31)
    )
    content = statement(group, [ours(1), ours(2)], "F430100")
    assert content["data"] == {
        "setl_optins": "430100",
        "file_qury_no": "F430100",
        "stmt_begndate": "2026-03-01",
        "stmt_enddate": "2026-03-31",
        "medfee_sumamt": Decimal("25.00"),
        "fund_pay_sumamt": Decimal("20.00"),
        "cash_payamt": Decimal("1.00"),
        "fixmedins_setl_cnt": 2,
        "clr_type": "11",
        "refd_setl_flag": "0",
        "fixmedins_refd_setl_flag": "0",
    }
    assert Checker(DEFINITIONS, load_profile("hunan")).check("3202", content) == []


# The comparison ---------------------------------------------------------------------------------


def test_lines_that_agree_are_balanced() -> None:
    """By message id, in whatever order."""
    found = compare([ours(1), ours(2)], [theirs(2), theirs(1)])
    assert found == Comparison(agreed=("M2", "M1"))
    assert found.balanced


def test_a_fen_is_a_difference_whatever_the_centre_calls_it() -> None:
    """Also on a line that it calls balanced."""
    found = compare([ours(1)], [theirs(1, acct_pay=Decimal("2.01"))])
    assert found.differences == (
        Difference(msgid="M1", field="acct_pay", ours="2.00", theirs="2.01"),
    )
    assert (found.agreed, found.balanced) == ((), False)


def test_an_amount_that_the_centre_leaves_out_is_no_difference() -> None:
    """The result need not state amounts."""
    silent = theirs(1, medfee_sumamt=None, fund_pay_sumamt=None, acct_pay=None)
    assert compare([ours(1)], [silent]).agreed == ("M1",)


def test_an_amount_with_other_zeros_is_the_same() -> None:
    """12.5 is 12.50."""
    assert compare([ours(1)], [theirs(1, medfee_sumamt=Decimal("12.5"))]).balanced


def test_an_unbalanced_line_without_a_difference_is_disputed() -> None:
    """The memo says what the centre means."""
    line = theirs(1, stmt_rslt="1", memo="中心状态不一致")
    assert compare([ours(1)], [line]).disputed == (line,)


def test_money_that_moved_only_there_is_found_with_its_message_id() -> None:
    """What a 2601 needs."""
    lost = theirs(9, stmt_rslt="1", memo="机构无此结算")
    found = compare([ours(1)], [theirs(1), lost])
    assert ([line.msgid for line in found.only_theirs], found.agreed) == (["M9"], ("M1",))


def test_a_settlement_that_the_centre_has_not_is_ours_only() -> None:
    """Its line comes back without a message id, and is known by settlement and flag."""
    unknown = theirs(2, msgid="", stmt_rslt="1", memo="中心无此结算")
    found = compare([ours(1), ours(2)], [theirs(1), unknown])
    assert (found.only_ours, found.unmentioned) == ((ours(2),), ())


def test_forward_and_reverse_of_a_refund_are_two_lines() -> None:
    """The same settlement, two message ids and flags."""
    back: dict[str, Any] = {
        "setl_id": "S1",
        "refd_setl_flag": "1",
        "medfee_sumamt": Decimal("-12.50"),
    }
    found = compare([ours(1), ours(2, **back)], [theirs(1), theirs(2, **back)])
    assert found == Comparison(agreed=("M1", "M2"))


def test_a_line_that_is_not_mentioned_is_open() -> None:
    """Silence is not agreement."""
    found = compare([ours(1), ours(2)], [theirs(1)])
    assert (found.unmentioned, found.balanced) == ((ours(2),), False)


def test_a_line_that_names_nothing_or_the_same_again_is_unclear() -> None:
    """Several central rows match: neither id is given."""
    nameless = theirs(5, msgid="", setl_id="", mdtrt_id="", stmt_rslt="1")
    again = theirs(1, line=3)
    found = compare([ours(1)], [theirs(1), nameless, again])
    assert (found.unclear, found.agreed) == ((nameless, again), ("M1",))


def test_nothing_against_nothing_is_balanced() -> None:
    """An empty group."""
    assert compare([], []).balanced
