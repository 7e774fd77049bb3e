"""Credits: which uploaded charge batches they withdraw.

The platform takes charges back by the batch (2205) or by the lines of one (2302). A credit is
refused where it would take back more than it names, or what is settled (mapping matrix 1.5; rules
section 9: a settlement is cancelled first).
"""

from __future__ import annotations

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Record
from gateway.settlement.visits import Batch, Visit


def credited_batches(intent: Intent, visit: Visit) -> tuple[set[str], list[Problem]]:
    """The numbers of the batches that the credit lines name, and what forbids to withdraw them.

    A line names its batch, its own number, or both; one without its own number means the batch.
    """
    named: dict[str, set[str]] = {}
    problems: list[Problem] = []
    for charge in intent.charges:
        batch = _batch_of(charge, visit)
        if batch is None:
            problems.append(_unknown(charge))
        elif batch.setl_id:
            problems.append(_settled(charge))
        else:
            named.setdefault(batch.chrg_bchno, set()).add(_key_of(charge, visit))
    for batch in visit.open_batches():
        lines = named.get(batch.chrg_bchno, {""})
        if "" not in lines and {line.key for line in batch.lines} - lines:
            problems.append(_partial(intent, len(batch.lines)))
    return set(named), problems


def _key_of(charge: Record, visit: Visit) -> str:
    """The number of the line that goes back: the one it refers to, else its own."""
    original = charge.get("init_feedetl_sn")
    return original if visit.line(original) is not None else charge.get("feedetl_sn")


def _batch_of(charge: Record, visit: Visit) -> Batch | None:
    number, key = charge.get("chrg_bchno"), _key_of(charge, visit)
    found = visit.line(key)
    if key and found is None:
        return None
    batch = found[0] if found else visit.batch(number)
    return batch if batch is None or number in ("", batch.chrg_bchno) else None


def _unknown(charge: Record) -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.CHARGE_UNKNOWN,
        field="feedetl_sn",
        place=charge.place("feedetl_sn") or charge.place("chrg_bchno"),
        zh="要退的费用没有上传过",
        en="the charge to withdraw was never uploaded",
    )


def _settled(charge: Record) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        field="chrg_bchno",
        place=charge.place("chrg_bchno") or charge.place("feedetl_sn"),
        zh="该费用已结算，请先撤销结算",
        en="the charge is settled: cancel the settlement first",
    )


def _partial(intent: Intent, count: int) -> Problem:
    charge = intent.charges[0]
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        field="chrg_bchno",
        place=charge.place("chrg_bchno") or charge.place("feedetl_sn"),
        zh=f"该收费批次共{count}行，只能整批退回",
        en=f"the charge batch has {count} lines and is only withdrawn as a whole",
        remedy_zh="请退回批次的全部明细，再用新的批次号上传保留的明细",
        remedy_en="credit every line of the batch, then upload what stays under a new number",
    )
