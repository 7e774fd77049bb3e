"""What the model platform keeps, and how it is written in replies; amounts are integer fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


class Refusal(Exception):  # noqa: N818 - the word of the field
    """The platform says no; the text is the err_msg."""


def fen(value: Any) -> int:
    """An amount in yuan as fen; refuses a fraction of a fen."""
    scaled = Decimal(str(value)) * 100
    if scaled != int(scaled):
        raise Refusal("金额超过两位小数")
    return int(scaled)


def yuan(amount: int) -> Decimal:
    """Fen as yuan with two decimals."""
    return (Decimal(amount) / 100).quantize(Decimal("0.01"))


@dataclass
class Line:
    """An uploaded charge line: `amount` in fen, `setl_id` once it is settled."""

    number: str
    item: str
    batch: str
    amount: int
    setl_id: str = ""

    @property
    def first(self) -> int:
        """What the patient pays before anything else, fen."""
        return self.amount // 10


@dataclass
class Stay:
    """A registration or an admission."""

    mdtrt_id: str
    setting: str
    psn_no: str
    number: str
    msgid: str
    state: str = "open"
    settled: bool = False
    """The last settlement of a stay stands."""
    lines: list[Line] = field(default_factory=list)


@dataclass
class Settled:
    """A settlement, or (`origin`) the cancellation of one; amounts in fen."""

    setl_id: str
    msgid: str
    mdtrt_id: str
    lines: tuple[str, ...]
    total: int
    fund: int
    account: int
    state: str = "settled"
    origin: str = ""
    reversed_by: str = ""
    """Message id of the 2601 that took it back."""
    last: bool = False
    """The settlement of a stay that ends it."""


def rows_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of every node of an input."""
    nodes = [node if isinstance(node, list) else [node] for node in data.values()]
    return [row for node in nodes for row in node]


def person_of(data: dict[str, Any]) -> str:
    """The first person that an input names, empty when it names none."""
    return next((str(row["psn_no"]) for row in rows_of(data) if "psn_no" in row), "")


def reply(*, infcode: int, err_msg: str, output: Any, msgid: str) -> dict[str, Any]:
    """The envelope of a reply."""
    return {"infcode": infcode, "inf_refmsgid": f"R{msgid}", "err_msg": err_msg, "output": output}


def line_result(line: Line) -> dict[str, Any]:
    """A row of the reply to 2204 or 2301."""
    return {
        "feedetl_sn": line.number,
        "det_item_fee_sumamt": yuan(line.amount),
        "cnt": 1,
        "pric": yuan(line.amount),
        "pric_uplmt_amt": 0,
        "fulamt_ownpay_amt": yuan(0),
        "overlmt_amt": yuan(0),
        "preselfpay_amt": yuan(line.first),
        "inscp_scp_amt": yuan(line.amount - line.first),
        "chrgitm_lv": "02",
        "med_chrgitm_type": "09",
        "lmt_used_flag": "0",
    }


def settlement_result(made: Settled, lines: list[Line]) -> dict[str, Any]:
    """The reply to a settlement, a pre-settlement, a cancellation or 5203."""
    own = made.total - made.fund
    first = sum(line.first for line in lines)
    info = {
        "mdtrt_id": made.mdtrt_id,
        "setl_id": made.setl_id,
        "setl_time": "2026-03-02 09:00:00",
        "medins_setl_id": made.msgid,
        "medfee_sumamt": yuan(made.total),
        "fulamt_ownpay_amt": yuan(0),
        "overlmt_selfpay": yuan(0),
        "preselfpay_amt": yuan(first),
        "inscp_scp_amt": yuan(made.total - first),
        "hifp_pay": yuan(made.fund),
        "fund_pay_sumamt": yuan(made.fund),
        "psn_part_amt": yuan(own),
        "hosp_part_amt": yuan(0),
        "acct_pay": yuan(made.account),
        "psn_cash_pay": yuan(own - made.account),
    }
    return {"setlinfo": info, "setldetail": []}
