"""What the gateway uses of a reply, typed: persons and settlements.

The output of a reply (`gateway.fsi.replies`) has the names of the definitions and exact numbers;
these structs say which of them matter, that amounts are `Decimal` in yuan, and that a missing one
is zero. Members that nobody asked for stay in the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from gateway.errors import UnknownOutcomeError

ZERO = Decimal(0)

FUND_PARTS = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
)
"""The parts of fund_pay_sumamt (rules section 7)."""


class Insurance(msgspec.Struct, frozen=True, kw_only=True):
    """One insurance of a person (insuinfo of 1101)."""

    insutype: str
    insuplc_admdvs: str = ""
    psn_type: str = ""
    psn_insu_stas: str = ""
    """0 not insured, 1 normal, 2 suspended, 3 invalid, 4 ended."""
    balc: Decimal = ZERO
    """Balance of the account, yuan."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is and how insured (1101)."""

    psn_no: str
    psn_name: str = ""
    psn_cert_type: str = ""
    certno: str = ""
    gend: str = ""
    brdy: str = ""
    insurances: tuple[Insurance, ...] = ()


class FundPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What one fund pays (setldetail)."""

    fund_pay_type: str = ""
    fund_pay_type_name: str = ""
    inscp_scp_amt: Decimal = ZERO
    crt_payb_lmt_amt: Decimal = ZERO
    """Limit before this settlement."""
    fund_payamt: Decimal = ZERO
    setl_proc_info: str = ""


class SettlementAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement, or its computation, in yuan (setlinfo)."""

    setl_id: str = ""
    """Empty for a computation."""
    mdtrt_id: str = ""
    psn_no: str = ""
    setl_time: str = ""
    medfee_sumamt: Decimal = ZERO
    fulamt_ownpay_amt: Decimal = ZERO
    overlmt_selfpay: Decimal = ZERO
    preselfpay_amt: Decimal = ZERO
    inscp_scp_amt: Decimal = ZERO
    hifp_pay: Decimal = ZERO
    cvlserv_pay: Decimal = ZERO
    hifes_pay: Decimal = ZERO
    hifmi_pay: Decimal = ZERO
    hifob_pay: Decimal = ZERO
    hifdm_pay: Decimal = ZERO
    maf_pay: Decimal = ZERO
    oth_pay: Decimal = ZERO
    fund_pay_sumamt: Decimal = ZERO
    """Sum of the eight before it."""
    psn_part_amt: Decimal = ZERO
    acct_pay: Decimal = ZERO
    acct_mulaid_pay: Decimal = ZERO
    """Part of `acct_pay` that a relative's account paid."""
    psn_cash_pay: Decimal = ZERO
    hosp_part_amt: Decimal = ZERO
    balc: Decimal = ZERO
    clr_optins: str = ""
    clr_way: str = ""
    clr_type: str = ""
    medins_setl_id: str = ""
    """Message id of the request."""
    funds: tuple[FundPayment, ...] = ()

    def broken_identities(self) -> Iterator[str]:
        """The identities that do not hold (rules, statements 7.1 and 7.3), as formulas.

        The funds, and the parts by kind, are held against their sum only where the reply has them.
        """
        if self.psn_part_amt != self.acct_pay + self.psn_cash_pay:
            yield "psn_part_amt = acct_pay + psn_cash_pay"
        whole = self.fund_pay_sumamt + self.psn_part_amt + self.hosp_part_amt
        if self.medfee_sumamt != whole:
            yield "medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt"
        parts = [getattr(self, code) for code in FUND_PARTS]
        if any(parts) and self.fund_pay_sumamt != sum(parts, ZERO):
            yield f"fund_pay_sumamt = {' + '.join(FUND_PARTS)}"
        if self.funds and self.fund_pay_sumamt != sum((f.fund_payamt for f in self.funds), ZERO):
            yield "fund_pay_sumamt = sum of fund_payamt"


_T = TypeVar("_T", bound=msgspec.Struct)


def person(output: Mapping[str, Any]) -> Person:
    """The person of a 1101.

    Raises:
        UnknownOutcomeError: the reply has no person, or a member is of another kind.
    """
    rows = tuple(_typed(row, Insurance) for row in _rows(output, "insuinfo"))
    return msgspec.structs.replace(_typed(_row(output, "baseinfo"), Person), insurances=rows)


def settlement(output: Mapping[str, Any]) -> SettlementAmounts:
    """The settlement of a 2207, 2304, 2208, 2305, 2102 or 2103, or what 2206 or 2303 computed.

    Raises:
        UnknownOutcomeError: the reply has no settlement, or a member is of another kind.
    """
    funds = tuple(_typed(row, FundPayment) for row in _rows(output, "setldetail"))
    found = _typed(_row(output, "setlinfo"), SettlementAmounts)
    return msgspec.structs.replace(found, funds=funds)


def _row(output: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    row = output.get(node)
    if not isinstance(row, Mapping) or not row:
        raise UnknownOutcomeError(f"the reply has no {node}")
    return row


def _rows(output: Mapping[str, Any], node: str) -> list[Any]:
    rows = output.get(node)
    return rows if isinstance(rows, list) else [rows] if isinstance(rows, Mapping) else []


def _typed(row: Any, kind: type[_T]) -> _T:
    given = {name: value for name, value in row.items() if value is not None and value != ""}
    try:
        found = msgspec.convert(given, kind)
    except (msgspec.ValidationError, AttributeError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "no object"
        raise UnknownOutcomeError(f"{kind.__name__}: {reason}") from error
    for name in kind.__struct_fields__:
        value = getattr(found, name)
        if isinstance(value, Decimal) and not value.is_finite():
            raise UnknownOutcomeError(f"{kind.__name__}: {name} is no number")
    return found
