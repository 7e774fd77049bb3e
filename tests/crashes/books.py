"""The books of both sides after a run, compared; each finding is a sentence.

* what the hospital was told is done is on both sides, and no acknowledged message is lost
* nothing is settled twice, and neither side has what the other does not
* sums are equal to the fen
* every final answer to a message is the same
* nothing is left open, and the audit is intact
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from gateway.journal import ExchangeRow, Journal, SendRow, VisitRow, open_journal
from gateway.settings import load_settings
from gateway.settlement.plans import is_repeatable
from gateway.settlement.visits import Visit, decode_visit
from tests.crashes.centre import REGION, Centre
from tests.crashes.hospital import Hospital, Said

PAGE = 1_000
TOOK_EFFECT = ("accepted", "confirmed", "reversed", "manual", "rejected")


class Parties(Protocol):
    """Whose books are compared."""

    centre: Centre
    hospital: Hospital


async def differences(
    config: Path, environment: Mapping[str, str], parties: Parties
) -> AsyncIterator[str]:
    """Everything that does not fit; the gateway has been stopped."""
    settings = load_settings(config, environment=dict(environment))
    journal = await open_journal(settings.journal, read_only=True)
    try:
        async for finding in _journal(journal, parties):
            yield finding
    finally:
        await journal.close()
    for finding in (*_told(parties), *_ledger(parties), *_answers(parties.hospital)):
        yield finding


async def _journal(journal: Journal, parties: Parties) -> AsyncIterator[str]:
    """The gateway's own books, alone and beside those of the platform."""
    sends = {send.msgid: send for send in await journal.sends(limit=10_000_000)}
    for finding in _sends(sends, parties.centre):
        yield finding
    exchanges = await _exchanges(journal)
    for finding in _acknowledged(exchanges, parties.hospital):
        yield finding
    visits = await _visits(journal)
    for finding in _settled(visits, parties.centre):
        yield finding
    report = await journal.audit_verify()
    for broken in report.broken:
        yield f"audit row {broken.seq}: {broken.kind}: {broken.reason}"


def _sends(sends: Mapping[str, SendRow], centre: Centre) -> Iterator[str]:
    for send in sends.values():
        if send.state in ("sending", "unknown") and not is_repeatable(send.infno):
            yield f"{send.infno} {send.msgid} is left {send.state}"
    requests = {row["msgid"]: row for row in centre.rows("SELECT * FROM requests")}
    for msgid, row in requests.items():
        if msgid not in sends:
            yield f"the platform has {row['infno']} {msgid}, the journal does not"
        elif sends[msgid].state == "not-sent" and row["infcode"] == 0:
            yield f"{row['infno']} {msgid} is not-sent, and the platform did it"
    for send in sends.values():
        if send.state == "accepted" and not centre.did(send.msgid):
            yield f"{send.infno} {send.msgid} is accepted, and the platform never did it"


async def _exchanges(journal: Journal) -> dict[str, ExchangeRow]:
    found: dict[str, ExchangeRow] = {}
    page = await journal.exchanges(PAGE)
    while page:
        found.update((row.control_id, row) for row in page)
        page = await journal.exchanges(PAGE, page[-1].exchange_id)
    return found


def _acknowledged(exchanges: Mapping[str, ExchangeRow], hospital: Hospital) -> Iterator[str]:
    by_key = {key.rpartition("|")[2]: row for key, row in exchanges.items()}
    for said in hospital.said.values():
        row = by_key.get(said.key)
        if row is None:
            yield f"{said.step} {said.key} was answered, and the journal does not have it"
        elif not row.final:
            yield f"{said.step} {said.key} was answered, and its answer is not final"


async def _visits(journal: Journal) -> list[Visit]:
    found: list[VisitRow] = []
    page = await journal.visits(limit=PAGE)
    while page:
        found += page
        page = await journal.visits(after=page[-1].key, limit=PAGE)
    return [decode_visit(row.data, row.version) for row in found]


def _settled(visits: list[Visit], centre: Centre) -> Iterator[str]:
    """Each visit has the same settlements and sums on both sides."""
    rows = centre.rows(
        "SELECT v.ipt_otp_no, s.setl_id, s.medfee_sumamt, s.fund_pay_sumamt FROM settlements AS s "
        "JOIN visits AS v USING (mdtrt_id) WHERE s.state = 'settled'"
    )
    theirs = sorted(
        (
            row["ipt_otp_no"],
            row["setl_id"],
            Decimal(row["medfee_sumamt"]),
            Decimal(row["fund_pay_sumamt"]),
        )
        for row in rows
    )
    ours = sorted(
        (
            visit.ipt_otp_no,
            settlement.info.get("setl_id"),
            settlement.info.amount("medfee_sumamt") or Decimal(0),
            settlement.info.amount("fund_pay_sumamt") or Decimal(0),
        )
        for visit in visits
        for settlement in visit.settlements
    )
    for row in sorted({*theirs} - {*ours}):
        yield f"the platform has settlement {row}, the journal does not"
    for row in sorted({*ours} - {*theirs}):
        yield f"the journal has settlement {row}, the platform does not"
    for number, count in Counter(row[0] for row in theirs).items():
        if count > 1:
            yield f"visit {number} is settled {count} times"


def _told(parties: Parties) -> Iterator[str]:
    """What the hospital was told about money is what the platform has, visit by visit."""
    rows = parties.centre.rows(
        "SELECT v.ipt_otp_no, s.setl_id, s.fund_pay_sumamt FROM settlements AS s "
        "JOIN visits AS v USING (mdtrt_id) WHERE s.state = 'settled'"
    )
    live = {(r["ipt_otp_no"], r["setl_id"], Decimal(r["fund_pay_sumamt"])) for r in rows}
    paid = [s for s in parties.hospital.said.values() if s.step in ("pay", "claim") and s.done]
    told = {(said.visit, said.answers[-1][1], Decimal(said.answers[-1][2])) for said in paid}
    for row in sorted(told - live):
        yield f"the hospital was told of {row}, the platform does not have it"
    for row in sorted(live - told):
        yield f"the platform has {row}, the hospital was not told"
    open_lines = parties.centre.rows("SELECT mdtrt_id FROM charges WHERE setl_id = ''")
    if open_lines:
        yield f"{len(open_lines)} charge lines are not settled"


def _ledger(parties: Parties) -> Iterator[str]:
    """What the fund paid is what the settlements that were told say, to the fen."""
    paid = [s for s in parties.hospital.said.values() if s.step in ("pay", "claim") and s.done]
    told = sum((Decimal(said.answers[-1][2]) for said in paid), Decimal(0))
    rows = parties.centre.rows(
        "SELECT l.fund_pay_sumamt FROM ledger AS l WHERE l.region = ? AND l.role = 'treatment'",
        REGION,
    )
    owed = sum((Decimal(row["fund_pay_sumamt"]) for row in rows), Decimal(0))
    if told != owed:
        yield f"the hospital was told of {told} yuan from the fund, the bureau owes {owed}"


def _answers(hospital: Hospital) -> Iterator[str]:
    for said in hospital.said.values():
        if not said.final:
            yield f"{said.step} {said.key} has no final answer"
        elif len(set(said.answers)) > 1:
            yield f"{said.step} {said.key} got different final answers: {_first(said)}"


def _first(said: Said) -> tuple[str, ...]:
    return tuple(answer[0] for answer in said.answers)
