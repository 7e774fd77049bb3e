"""What queries and filings give: the rows found, the settlement read back, the filing's number."""

from __future__ import annotations

from collections.abc import Callable

from gateway.fsi.replies import LIST_OUTPUT
from gateway.intents import Record, Settlement, Verb
from gateway.settlement.work import Absorption, Work, one_row, rows

FOUND: dict[str, tuple[Verb, str]] = {
    "5102": (Verb.FIND_PHYSICIANS, "feedetail"),
    "5201": (Verb.FIND_VISITS, "mdtrtinfo"),
    "5204": (Verb.READ_CHARGES, LIST_OUTPUT),
    "5206": (Verb.FIND_TOTALS, "cuminfo"),
    "5301": (Verb.FIND_CHRONIC, "feedetail"),
    "5302": (Verb.FIND_DESIGNATIONS, "psnfixmedin"),
    "5303": (Verb.FIND_STAYS, "data"),
    "5304": (Verb.FIND_TRANSFERS, "refmedin"),
}
"""Query to the verb under which its rows stand in `Result.found`, and the node they are in."""

NUMBERED = ("2501", "2503", "2505")
"""Filings, which the platform gives a number; their withdrawals give nothing."""

RENAMED = {"psn_pay": "psn_part_amt", "cash_payamt": "psn_cash_pay"}
"""Fields of 5203 -> their names in the settlement's own reply."""


def settlement_names(info: Record) -> Record:
    """The settlement of a 5203 with the names that it has in the settlement's own reply."""
    for theirs, ours in RENAMED.items():
        if info.has(theirs) and not info.has(ours):
            info.values[ours] = info.values[theirs]
    return info


def _found(verb: Verb, node: str) -> Callable[[Work, Absorption], None]:
    def absorb(work: Work, call: Absorption) -> None:
        work.result.found[verb.value] = rows(call.output, node)

    return absorb


def _read(work: Work, call: Absorption) -> None:
    """5203: `refd_setl_flag` 1 says that the settlement was cancelled."""
    info = settlement_names(one_row(call, "setlinfo", "setl_id", "medfee_sumamt"))
    funds = rows(call.output, "setldetail")
    made = Settlement(infno=call.infno, msgid=info.get("medins_setl_id"), info=info, funds=funds)
    work.result.settlements.append(made)


def _filed(work: Work, call: Absorption) -> None:
    number = one_row(call, "result", "trt_dcla_detl_sn").get("trt_dcla_detl_sn")
    work.intent.filing.values["trt_dcla_detl_sn"] = number


ABSORBERS: dict[str, Callable[[Work, Absorption], None]] = {
    **{infno: _found(verb, node) for infno, (verb, node) in FOUND.items()},
    **dict.fromkeys(NUMBERED, _filed),
    "5203": _read,
}
