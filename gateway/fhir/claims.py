"""What a map cannot say about a Claim: sums, currency, line numbers, times of lines.

Rules: mapping matrix 2.2; conformance statements X-050 to X-052, F-009, F-010. Amounts are exact
decimals in yuan; nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.errors import MessageError, Problem, ProblemCode
from gateway.fhir import problems
from gateway.fhir.decode import may_be_escaped
from gateway.fhir.names import CURRENCY
from gateway.fhir.paths import encounter_references
from gateway.fhir.references import Node, as_list
from gateway.fhir.texts import scalar
from gateway.intents import Intent, Record, Source, VisitClass
from mappings.messages.functions import make_function

_DATETIME = make_function("datetime", ("midnight",), {})
INJURY, INJURY_INPATIENT = "9903", "22"
"""med_type of an injury (mapping matrix 2.2, Claim.accident)."""
_DAY = 10
"""Characters of `yyyy-MM-dd`."""
_IN_YUAN = f'"currency":"{CURRENCY}"'.encode()
_UNSUPPORTED = frozenset({"detail", "factor", "tax"})


def may_hold_foreign_money(raw: bytes) -> bool:
    """False when every currency in these bytes is the yuan."""
    return raw.count(b'"currency"') != raw.count(_IN_YUAN) or may_be_escaped(raw)


def check_claim(root: Node, tolerance: Decimal, *, foreign: bool = True) -> list[Problem]:
    """Everything wrong with the amounts and lines of a Claim, each at its place.

    `tolerance` is the yuan by which unitPrice x quantity may differ from net. `foreign` is False
    where no amount can be in another currency.
    """
    found: list[Problem] = []
    if foreign:
        found += _foreign_money(root.value, root.place)
    total = _amount(root.value.get("total"))
    nets: list[Decimal | None] = []
    sequences: set[int] = set()
    for item in root.child("item"):
        sequence = item.value.get("sequence")
        if sequence in sequences:
            found.append(_repeated(item))
        sequences.add(sequence)
        quantity = _amount(item.value.get("quantity"))
        price = _amount(item.value.get("unitPrice"))
        if not _UNSUPPORTED.isdisjoint(item.value):
            found += _unsupported_parts(item)
        _check_numbers(found, item, quantity, price)
        net, problem = _net(item, quantity, price, tolerance)
        if problem is not None:
            found.append(problem)
        nets.append(net)
    if not nets and total is None:
        found.append(
            problems.required(
                f"{root.place}.item", "没有费用明细，也没有总金额", "neither items nor a total"
            )
        )
    found += _total_differs(root, nets, total)
    found += _lost_encounters(root)
    return found


def _total_differs(
    root: Node, nets: list[Decimal | None], total: Decimal | None
) -> Iterator[Problem]:
    stated = [net for net in nets if net is not None]
    if total is None or not nets or len(stated) < len(nets):
        return
    if sum(stated, Decimal(0)) != total:
        yield problems.amounts_differ(
            f"{root.place}.total",
            "总金额不等于各费用明细金额之和",
            "the total is not the sum of the net amounts of the items",
        )


def _foreign_money(value: Any, place: str) -> Iterator[Problem]:
    """Amounts in another currency; contained resources are not looked at."""
    if isinstance(value, dict):
        if "currency" in value and value["currency"] != CURRENCY:
            yield problems.currency(f"{place}.currency")
        for name, inner in value.items():
            if name != "contained":
                yield from _foreign_money(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _foreign_money(inner, f"{place}[{index}]")


def _repeated(item: Node) -> Problem:
    return problems.wrong_value(
        f"{item.place}.sequence", "费用明细序号重复", "the item sequence appears twice"
    )


def _unsupported_parts(item: Node) -> Iterator[Problem]:
    if "detail" in item.value:
        yield problems.not_supported(
            f"{item.place}.detail",
            "不支持明细的下级明细，请把每一项作为单独的费用明细",
            "details of an item are not taken: make each an item of its own",
        )
    if item.value.get("factor", 1) != 1:
        yield problems.not_supported(
            f"{item.place}.factor", "不支持系数，请直接给出单价", "a factor other than 1"
        )
    if _amount(item.value.get("tax")):
        yield problems.not_supported(
            f"{item.place}.tax", "不支持税额，请计入单价", "a tax: count it into the price"
        )


def _check_numbers(
    found: list[Problem], item: Node, quantity: Decimal | None, price: Decimal | None
) -> None:
    if "comparator" in item.value.get("quantity", ()):
        found.append(
            problems.not_supported(
                f"{item.place}.quantity.comparator",
                "数量必须是确定的值",
                "the quantity has to be exact",
            )
        )
    if quantity == 0:
        found.append(
            problems.wrong_value(
                f"{item.place}.quantity.value", "数量不能为0", "the quantity cannot be 0"
            )
        )
    if price is not None and price < 0:
        found.append(
            problems.wrong_value(
                f"{item.place}.unitPrice.value",
                "单价不能为负；退费请用负的数量",
                "the price cannot be negative: give back by a negative quantity",
            )
        )


def _net(
    item: Node, quantity: Decimal | None, price: Decimal | None, tolerance: Decimal
) -> tuple[Decimal | None, Problem | None]:
    net = _amount(item.value.get("net"))
    if net is None:
        if price is None:
            return None, problems.required(
                f"{item.place}.net", "费用明细没有金额", "the item has no net amount"
            )
        return price * (Decimal(1) if quantity is None else quantity), None
    if price is not None and abs(price * (1 if quantity is None else quantity) - net) > tolerance:
        return net, problems.amounts_differ(
            item.place,
            f"单价乘数量与金额相差超过{tolerance}元",
            f"unitPrice times quantity differs from net by more than {tolerance} yuan",
        )
    return net, None


def _lost_encounters(root: Node) -> Iterator[Problem]:
    """Encounters that are stated and cannot be found: their visit must not be guessed."""
    stated = [node for node in encounter_references([root]) if isinstance(node.value, dict)]
    for node in stated:
        if node.value.get("identifier") is None and node.scope.follow(node) is None:
            yield problems.not_found(
                node.place,
                ProblemCode.VISIT_UNKNOWN,
                "找不到引用的就诊",
                "the Encounter that is referred to is not known",
            )
    per_item = [node for item in root.child("item") for node in item.child("encounter")]
    names = {scalar(node.value.get("reference")) for node in per_item}
    if len(names) > 1:
        yield problems.not_supported(
            f"{root.place}.item",
            "一次结算只能包含一次就诊的费用",
            "the items of one claim belong to one encounter",
        )


def complete_claim(
    intent: Intent, root: Node, visit_number: str, line_keys: Mapping[str, str], now: str
) -> list[Problem]:
    """Fill what follows from several values: visit number, line numbers, times, main diagnosis.

    A claim that names no encounter is of the visit `visit_number`, else a visit of its own.
    `line_keys` maps an item sequence to the number under which this very line was uploaded with
    an earlier predetermination; such a line is not uploaded again. `now` is `yyyy-MM-dd HH:mm:ss`.
    """
    claim_number, place = _own_number(root)
    number = visit_number or claim_number
    if not intent.visit.has("ipt_otp_no") and not intent.visit.has("mdtrt_id") and number:
        intent.visit.set("ipt_otp_no", number, Source(place, number, "Claim"))
    if root.child("accident") and not intent.visit.has("med_type"):
        kind = INJURY_INPATIENT if intent.visit_class is VisitClass.INPATIENT else INJURY
        intent.visit.set("med_type", kind, Source(f"{root.place}.accident", kind, "Claim"))
    intent.own_charges_only = bool(intent.charges)
    total = Decimal(0)
    found: list[Problem] = []
    begin, end = intent.visit.get("begntime"), intent.visit.get("endtime")
    for charge in intent.charges:
        sequence = charge.get("item_sequence")
        key = line_keys.get(sequence) or f"{claim_number}|{sequence}"
        charge.set("feedetl_sn", key, Source(charge.place("item_sequence"), key, "Claim"))
        if charge.values.get("fee_ocur_time"):
            found += _set_time(charge, begin, end, now)
        net = charge.values.get("det_item_fee_sumamt")
        quantity = charge.amount("cnt") if charge.has("cnt") else Decimal(1)
        total += Decimal(net) if net else charge.amount("pric") * quantity
    if intent.charges and not intent.settlement.has("medfee_sumamt"):
        intent.settlement.set("medfee_sumamt", format(total, "f"))
    _mark_main_diagnosis(intent.diagnoses)
    return found


def _own_number(root: Node) -> tuple[str, str]:
    for identifier in root.child("identifier"):
        text = scalar(identifier.value.get("value"))
        if text:
            return text, f"{identifier.place}.value"
    return "", ""


def _set_time(charge: Record, begin: str, end: str, now: str) -> list[Problem]:
    """Bring the time of a line into the form of the interface."""
    try:
        value = _time_of_line(charge.values["fee_ocur_time"], begin, end, now)
    except MessageError as error:
        charge.values.pop("fee_ocur_time")
        place = charge.place("fee_ocur_time")
        return [problem.at(place) for problem in error.problems]
    charge.values["fee_ocur_time"] = value
    return []


@lru_cache(maxsize=1024)
def _time_of_line(text: str, begin: str, end: str, now: str) -> str:
    """A time as it is stated; of a date alone, the time of day at which the visit began.

    Midnight may lie before the visit (mapping matrix 2.2). A line does not end up after the end,
    and one of today not after now. The lines of a claim mostly state the same.
    """
    value = _DATETIME(text) or ""
    if "T" not in text and begin:
        value = value[:_DAY] + begin[_DAY:]
        value = min([value, *(last for last in (end, now) if value[:_DAY] == last[:_DAY])])
    return value


def _mark_main_diagnosis(diagnoses: list[Record]) -> None:
    """Exactly one main diagnosis: the principal one, else the first (mapping matrix 1.4)."""
    main = next((d for d in diagnoses if d.get("maindiag_flag") == "1"), None)
    if main is None and diagnoses:
        main = diagnoses[0]
    for number, diagnosis in enumerate(diagnoses, start=1):
        diagnosis.set("maindiag_flag", "1" if diagnosis is main else "0")
        if not diagnosis.has("diag_srt_no"):
            diagnosis.set("diag_srt_no", str(number))


def same_lines(claim: dict[str, Any], earlier: dict[str, Any]) -> set[str]:
    """Sequences of the items that stand in both claims with equal content."""
    before = {_sequence(item): item for item in as_list(earlier.get("item"))}
    return {
        _sequence(item)
        for item in as_list(claim.get("item"))
        if _line(item) == _line(before.get(_sequence(item), {}))
    }


def _sequence(item: dict[str, Any]) -> str:
    return scalar(item.get("sequence"))


def _line(item: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two items the same line."""
    product = item.get("productOrService")
    coding = product.get("coding") if isinstance(product, dict) else None
    return (
        coding,
        item.get("servicedDate"),
        item.get("servicedPeriod"),
        _amount(item.get("net")),
        _amount(item.get("unitPrice")),
        _amount(item.get("quantity")),
    )


def _amount(holder: Any) -> Decimal | None:
    """The value of a Money or Quantity, exactly."""
    value = holder.get("value") if isinstance(holder, dict) else None
    if type(value) is Decimal:
        return value
    return Decimal(value) if isinstance(value, Decimal | int) else None
