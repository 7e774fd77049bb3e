"""3202 over real sockets: lines up, compared by the centre's own books, result down."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.platform.server import Platform
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.detail import (
    Comparison,
    DetailLine,
    Difference,
    Group,
    Reconciled,
    reconcile,
)
from gateway.fsi.files.textfile import LineEnd
from gateway.fsi.files.transfer import UploadForm
from gateway.intents import Rejected, Unknown

MARCH = Group(setl_optins="430100", clr_type="11", begin=date(2026, 3, 1), end=date(2026, 3, 31))
PERSON = "43010000000000000001"
ZERO = "0.00"


def settled(platform: Platform, number: int, **changes: Any) -> DetailLine:
    """A settlement of 12.50 in the centre's books; the line of the hospital that made it."""
    store = platform.centres["430100"]._tables.store
    key = {"mdtrt_id": f"V{number}", "psn_no": PERSON, "region": "430100", "pool": "430100"}
    common = {**key, "insutype": "310", "insuplc_admdvs": "430100", "med_type": "11"}
    common |= {"setting": "outpatient", "msgid": f"H430100000012026030110000{number:05d}"}
    visit = {"fixmedins_code": "H43010000001", "ipt_otp_no": "1", "begntime": "", "endtime": ""}
    state = {"state": "open", "reported": 1, "detail": "{}"}
    store.insert("visits", {**common, **visit, **state})
    amounts = {"medfee_sumamt": "12.50", "fund_pay_sumamt": "10.00", "acct_pay": "2.00"}
    rest = dict.fromkeys(
        ("chrg_bchno", "origin", "mdtrt_cert_type", "invono", "amounts", "shares", "lines"), ""
    )
    row = {
        **common,
        **rest,
        **amounts,
        "setl_id": f"S{number}",
        "fund_region": "430100",
        "year": "2026",
        "state": "settled",
        "infno": "2207",
        "mid_setl_flag": "0",
        "setl_time": "2026-03-01 10:00:00",
        "clr_type": "11",
        "clr_optins": "430100",
        "pay_loc": "2",
        "hifp_pay": "10.00",
        "act_pay_dedc": ZERO,
    }
    store.insert("settlements", {**row, **changes})
    return DetailLine(
        msgid=common["msgid"],
        setl_id=f"S{number}",
        mdtrt_id=f"V{number}",
        psn_no=PERSON,
        medfee_sumamt=Decimal("12.50"),
        fund_pay_sumamt=Decimal("10.00"),
        acct_pay=Decimal("2.00"),
        cash_payamt=Decimal("0.50"),
    )


@pytest.mark.parametrize(
    "forms", [(UploadForm.BASE64, LineEnd.LF), (UploadForm.SIGNED_BYTES, LineEnd.TAB_CRLF)]
)
async def test_a_group_in_balance(
    hospital: Any,
    tmp_path: Path,
    definitions: Definitions,
    patience: Any,
    forms: tuple[UploadForm, LineEnd],
) -> None:
    """Every form of the file, and an interruption of the result."""
    lines = [settled(hospital.platform, number) for number in (1, 2)]
    hospital.fault("interrupted")
    done = await reconcile(
        hospital,
        MARCH,
        lines,
        tmp_path,
        definitions,
        form=forms[0],
        line_end=forms[1],
        patience=patience,
    )
    assert isinstance(done, Reconciled)
    assert done.comparison == Comparison(agreed=tuple(line.msgid for line in lines))
    assert done.comparison.balanced
    assert (done.detail.name, done.result.name) == (
        "3202_430100_11_0_20260301_20260331.zip",
        "3202_430100_11_0_20260301_20260331_result.zip",
    )


async def test_what_only_one_side_knows_is_found(
    hospital: Any, platform: Platform, tmp_path: Path, definitions: Definitions
) -> None:
    """One agrees, one differs by a fen, one was lost here, one is unknown there."""
    good, wrong, lost = (settled(platform, n) for n in (1, 2, 3))
    wrong = DetailLine(
        **{
            **{name: getattr(wrong, name) for name in DetailLine.__struct_fields__},
            "acct_pay": Decimal("2.01"),
        }
    )
    unknown = DetailLine(
        **{
            **{name: getattr(good, name) for name in DetailLine.__struct_fields__},
            "msgid": "H43010000001202603011000009999",
            "setl_id": "S9",
        }
    )
    done = await reconcile(hospital, MARCH, [good, wrong, unknown], tmp_path, definitions)
    assert isinstance(done, Reconciled)
    found = done.comparison
    assert found.agreed == (good.msgid,)
    assert found.differences == (
        Difference(msgid=wrong.msgid, field="acct_pay", ours="2.01", theirs="2.00"),
    )
    assert [line.msgid for line in found.only_theirs] == [lost.msgid]
    assert found.only_ours == (unknown,)
    assert (found.unmentioned, found.unclear, found.disputed) == ((), (), ())


async def test_a_refusal_of_any_step_is_told(
    hospital: Any, platform: Platform, tmp_path: Path, definitions: Definitions, patience: Any
) -> None:
    """The upload, the comparison, the download; silence is unknown and may be repeated."""
    lines = [settled(platform, 1)]
    for infno in ("9101", "3202", "9102"):
        hospital.fault("refuse", infno)
        refused = await reconcile(hospital, MARCH, lines, tmp_path, definitions)
        assert isinstance(refused, Rejected)
    hospital.fault("drop-after", "3202")
    assert isinstance(await reconcile(hospital, MARCH, lines, tmp_path, definitions), Unknown)
    hospital.fault("corrupt", count=3)
    failed = await reconcile(hospital, MARCH, lines, tmp_path, definitions, patience=patience)
    assert isinstance(failed, Unknown)
    done = await reconcile(hospital, MARCH, lines, tmp_path, definitions)
    assert isinstance(done, Reconciled)
