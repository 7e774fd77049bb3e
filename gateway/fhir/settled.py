"""How a claim stands at the platform: 5203 behind a Task with code `status` (mapping matrix 2.1).

The platform is asked where settlements answer the claim, once for each, with the three numbers that
5203 needs; of anything else the task is told what is kept here. What the platform shows is compared
with that, and nothing that is kept is changed by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.fhir.amounts import LABELS, STANDARD, read_amount
from gateway.fhir.building import concept, money
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.intents import Record, Settlement

COMPARED = ("medfee_sumamt", "fund_pay_sumamt", "psn_part_amt")
"""Amounts that a status task is told: the whole, the fund's part, the person's part."""
CANCELLED = "1"
"""refd_setl_flag of a settlement that was cancelled."""


def numbers_of(names: Names, response: Mapping[str, Any], kind: str) -> list[str]:
    """The numbers of one identifier system in an answer, in order."""
    system = names.identifier(kind)
    found = as_list(response.get("identifier"))
    return [str(one.get("value", "")) for one in found if one.get("system") == system]


def is_readable(names: Names, response: Mapping[str, Any]) -> bool:
    """True for the answer to a claim whose settlements 5203 can be asked for."""
    person = response.get("patient", {}).get("identifier", {})
    return (
        response.get("use") == "claim"
        and len(numbers_of(names, response, "setl-id")) > 0
        and len(numbers_of(names, response, "mdtrt-id")) == 1
        and person.get("system") == names.identifier("psn-no")
    )


def settlement_outputs(
    names: Names, response: Mapping[str, Any], settlements: Sequence[Settlement]
) -> list[dict[str, Any]]:
    """What the platform shows of each settlement: its number, its standing, its amounts.

    The rows of a settlement begin with its number. The last row of all says whether what the
    platform shows is what was answered to the claim.
    """
    rows: list[dict[str, Any]] = []
    for settlement in settlements:
        info = settlement.info
        number = {"system": names.identifier("setl-id"), "value": info.get("setl_id")}
        standing = "cancelled" if _is_cancelled(info) else "settled"
        rows.append({"type": {"text": "settlement"}, "valueIdentifier": number})
        rows.append({"type": {"text": "standing"}, "valueCode": standing})
        for code in COMPARED:
            amount = read_amount(info, code)
            if amount is not None:
                kind = concept(names.code_system("fsi-amount"), code, LABELS[code])
                rows.append({"type": kind, "valueMoney": money(amount)})
    infos = [settlement.info for settlement in settlements]
    cancelled = response.get("status") == "cancelled"
    agrees = len(infos) == len(numbers_of(names, response, "setl-id"))
    agrees = agrees and all(_is_cancelled(info) == cancelled for info in infos)
    agrees = agrees and _same_amounts(response, infos)
    return [*rows, {"type": {"text": "agrees"}, "valueBoolean": agrees}]


def _is_cancelled(info: Record) -> bool:
    return info.get("refd_setl_flag") == CANCELLED


def _same_amounts(response: Mapping[str, Any], infos: Sequence[Record]) -> bool:
    """True when every amount that both have is the same: of several settlements, their sum."""
    answered: dict[str, Decimal] = {}
    for total in as_list(response.get("total")):
        for coding in as_list(total.get("category", {}).get("coding")):
            answered[str(coding.get("code"))] = Decimal(total["amount"]["value"])
    for code in COMPARED:
        shown = [read_amount(info, code) for info in infos]
        stated = [amount for amount in shown if amount is not None]
        ours = answered.get(STANDARD[code])
        if ours is not None and len(stated) == len(shown) and sum(stated, Decimal(0)) != ours:
            return False
    return True
