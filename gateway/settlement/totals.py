"""Which charge batches a settlement means, and the exact totals it states.

All sums are decimals in yuan; nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.rules.lines import PURCHASES
from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.settlement.charges import is_part_of
from gateway.settlement.credits import credited_batches
from gateway.settlement.visits import Batch, Visit

SPLIT_SUMS = frozenset({"fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"})
"""Sums of the 2204 replies, known once the lines are uploaded and the platform has split them."""

TOTALS = SPLIT_SUMS | {"medfee_sumamt"}
"""Sums that `settlement_options` computes."""

UPLOADS = frozenset({"2204", "2301"})
"""Transactions that take lines up, which have no totals yet."""

SETTLING = frozenset({"2101", "2102", "2206", "2207", "2303", "2304"})
"""Transactions that state a total."""


class Step(msgspec.Struct, kw_only=True):
    """One call to make: its batch or its lines."""

    infno: str
    batch: str = ""
    lines: list[Record] = []


def new_numbers(uploads: Sequence[Sequence[Record]]) -> list[str]:
    """The batch numbers in uploads, in order."""
    return list(dict.fromkeys(c.get("chrg_bchno") for upload in uploads for c in upload))


def batches_to_settle(
    intent: Intent, visit: Visit, uploads: Sequence[Sequence[Record]]
) -> list[Batch]:
    """Open batches and those about to be uploaded, narrowed to what the message means."""
    new = [Batch(chrg_bchno=number) for number in new_numbers(uploads)]
    if intent.verb is Verb.REFUND and intent.charges:
        named, _ = credited_batches(intent, visit)
        return [b for b in visit.open_batches() if b.chrg_bchno in named]
    if intent.verb is Verb.REFUND:
        new = []
    candidates = [b for b in visit.open_batches() if b.chrg_bchno not in intent.not_meant] + new
    stated = intent.settlement.get("chrg_bchno")
    if intent.verb is Verb.REFUND and intent.numbers:
        meant = intent.numbers
        return [b for b in candidates if any(is_part_of(b.chrg_bchno, each) for each in meant)]
    if stated:
        return [b for b in candidates if is_part_of(b.chrg_bchno, stated)]
    if intent.own_charges_only:
        own = {charge.get("chrg_bchno") for charge in intent.charges}
        return [b for b in candidates if b.chrg_bchno in own]
    return candidates


def line_records(batch: Batch) -> list[Record]:
    """The lines of a batch as rows of 2302."""
    return [Record({"feedetl_sn": line.feedetl_sn}) for line in batch.lines]


def stated_options(step: Step, intent: Intent) -> Record:
    """The settlement options of the message, of the batch of the step."""
    options = Record(dict(intent.settlement.values), dict(intent.settlement.sources))
    if step.batch:
        options.values["chrg_bchno"] = step.batch
    return options


def settlement_options(step: Step, intent: Intent, visit: Visit | None) -> Record:
    """The same, with the totals of the batch (outpatient) or the stay.

    A split sum that the platform has not said is left out, never zero.
    """
    options = stated_options(step, intent)
    if visit is None or step.infno in UPLOADS:
        return options
    if step.infno in PURCHASES:
        amounts = (amount for line in step.lines if (amount := _amount(line)) is not None)
        _state_total(options, sum(amounts, Decimal("0.00")))
        return options
    batches = visit.open_batches()
    if step.batch:
        batches = [b for b in batches if b.chrg_bchno == step.batch]
    uploaded = {line.feedetl_sn for batch in visit.batches for line in batch.lines}
    total = sum((b.amount for b in batches), Decimal("0.00"))
    for charge in intent.charges:
        values = charge.values
        number = values.get("chrg_bchno")
        if not number or (step.batch and number != step.batch):
            continue
        new = (values.get("feedetl_sn") or "") not in uploaded
        if new and (amount := _amount(charge)) is not None:
            total += amount
    _state_total(options, total)
    for code in SPLIT_SUMS:
        if batches and all(batch.is_split for batch in batches):
            split = (Decimal(getattr(batch, code)) for batch in batches)
            options.values[code] = format(sum(split, Decimal("0.00")), "f")
    return options


def _state_total(options: Record, total: Decimal) -> None:
    """Set the sum of the lines; it stays the sender's own value only where that is the same."""
    stated = options.get("medfee_sumamt")
    options.values["medfee_sumamt"] = format(total, "f")
    try:
        same = bool(stated) and Decimal(stated) == total
    except ArithmeticError:
        same = False  # reported by the check of its type
    if not same:
        options.sources.pop("medfee_sumamt", None)


def _amount(charge: Record) -> Decimal | None:
    try:
        return Decimal(charge.values.get("det_item_fee_sumamt") or "0")
    except ArithmeticError:
        return None  # reported by the check of its type


def money_problems(
    intent: Intent,
    visit: Visit,
    steps: Sequence[Step],
    uploads: Sequence[Sequence[Record]],
) -> list[Problem]:
    """Nothing to settle, or a stated total that is not the sum of the lines (F-010)."""
    if intent.verb not in (Verb.SETTLE, Verb.PRESETTLE):
        return []
    inpatient = intent.visit_class is VisitClass.INPATIENT
    settled = [s for s in steps if s.infno in SETTLING]
    empty = any(step.infno in PURCHASES and not step.lines for step in settled)
    if not settled or empty or (inpatient and not visit.open_batches() and not uploads):
        return [
            Problem(
                kind=ProblemKind.NOT_FOUND,
                code=ProblemCode.CHARGE_UNKNOWN,
                field="chrg_bchno",
                place=intent.settlement.place("chrg_bchno") or intent.place,
                zh="没有可结算的费用：费用未上传，或已经结算",
                en="nothing to settle: no charges were uploaded, or they are settled already",
            )
        ]
    if not intent.settlement.has("medfee_sumamt"):
        return []
    total = Decimal(0)
    for step in {step.batch: step for step in settled}.values():
        total += settlement_options(step, intent, visit).amount("medfee_sumamt")
    stated = intent.settlement.amount("medfee_sumamt")
    if stated == total:
        return []
    return [
        Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.AMOUNT_MISMATCH,
            field="medfee_sumamt",
            place=intent.settlement.place("medfee_sumamt") or intent.place,
            zh=f"申报的费用总额{stated}与明细合计{total}不一致，未结算",
            en=f"the stated total {stated} is not the sum of the lines {total}: not settled",
        )
    ]
