"""The books of both sides after a run, compared; each finding is a sentence.

* what the hospital was told is done is on both sides, and no acknowledged message is lost
* nothing is settled twice or cancelled twice, and neither side has what the other does not
* a cancellation gives back all that its settlement took
* sums are equal to the fen
* every final answer to a message is the same
* nothing is left open, and the audit is intact
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.intents import VisitClass
from gateway.journal import ExchangeRow, Journal, SendRow, VisitRow, open_journal
from gateway.settings import load_settings
from gateway.settlement.plans import is_repeatable
from gateway.settlement.visits import Visit, decode_visit
from tests.crashes.centre import REGION, Centre
from tests.crashes.hospital import CANCEL, PAYING, PURCHASE, Hospital, Said
from tests.crashes.invoices import PHARMACY

PAGE = 1_000
FUND = "fund_pay_sumamt"


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
    books = (_cancelled(parties), _told(parties), _purchases(parties.centre), _ledger(parties))
    for finding in chain(*books, _answers(parties.hospital)):
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
    parties.centre.purchases = {
        visit.visit.get("mdtrt_id"): visit.ipt_otp_no
        for visit in visits
        if visit.visit_class is VisitClass.PHARMACY
    }
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


class Settled(NamedTuple):
    """A settlement or a cancellation, on either side; sums in yuan, of a cancellation negative."""

    visit: str
    setl_id: str
    origin: str
    """The settlement that this one cancels."""
    total: Decimal
    fund: Decimal

    def __str__(self) -> str:
        kind = f"cancellation {self.setl_id} of {self.origin}" if self.origin else self.setl_id
        return f"{kind} in {self.visit}: {self.total}, {self.fund} from the fund"


def _theirs(centre: Centre, state: str = "") -> list[Settled]:
    """The platform's settlements and cancellations: what was not reversed, or is of one state."""
    rows = centre.rows(
        "SELECT v.mdtrt_id, v.ipt_otp_no, s.setl_id, s.origin, s.medfee_sumamt, s.fund_pay_sumamt "
        "FROM settlements AS s JOIN visits AS v USING (mdtrt_id) "
        "WHERE s.state = ? OR (? = '' AND s.state <> 'reversed')",
        *(state, state),
    )
    return [
        Settled(
            centre.purchases.get(row["mdtrt_id"], row["ipt_otp_no"]),
            *(row["setl_id"], row["origin"]),
            *(Decimal(row["medfee_sumamt"]), Decimal(row["fund_pay_sumamt"])),
        )
        for row in rows
    ]


def _settled(visits: list[Visit], centre: Centre) -> Iterator[str]:
    """Each visit has the same settlements, cancellations and sums on both sides."""
    theirs = {*_theirs(centre)}
    ours = {
        Settled(
            *(visit.ipt_otp_no, made.info.get("setl_id"), made.cancels),
            *(made.info.amount(code) or Decimal(0) for code in ("medfee_sumamt", FUND)),
        )
        for visit in visits
        for made in visit.settlements
    }
    for row in sorted(theirs - ours):
        yield f"the platform has settlement {row}, the journal does not"
    for row in sorted(ours - theirs):
        yield f"the journal has settlement {row}, the platform does not"
    for number, count in Counter(row.visit for row in _theirs(centre, "settled")).items():
        if count > 1:
            yield f"visit {number} is settled {count} times"


def _cancelled(parties: Parties) -> Iterator[str]:
    """Each settlement is cancelled once at most, and a cancellation gives all of it back."""
    centre = parties.centre
    refunds = _theirs(centre, "refund")
    origins = {row.setl_id: row for row in _theirs(centre, "refunded")}
    for setl_id, count in Counter(row.origin for row in refunds).items():
        if count > 1:
            yield f"settlement {setl_id} is cancelled {count} times"
    for row in refunds:
        origin = origins.pop(row.origin, None)
        if origin is None:
            yield f"{row}: what it cancels is not cancelled"
        elif (row.visit, row.total, row.fund) != (origin.visit, -origin.total, -origin.fund):
            yield f"{row}: it does not give back what {origin} took"
    for row in origins.values():
        yield f"{row}: it is cancelled, and nothing cancelled it"


def _told(parties: Parties) -> Iterator[str]:
    """What the hospital was told about money is what the platform has, visit by visit."""
    centre, hospital = parties.centre, parties.hospital
    paid = hospital.paid()
    live = {(row.visit, row.setl_id, "", row.fund) for row in _theirs(centre, "settled")}
    gone = {(r.visit, r.setl_id, r.origin, r.fund) for r in _theirs(centre, "refund")}
    told = {(said.visit, said.setl_id, said.cancels, said.fund) for said in paid}
    given = {(s.visit, s.setl_id, s.cancels, s.fund) for s in hospital.done(CANCEL)}
    for row in sorted((told | given) - (live | gone)):
        yield f"the hospital was told of {row}, the platform does not have it"
    for row in sorted((live | gone) - (told | given)):
        yield f"the platform has {row}, the hospital was not told"
    back = {said.visit for said in hospital.done(CANCEL)} - {said.visit for said in paid}
    back -= {said.visit for said in hospital.done(PURCHASE)}  # `_purchases` sees to them
    lines = centre.rows(
        "SELECT v.mdtrt_id, v.ipt_otp_no FROM charges AS c JOIN visits AS v USING (mdtrt_id) "
        "WHERE c.setl_id = '' AND NOT (v.state = 'cancelled' AND v.fixmedins_code = ?)",
        PHARMACY,
    )
    left = Counter(centre.purchases.get(line["mdtrt_id"], line["ipt_otp_no"]) for line in lines)
    for visit in sorted({*left} - back):
        yield f"{left[visit]} charge lines of {visit} are not settled"
    for visit in sorted(back - {*left}):
        yield f"the charge lines of {visit} are not open, and its settlement was cancelled"


def _purchases(centre: Centre) -> Iterator[str]:
    """A purchase that was taken back, or reversed, leaves nothing that could be settled."""
    for row in centre.rows(
        "SELECT mdtrt_id FROM visits AS v WHERE fixmedins_code = ? AND state <> 'cancelled' "
        "AND NOT EXISTS (SELECT 1 FROM settlements AS s "
        "WHERE s.mdtrt_id = v.mdtrt_id AND s.state = 'settled')",
        PHARMACY,
    ):
        number = centre.purchases.get(row["mdtrt_id"], row["mdtrt_id"])
        yield f"purchase {number} stands, and nothing of it is settled"


def _ledger(parties: Parties) -> Iterator[str]:
    """What the fund paid and got back is what the hospital was told, to the fen."""
    hospital = parties.hospital
    told = sum((said.fund for said in hospital.done(*PAYING, CANCEL)), Decimal(0))
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
