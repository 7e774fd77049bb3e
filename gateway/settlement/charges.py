"""Charge lines: exact amounts, numbers, and charge batches.

Rules (reference/rules.md section 9, matrix 1.5, conformance statements F-005 to F-010):

* feedetl_sn is digits, not 0, at most 15, unique in the visit; a sender's other numbering gets a
  number of ours and the pair is kept with the visit.
* A charge batch goes up whole; a call holds whole batches within the input limit.
* A line that was uploaded before is not uploaded again; with another amount it is refused.
* A line says what was done: its time does not lie in the future, but for clocks that differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from gateway.clock import stamp
from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Record
from gateway.settlement.visits import Batch, Line, Visit

CENT = Decimal("0.01")
PRICE_STEP = Decimal("0.000001")
FIRST_NUMBER = 900_000_000_000
"""Numbers that the gateway gives begin above those that hospital systems count to."""
MAX_NUMBER_DIGITS = 15
AHEAD = timedelta(minutes=10)
"""How far the time of a line may lie after that of the gateway's clock, unless the settings say."""
FRAME_CHARACTERS = 64
"""Characters of an input around its rows: `{"feedetail":[]}` and some."""


def check_lines(
    charges: Sequence[Record], tolerance: Decimal, latest: datetime
) -> Iterator[Problem]:
    """Complete the amounts of each line, and find lines of a time after `latest`."""
    last = stamp(latest)
    for charge in charges:
        yield from complete_amounts(charge, tolerance)
        if charge.values.get("fee_ocur_time", "") > last:
            yield Problem(
                kind=ProblemKind.VALUE,
                code=ProblemCode.FIELD_VALUE,
                field="fee_ocur_time",
                place=charge.place("fee_ocur_time"),
                zh=f"费用发生时间晚于当前时间（允许到{last}）",
                en=f"the time of the charge lies in the future (taken is up to {last})",
                remedy_zh="请核对时间和时区；如确需提前记账，请调整 [limits] fee_time_ahead",
                remedy_en="check time and zone; where charges are booked ahead, raise "
                "fee_time_ahead of [limits]",
            )


def complete_amounts(charge: Record, tolerance: Decimal) -> list[Problem]:
    """Fill quantity, price or amount where two of the three say the third; compare all three.

    `tolerance` is in yuan. The amount is never rounded: quantity times price that is no whole
    number of fen needs a stated amount.
    """
    stated = charge.values.get
    try:
        quantity = Decimal(text) if (text := stated("cnt")) else None
        price = Decimal(text) if (text := stated("pric")) else None
        amount = Decimal(text) if (text := stated("det_item_fee_sumamt")) else None
    except InvalidOperation:
        return []  # the map's own functions have reported the value
    if quantity is None and amount is not None:
        quantity = Decimal(1)
        charge.set("cnt", "1")
    if amount is None and quantity is not None and price is not None:
        amount = quantity * price
        if amount != amount.quantize(CENT):
            return [
                Problem(
                    kind=ProblemKind.REQUIRED,
                    code=ProblemCode.FIELD_REQUIRED,
                    field="det_item_fee_sumamt",
                    place=charge.place("pric") or charge.place("cnt"),
                    zh="数量乘单价不是整分，必须给出金额",
                    en="quantity times price is no whole number of fen: state the amount",
                )
            ]
        charge.set("det_item_fee_sumamt", format(amount.quantize(CENT), "f"))
    if quantity is None or amount is None:
        return []
    if price is None:
        if not quantity:
            return []
        price = (amount / quantity).quantize(PRICE_STEP, ROUND_HALF_UP)
        charge.set("pric", format(price, "f"))
    if abs(quantity * price - amount) > tolerance:
        return [
            Problem(
                kind=ProblemKind.VALUE,
                code=ProblemCode.AMOUNT_MISMATCH,
                field="det_item_fee_sumamt",
                place=charge.place("det_item_fee_sumamt") or charge.place("cnt"),
                zh=f"数量乘单价与金额相差超过{tolerance}元",
                en=f"quantity times price differs from the amount by more than {tolerance} yuan",
                remedy_zh="请核对数量、单价和金额",
                remedy_en="check quantity, price and amount",
            )
        ]
    return []


def number_lines(charges: Sequence[Record], visit: Visit) -> tuple[list[Record], list[Problem]]:
    """Give every new line its feedetl_sn; leave out those that are uploaded already.

    Returns the new lines. The sender's own number stays in `feedetl_key`.
    """
    used = {line.feedetl_sn for batch in visit.batches for line in batch.lines}
    seen: set[str] = set()
    new: list[Record] = []
    problems: list[Problem] = []
    for charge in charges:
        key = charge.get("feedetl_key") or charge.get("feedetl_sn")
        if key and key in seen:
            problems.append(_duplicate(charge, "同一消息中费用流水号重复", "appears twice"))
            continue
        seen.add(key)
        known = visit.line(key)
        if known is not None:
            line = known[1]
            charge.set("feedetl_key", key)
            charge.values["feedetl_sn"] = line.feedetl_sn
            charge.values["chrg_bchno"] = known[0].chrg_bchno
            same_amount = charge.amount("det_item_fee_sumamt") == Decimal(line.amount)
            if not same_amount or charge.get("medins_list_codg") != line.item:
                problems.append(
                    _duplicate(
                        charge,
                        "该费用流水号已上传过不同内容",
                        "was uploaded with other content",
                    )
                )
            continue
        number = key if is_number(key) and key not in used else _next_number(visit, used)
        if charge.get("cnt").startswith("-"):
            problems += _return(charge, visit)
        used.add(number)
        charge.values["feedetl_key"] = key
        charge.values["feedetl_sn"] = number
        new.append(charge)
    return new, problems


def _return(charge: Record, visit: Visit) -> list[Problem]:
    """Name the charge that a line gives back by its number at the platform."""
    original = visit.line(charge.get("init_feedetl_sn"))
    if original is not None:
        source = charge.sources.get("init_feedetl_sn")
        charge.set("init_feedetl_sn", original[1].feedetl_sn, source)
        return []
    return [
        Problem(
            kind=ProblemKind.NOT_FOUND,
            code=ProblemCode.CHARGE_UNKNOWN,
            field="init_feedetl_sn",
            place=charge.place("init_feedetl_sn") or charge.place("feedetl_sn"),
            zh="要退的费用没有上传过",
            en="the charge to give back was never uploaded",
        )
    ]


def is_number(text: str) -> bool:
    """True for a feedetl_sn that the platform takes.

    >>> is_number("42"), is_number("0"), is_number("007"), is_number("A1"), is_number("1" * 16)
    (True, False, False, False, False)
    """
    return (
        text.isascii()
        and text.isdigit()
        and not text.startswith("0")
        and len(text) <= MAX_NUMBER_DIGITS
    )


def _next_number(visit: Visit, used: set[str]) -> str:
    visit.last_number = max(visit.last_number, FIRST_NUMBER)
    while True:
        visit.last_number += 1
        if str(visit.last_number) not in used:
            return str(visit.last_number)


def _duplicate(charge: Record, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.DUPLICATE,
        code=ProblemCode.DUPLICATE_KEY,
        field="feedetl_sn",
        place=charge.place("feedetl_sn"),
        zh=zh,
        en=f"the number of the charge line {en}",
    )


def make_uploads(
    charges: Sequence[Record],
    *,
    new_batch: Callable[[], str],
    size: Callable[[Record], int],
    max_lines: int,
    max_characters: int,
    rebatch: bool = False,
) -> tuple[list[list[Record]], list[Problem]]:
    """Group lines into calls: whole batches, within the lines and characters of one call.

    Lines without a chrg_bchno get numbers from `new_batch`, a new one whenever a call is full.
    A stated batch that alone exceeds a limit is refused (F-005, F-007), or with `rebatch` becomes
    several, numbered after it (`X-1`, `X-2`). `size` gives the characters of a line in the input.
    """
    room = max_characters - FRAME_CHARACTERS
    problems: list[Problem] = []
    uploads: list[list[Record]] = []
    stated: dict[str, list[Record]] = {}
    loose: list[Record] = []
    for charge in charges:
        if charge.has("chrg_bchno"):
            stated.setdefault(charge.get("chrg_bchno"), []).append(charge)
        else:
            loose.append(charge)
    current: list[Record] = []
    used = 0
    for number, lines in stated.items():
        need = sum(size(line) + 1 for line in lines)
        if len(lines) > max_lines or need > room:
            if rebatch:
                parts = map(f"{number}-{{}}".format, itertools.count(1))
                uploads += _filled(lines, parts.__next__, size, max_lines, room)
                continue
            problems.append(_too_big(lines[0], len(lines), max_lines))
            continue
        if current and (len(current) + len(lines) > max_lines or used + need > room):
            uploads.append(current)
            current, used = [], 0
        current = [*current, *lines]
        used += need
    if current:
        uploads.append(current)
    uploads += _filled(loose, new_batch, size, max_lines, room)
    return uploads, problems


def _filled(
    lines: Sequence[Record],
    new_batch: Callable[[], str],
    size: Callable[[Record], int],
    max_lines: int,
    room: int,
) -> list[list[Record]]:
    """Lines in batches that fill their calls, a new number for each."""
    uploads: list[list[Record]] = []
    used, number = 0, ""
    for line in lines:
        need = size(line) + 1
        if not uploads or len(uploads[-1]) == max_lines or used + need > room:
            number, used = new_batch(), 0
            uploads.append([])
        line.values["chrg_bchno"] = number
        uploads[-1].append(line)
        used += need
    return uploads


def is_part_of(chrg_bchno: str, stated: str) -> bool:
    """True for a stated batch itself and for what it was divided into.

    >>> is_part_of("X-2", "X"), is_part_of("X", "X"), is_part_of("XY-1", "X")
    (True, True, False)
    """
    head, dash, part = chrg_bchno.rpartition("-")
    return chrg_bchno == stated or (bool(dash) and head == stated and part.isdigit())


def _too_big(line: Record, count: int, most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.INPUT_LIMIT,
        field="chrg_bchno",
        place=line.place("chrg_bchno"),
        zh=f"收费批次有{count}行，超过一次上传的限制（{most}行或40000字符）",
        en=f"the charge batch of {count} lines exceeds one upload ({most} lines, "
        "40,000 characters)",
        remedy_zh="请拆分收费批次",
        remedy_en="split the charge batch",
    )


def batches_of(upload: Sequence[Record]) -> list[Batch]:
    """The batches in an upload, as they are recorded once the platform took them."""
    batches: dict[str, Batch] = {}
    for charge in upload:
        number = charge.get("chrg_bchno")
        batch = batches.setdefault(number, Batch(chrg_bchno=number))
        batch.lines.append(
            Line(
                feedetl_sn=charge.get("feedetl_sn"),
                key=charge.get("feedetl_key"),
                item=charge.get("medins_list_codg"),
                amount=charge.get("det_item_fee_sumamt"),
            )
        )
    return list(batches.values())
