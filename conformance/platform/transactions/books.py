"""The books of settlements: computing one, recording it, and taking it back.

A settlement stands once, and in the ledger of two centres: the treatment place, which pays the
institution, and the insured place, whose fund and account pay. For a local person the two are the
same centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from conformance.platform.benefits import Benefit, Parts, Used, negate, settle
from conformance.platform.call import OUTPATIENT, PHARMACY, STAMP, Call, Refusal, age_on
from conformance.platform.places import PAY_LOC
from conformance.platform.store import Row
from gateway.errors import ConfigurationError

EMPLOYEES = "310"
"""`insutype` of the scheme with a personal account."""

TERMS = {PHARMACY: OUTPATIENT}
"""Settings whose benefits are those of another one."""

BY_ITEM = "1"
"""`clr_way`: cleared item by item."""


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A computed settlement and what it is of."""

    visit: Row
    person: Row
    insurance: Row
    parts: Parts
    lines: tuple[str, ...]
    benefit: Benefit
    middle: str
    mdtrt_cert_type: str
    invono: str


def quote(
    call: Call,
    visit: Row,
    parts: Parts,
    lines: tuple[str, ...],
    data: Mapping[str, Any],
    *,
    use_account: bool,
    middle: str,
) -> Quote:
    """Compute the settlement of the lines by the insured place's policy.

    Raises:
        Refusal: the person is no longer insured, or the insured place has no such policy.
    """
    person = call.person(visit["psn_no"])
    insurance = call.insurance(visit["psn_no"], visit["insutype"])
    policies, insutype = call.tables.policies, visit["insutype"]
    pool = call.pool if policies.covers(call.pool, insutype) else call.home
    age = age_on(person["brdy"], call.now.date())
    try:
        terms = policies.terms(pool, insutype, _terms_of(visit), call.level, age=age)
    except ConfigurationError:
        raise Refusal("参保地未设置该险种的待遇政策") from None
    benefit = settle(
        parts,
        terms,
        _used(call, visit),
        balance=Decimal(insurance["balc"]),
        use_account=use_account and insutype == EMPLOYEES,
    )
    return Quote(
        visit=visit,
        person=person,
        insurance=insurance,
        parts=parts,
        lines=lines,
        benefit=benefit,
        middle=middle,
        mdtrt_cert_type=data.get("mdtrt_cert_type") or "",
        invono=data.get("invono") or "",
    )


def _terms_of(row: Row) -> str:
    setting: str = row["setting"]
    return TERMS.get(setting, setting)


def _used(call: Call, visit: Row) -> Used:
    """What the year's settlements of the person in the insured pool used up."""
    rows = call.store.all(
        "SELECT setting, act_pay_dedc, hifp_pay FROM settlements "
        "WHERE psn_no = ? AND year = ? AND insutype = ? AND pool = ? AND state = 'settled'",
        visit["psn_no"],
        str(call.now.year),
        visit["insutype"],
        visit["pool"],
    )
    return Used(
        deductible=sum(
            (Decimal(row["act_pay_dedc"]) for row in rows if _terms_of(row) == _terms_of(visit)),
            Decimal("0.00"),
        ),
        basic=sum((Decimal(row["hifp_pay"]) for row in rows), Decimal("0.00")),
    )


def _clearing(call: Call, visit: Row) -> dict[str, str]:
    return {
        "clr_optins": call.clr_optins,
        "clr_way": BY_ITEM,
        "clr_type": call.region.clr_type(visit["setting"], call.distance),
        "pay_loc": PAY_LOC[call.distance],
    }


def setlinfo(call: Call, made: Quote, setl_id: str) -> dict[str, Any]:
    """The node of a reply; `pay_loc` is given beside the defined fields."""
    clearing = _clearing(call, made.visit)
    values = {
        **dict(made.insurance),
        **dict(made.person),
        **made.benefit.amounts,
        **clearing,
        "mdtrt_id": made.visit["mdtrt_id"],
        "setl_id": setl_id,
        "age": age_on(made.person["brdy"], call.now.date()),
        "setl_time": call.time,
        "mdtrt_cert_type": made.mdtrt_cert_type,
        "med_type": made.visit["med_type"],
        "medins_setl_id": call.msgid,
    }
    return {**call.shape("setlinfo", values), "pay_loc": clearing["pay_loc"]}


def record(call: Call, made: Quote, *, batch: str) -> str:
    """Write the settlement, mark its lines, charge the account; the new `setl_id`."""
    setl_id, amounts = _new_id(call), made.benefit.amounts
    visit = made.visit
    call.store.insert(
        "settlements",
        {
            "setl_id": setl_id,
            "mdtrt_id": visit["mdtrt_id"],
            "psn_no": visit["psn_no"],
            "region": call.region.code,
            "fund_region": call.home,
            "pool": visit["pool"],
            "insutype": visit["insutype"],
            "insuplc_admdvs": visit["insuplc_admdvs"],
            "setting": visit["setting"],
            "year": str(call.now.year),
            "state": "settled",
            "infno": call.infno,
            "msgid": call.msgid,
            "chrg_bchno": batch,
            "origin": "",
            "mid_setl_flag": made.middle,
            "setl_time": call.time,
            "med_type": visit["med_type"],
            "mdtrt_cert_type": made.mdtrt_cert_type,
            **{k: v for k, v in _clearing(call, visit).items() if k != "clr_way"},
            "invono": made.invono,
            **_columns(amounts),
            "shares": msgspec.json.encode(made.benefit.shares).decode(),
            "lines": msgspec.json.encode(made.lines).decode(),
        },
    )
    _enter(call, setl_id, call.home, amounts)
    _mark_lines(call, visit["mdtrt_id"], made.lines, setl_id)
    _move_account(call, visit, -amounts["acct_pay"])
    return setl_id


def record_refund(call: Call, settlement: Row) -> dict[str, Any]:
    """Write the cancellation of a settlement; the values of its `setlinfo`."""
    amounts = negate(amounts_of(settlement))
    balance = _move_account(call, settlement, -amounts["acct_pay"])
    amounts["balc"] = balance
    setl_id = _new_id(call)
    row = {
        **dict(settlement),
        "setl_id": setl_id,
        "state": "refund",
        "infno": call.infno,
        "msgid": call.msgid,
        "origin": settlement["setl_id"],
        "setl_time": call.time,
        **_columns(amounts),
    }
    call.store.insert("settlements", row)
    call.store.run(
        "UPDATE settlements SET state = 'refunded' WHERE setl_id = ?", settlement["setl_id"]
    )
    _enter(call, setl_id, settlement["fund_region"], amounts)
    _mark_lines(call, settlement["mdtrt_id"], lines_of(settlement), "")
    person = call.person(settlement["psn_no"])
    return {
        **dict(person),
        **row,
        **amounts,
        "age": age_on(person["brdy"], call.now.date()),
        "clr_way": BY_ITEM,
        "medins_setl_id": call.msgid,
    }


def reverse(call: Call, settlement: Row) -> None:
    """Take a settlement back as if it had never been (2601)."""
    _move_account(call, settlement, Decimal(settlement["acct_pay"]))
    _mark_lines(call, settlement["mdtrt_id"], lines_of(settlement), "")
    _strike(call, settlement["setl_id"])


def reverse_refund(call: Call, refund: Row) -> None:
    """Take a cancellation back: the settlement it cancelled stands again (2601).

    Raises:
        Refusal: its lines were changed or settled anew in between.
    """
    lines = lines_of(refund)
    free = call.store.all(
        "SELECT feedetl_sn FROM charges WHERE mdtrt_id = ? AND setl_id = ''", refund["mdtrt_id"]
    )
    if not set(lines) <= {row["feedetl_sn"] for row in free}:
        raise Refusal("原结算的费用明细已变化，不能冲正")
    _move_account(call, refund, Decimal(refund["acct_pay"]))
    _mark_lines(call, refund["mdtrt_id"], lines, refund["origin"])
    call.store.run("UPDATE settlements SET state = 'settled' WHERE setl_id = ?", refund["origin"])
    _strike(call, refund["setl_id"])


def later_settlement(call: Call, settlement: Row) -> bool:
    """True when the visit was settled again after this settlement."""
    return bool(
        call.store.one(
            "SELECT 1 FROM settlements WHERE mdtrt_id = ? AND state = 'settled' AND setl_id > ?",
            settlement["mdtrt_id"],
            settlement["setl_id"],
        )
    )


def amounts_of(settlement: Row) -> dict[str, Decimal]:
    """The amounts of a stored settlement by their national field codes."""
    return msgspec.json.decode(settlement["amounts"], type=dict[str, Decimal])


def lines_of(settlement: Row) -> tuple[str, ...]:
    """The `feedetl_sn` of the lines it settled."""
    return msgspec.json.decode(settlement["lines"], type=tuple[str, ...])


def _new_id(call: Call) -> str:
    serial = call.store.next_serial(f"settlement:{call.region.code}")
    return f"{call.region.code}{call.now.strftime(STAMP)}{serial:06d}"


def _columns(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    kept = ("medfee_sumamt", "fund_pay_sumamt", "hifp_pay", "act_pay_dedc", "acct_pay")
    return {
        **{code: str(amounts[code]) for code in kept},
        "amounts": msgspec.json.encode(dict(amounts)).decode(),
    }


def _enter(call: Call, setl_id: str, fund_region: str, amounts: Mapping[str, Decimal]) -> None:
    for role, region in (("treatment", call.region.code), ("insured", fund_region)):
        call.store.insert(
            "ledger",
            {
                "setl_id": setl_id,
                "region": region,
                "role": role,
                "fund_pay_sumamt": str(amounts["fund_pay_sumamt"]),
                "acct_pay": str(amounts["acct_pay"]),
            },
        )


def _strike(call: Call, setl_id: str) -> None:
    call.store.run("UPDATE settlements SET state = 'reversed' WHERE setl_id = ?", setl_id)
    call.store.run("DELETE FROM ledger WHERE setl_id = ?", setl_id)


def _mark_lines(call: Call, mdtrt_id: str, lines: tuple[str, ...], setl_id: str) -> None:
    for number in lines:
        call.store.run(
            "UPDATE charges SET setl_id = ? WHERE mdtrt_id = ? AND feedetl_sn = ?",
            setl_id,
            mdtrt_id,
            number,
        )


def _move_account(call: Call, holder: Row, change: Decimal) -> Decimal:
    """Add to the account's balance; the new one. `holder` is a visit or a settlement."""
    key = (holder["psn_no"], holder["insutype"], holder["insuplc_admdvs"])
    row = call.store.one(
        "SELECT balc FROM insurances WHERE psn_no = ? AND insutype = ? AND insuplc_admdvs = ?",
        *key,
    )
    assert row is not None
    balance = Decimal(row["balc"]) + change
    if balance < 0:
        raise Refusal("个人账户余额不足")
    call.store.run(
        "UPDATE insurances SET balc = ? WHERE psn_no = ? AND insutype = ? AND insuplc_admdvs = ?",
        str(balance),
        *key,
    )
    return balance
