"""EHC^E15 of a reconciled day: its structure, its sum, and what makes it the same message."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.errors import StateError
from gateway.hl7v2.acks import Identity
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.remittances import Payee, invoice_numbers, receiver, remittance
from gateway.settlement.reconciling.report import (
    Finding,
    GroupReport,
    GroupState,
    Repair,
    Report,
    ReportRow,
    Side,
    SideState,
    Totals,
)
from tests.hl7_coding import foreign_codes

DAY = date(2026, 3, 1)
PERSON = "43010000000000000001"


def row(msgid: str, medfee: str, fund: str, account: str = "0.00") -> ReportRow:
    """A settlement, or with negative amounts a refund, on which both sides agree."""
    side = Side(
        state=SideState.REFUND if fund.startswith("-") else SideState.SETTLED,
        medfee_sumamt=Decimal(medfee),
        fund_pay_sumamt=Decimal(fund),
        acct_pay=Decimal(account),
    )
    return ReportRow(
        finding=Finding.BALANCED,
        repair=Repair.NONE,
        msgid=msgid,
        setl_id=f"S-{msgid}",
        psn_no=PERSON,
        insutype="310",
        setl_optins="430100",
        setl_time="2026-03-01 10:00:00",
        ours=side,
        theirs=side,
    )


def report(*rows: ReportRow, state: GroupState = GroupState.BALANCED, at: str = "02:30") -> Report:
    """The day with one group; `at` is when it was compared."""
    group = GroupReport(
        clr_type="11",
        setl_optins="430100",
        refd_setl_flag="0",
        state=state,
        totals=Totals(count=len(rows)),
        rows=list(rows),
    )
    return Report(
        fixmedins_code="H43010000001",
        begin=DAY,
        end=DAY,
        made_at=f"2026-03-02 {at}:00",
        groups=[group],
        finished=True,
    )


def written(one: Report) -> bytes:
    """The message to a payment system."""
    payee = Payee("H43010000001", "长沙示范医院")
    return remittance(one, payee, Identity("GATE", "GW"), receiver("PAY", "MAIN"))


def fields_of(body: bytes, name: str) -> list[list[str]]:
    """The fields of the segments of a name."""
    lines = body.decode().split("\r")
    return [line.split("|") for line in lines if line.startswith(name)]


def amounts(rows: list[list[str]], field: int) -> Decimal:
    """The sum of a field of type CP."""
    return sum((Decimal(one[field].partition("&")[0]) for one in rows), Decimal(0))


ROWS = (
    row("M1", "240.00", "116.20", "50.00"),
    row("M2", "0.30", "0.10"),
    row("M3", "-100.00", "-60.15", "-20.00"),
)


@pytest.mark.parametrize("rows", [ROWS, ()], ids=["three", "none"])
def test_a_day_has_the_structure_of_the_version(rows: tuple[ReportRow, ...], conforms: Any) -> None:
    """By our tables and by hl7apy; a day without settlements too."""
    body = written(report(*rows))
    conforms(body)
    (head,) = fields_of(body, "MSH")
    assert head[2:6] == ["GATE", "GW", "PAY", "MAIN"]
    assert head[8] == "EHC^E15^EHC_E15"


def test_the_payment_is_the_sum_of_what_is_paid() -> None:
    """F-030: 116.20 + 0.10 - 60.15; the ADJ, all of category IN, add nothing."""
    body = written(report(*ROWS))
    told = fields_of(body, "ADJ")
    counted = [one for one in told if one[4] != "IN"]
    paid = amounts(fields_of(body, "IPR"), 6) + amounts(counted, 5)
    assert amounts(fields_of(body, "PMT"), 6) == paid == Decimal("56.15")
    assert amounts(told, 5) != 0


def test_a_refund_takes_an_invoice_back() -> None:
    """IVC-4 CN with negative amounts; the settlement is named by its msgid and setl_id."""
    body = written(report(*ROWS))
    found = [(one[1], one[2], one[4], one[8]) for one in fields_of(body, "IVC")]
    assert found == [
        ("M1", "S-M1", "OR", "240.00&CNY"),
        ("M2", "S-M2", "OR", "0.30&CNY"),
        ("M3", "S-M3", "CN", "-100.00&CNY"),
    ]
    assert PERSON not in body.decode()


class Contexts:
    """What was kept of two messages: an invoice, and a payment that had none."""

    async def context(self, exchange_id: str) -> dict[str, Any]:
        lines = {"E1": ["IVC#A^B\\T\\1!NS#9"], "E2": []}[exchange_id]
        header = {"delimiters": {"field": "#", "component": "!", "escape": "\\"}}
        return {"echo": {"lines": lines}, "header": header}


async def test_an_invoice_keeps_the_number_that_its_sender_gave(conforms: Any) -> None:
    """F-031: IVC-1 as it was meant, whatever its delimiters; of a payment it is our msgid."""
    rows = [
        msgspec.structs.replace(one, exchange_id=exchange)
        for one, exchange in zip(ROWS[:2], ("E1", "E2"), strict=True)
    ]
    one = report(*rows)
    numbers = await invoice_numbers(Contexts(), one)
    assert numbers == {"M1": "A^B&1"}
    payee = Payee("H43010000001", "长沙示范医院")
    body = remittance(one, payee, Identity("GATE", "GW"), receiver("PAY", "MAIN"), numbers)
    conforms(body)
    assert [line[1] for line in fields_of(body, "IVC")] == ["A\\S\\B\\T\\1", "M2"]
    assert [line[2] for line in fields_of(body, "IPR")] == ["M1", "M2"]


def test_the_same_settlements_are_the_same_message() -> None:
    """MSH-10 is that of the content: a later comparison changes nothing, another amount does."""

    def control_id(one: Report) -> str:
        return fields_of(written(one), "MSH")[0][9]

    first = control_id(report(*ROWS))
    assert control_id(report(*ROWS, at="05:00")) == first
    assert control_id(report(*ROWS[:2])) != first


def test_a_day_with_differences_has_no_remittance() -> None:
    """What is disputed is not told as paid."""
    with pytest.raises(StateError, match="does not balance"):
        written(report(*ROWS, state=GroupState.DIFFERENT))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("|DDPO|", "|XXXX|", ("PMT[1]-4", "HL70570", "XXXX")),
        ("|ADJ|", "|CANCEL|", ("IPR[1]-4", "HL70571", "CANCEL")),
        ("||OR|NORM|FS|", "||OX|NORM|FS|", ("IVC[1]-4", "HL70553", "OX")),
        ("|NORM|FS|", "|LOCAL|FS|", ("IVC[1]-5", "HL70554", "LOCAL")),
        ("|NORM|FS|", "|NORM|ZZ|", ("IVC[1]-6", "HL70555", "ZZ")),
        ("|1|ORG|", "|1|CLINIC|", ("PYE[1]-2", "HL70557", "CLINIC")),
        ("||P|medfee", "||X|medfee", ("PSL[1]-6", "HL70559", "X")),
        ("|IN|", "|XX|", ("ADJ[1]-4", "HL70564", "XX")),
        ("|EOB|", "|XX|", ("ADJ[1]-11", "HL70569", "XX")),
    ],
)
def test_every_code_that_is_written_is_one_of_its_table(
    old: str, new: str, found: tuple[str, str, str]
) -> None:
    """Tables 0553 to 0571 of chapter 16: all of ours are there, and any other code would be seen."""
    text = written(report(row("A1", "100.00", "56.15"))).decode()
    assert foreign_codes(read_document(text)) == []
    assert old in text
    assert foreign_codes(read_document(text.replace(old, new, 1))) == [found]
