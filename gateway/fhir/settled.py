"""How a claim stands at the platform: 5203 behind a Task with code `status` (mapping matrix 2.1).

The platform is asked only where one settlement answers the claim, with the three numbers that 5203
needs; of anything else the task is told what is kept here. What the platform shows is compared
with that, and nothing that is kept is changed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def is_readable(names: Names, response: Mapping[str, Any]) -> bool:
    """True for the answer to a claim whose settlement 5203 can be asked for."""
    found = as_list(response.get("identifier"))
    person = response.get("patient", {}).get("identifier", {})

    def of(name: str) -> int:
        return sum(one.get("system") == names.identifier(name) for one in found)

    return (
        response.get("use") == "claim"
        and of("setl-id") == 1
        and of("mdtrt-id") == 1
        and person.get("system") == names.identifier("psn-no")
    )


def settlement_outputs(
    names: Names, response: Mapping[str, Any], settlement: Settlement
) -> list[dict[str, Any]]:
    """What the platform shows of the settlement: its number, its standing, its amounts.

    The last row says whether that is what was answered to the claim.
    """
    info = settlement.info
    cancelled = info.get("refd_setl_flag") == CANCELLED
    number = {"system": names.identifier("setl-id"), "value": info.get("setl_id")}
    rows: list[dict[str, Any]] = [
        {"type": {"text": "settlement"}, "valueIdentifier": number},
        {"type": {"text": "standing"}, "valueCode": "cancelled" if cancelled else "settled"},
    ]
    for code in COMPARED:
        amount = read_amount(info, code)
        if amount is not None:
            kind = concept(names.code_system("fsi-amount"), code, LABELS[code])
            rows.append({"type": kind, "valueMoney": money(amount)})
    agrees = _same_amounts(response, info) and cancelled == (response.get("status") == "cancelled")
    rows.append({"type": {"text": "agrees"}, "valueBoolean": agrees})
    return rows


def _same_amounts(response: Mapping[str, Any], info: Record) -> bool:
    """True when every amount that both have is the same."""
    answered: dict[str, Decimal] = {}
    for total in as_list(response.get("total")):
        for coding in as_list(total.get("category", {}).get("coding")):
            answered[str(coding.get("code"))] = Decimal(total["amount"]["value"])
    both = [
        (read_amount(info, code), answered[STANDARD[code]])
        for code in COMPARED
        if STANDARD[code] in answered
    ]
    return all(theirs is None or theirs == ours for theirs, ours in both)
