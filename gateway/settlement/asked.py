"""What a transaction of unknown outcome had asked for: its lines, its batch, its total.

A confirmation, and a reply that comes late, are about what was sent then; the message may have been
read again since, and the audit has the batches under the numbers of that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.errors import GatewayError
from gateway.intents import Intent, Record
from gateway.journal import SendRow
from gateway.settlement.absorbing import CANCELLING
from gateway.settlement.agreeing import TOTAL
from gateway.settlement.totals import Step, new_numbers
from gateway.settlement.visits import Visit

UPLOADS = frozenset({"2204", "2301"})
PURCHASE = "2102"
"""Opens, charges and settles in one: its mdtrt_id comes with its settlement."""
OUTPATIENT_SETTLEMENT = "2207"


class NotConfirmedError(GatewayError):
    """The platform, or what we know, does not bear it out; nothing was changed.

    `zh` says the same in Chinese.
    """

    def __init__(self, zh: str, en: str) -> None:
        self.zh = zh
        super().__init__(en)


def lines_of(
    infno: str, intent: Intent, batches: Sequence[str], steps: Sequence[Step]
) -> list[Record]:
    """The charge lines of an upload: those of its batches.

    A message that was taken up again after a crash batches its lines anew; what it would send first
    is what was on its way, under the numbers of that time.
    """
    if infno == PURCHASE:
        return list(intent.charges)
    if infno not in UPLOADS:
        return []
    for step in steps:
        numbers = new_numbers([step.lines])
        if step.infno == infno and len(numbers) == len(batches):
            then = dict(zip(numbers, batches, strict=True))
            for line in step.lines:
                line.values["chrg_bchno"] = then[line.get("chrg_bchno")]
            return list(step.lines)
    return [line for line in intent.charges if line.get("chrg_bchno") in batches]


def compare_sum(lines: Sequence[Record], shown: str) -> None:
    """See that there are lines, and that they make the sum that the platform shows, yuan.

    Raises:
        NotConfirmedError: there are none, or they make another sum.
    """
    total = sum_of(lines)
    if not lines or Decimal(total) != Decimal(shown):
        raise NotConfirmedError(
            f"平台显示的明细合计{shown}与发送的{total}不一致",
            f"the lines that were sent make {total}, not {shown}",
        )


def sum_of(lines: Sequence[Record]) -> str:
    """The sum of lines, yuan."""
    return format(sum((line.amount("det_item_fee_sumamt") for line in lines), Decimal("0.00")), "f")


def batch_of(infno: str, visit: Visit, batches: Sequence[str], output: Mapping[str, Any]) -> str:
    """The batch that was settled or withdrawn: what was sent, or the one of this amount."""
    if batches and infno not in UPLOADS:
        return batches[0]
    if infno != OUTPATIENT_SETTLEMENT:
        return ""
    total = Decimal(str(output["setlinfo"].get(TOTAL) or "0"))
    found = [batch for batch in visit.open_batches() if batch.amount == total]
    if len(found) != 1:
        raise NotConfirmedError(
            f"有{len(found)}个未结算批次的金额是{total}",
            f"{len(found)} open charge batches have the amount {total}",
        )
    return found[0].chrg_bchno


def total_of(visit: Visit, batch: str) -> str:
    """The total that was stated: of the batch, or of all that is open; yuan."""
    named = visit.batch(batch)
    batches = [named] if named is not None else visit.open_batches()
    total = sum((each.amount for each in batches), Decimal("0.00"))
    return format(total, "f") if batches else ""


def asked_of(send: SendRow, mdtrt_id: str, total: str) -> dict[str, Any]:
    """What a settlement in the reply is compared with."""
    stated = {"psn_no": send.psn_no, "mdtrt_id": mdtrt_id, TOTAL: total}
    if send.infno in CANCELLING:
        del stated[TOTAL]
    return {"data": {code: value for code, value in stated.items() if value}}
