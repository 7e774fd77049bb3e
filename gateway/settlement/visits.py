"""What the gateway knows of a visit, and the transitions a visit can make.

Rules of the tables below (sources: reference/rules.md sections 2, 9, 10; matrix 1.6 and part 5):

1. A visit begins with a registration (2201) or an admission (2401) that the platform accepted.
2. Charge lines go up in batches; the lines of a settled batch cannot be withdrawn (2205).
3. An outpatient settlement (2207) settles one charge batch; an inpatient settlement (2304) what is
   open of the stay, and ends it. After an outpatient settlement further batches may follow, and
   after a settlement during the stay (mid_setl_flag 1), which leaves the stay as it is.
4. Undoing runs backwards: 2208 before 2205 before 2202; 2305 before 2405 before 2302 before 2404;
   of several settlements of a stay the last one first.
5. A registration is cancelled (2202) only while nothing is charged or settled; an admission
   (2404) only while the patient is not discharged and no settlement of the stay stands.
6. A purchase in a pharmacy is settled and charged by one transaction (2102), and taken back whole
   (2103); then it is over.
7. An event that is not in the row of the present state does not exist: `StateError`.
8. What is said for the settlement list alone is no event of the visit, and stands beside it.
9. What the table forbids is not sent. Where the platform has accepted it all the same, `StateError`
   makes the outcome of the transaction unknown, which stops the visit: of a message's, and of one
   that a hospital composed itself (national JSON; decision 18).

An event is what the platform accepted. `settled-in-stay` stands for a settlement with
mid_setl_flag 1; `unsettled` stands for a settlement that was undone (2208,
2305, or 2601 of 2207 or 2304), `unsettled-in-stay` for the same before the discharge; `withdrawn`
for charge batches taken back with none left, `trimmed` for the same when settled ones stay.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from gateway.errors import StateError
from gateway.intents import Record, Settlement, VisitClass


class VisitState(StrEnum):
    """Where a visit stands."""

    NONE = "none"
    REGISTERED = "registered"
    CHARGED = "charged"
    ADMITTED = "admitted"
    DISCHARGED = "discharged"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class VisitEvent(StrEnum):
    """What the platform accepted."""

    REGISTERED = "registered"
    DESCRIBED = "described"
    CHARGED = "charged"
    WITHDRAWN = "withdrawn"
    TRIMMED = "trimmed"
    SETTLED = "settled"
    SETTLED_IN_STAY = "settled-in-stay"
    UNSETTLED = "unsettled"
    UNSETTLED_IN_STAY = "unsettled-in-stay"
    CANCELLED = "cancelled"
    ADMITTED = "admitted"
    DISCHARGED = "discharged"
    UNDISCHARGED = "undischarged"


_S, _E = VisitState, VisitEvent

OUTPATIENT_TRANSITIONS: dict[VisitState, dict[VisitEvent, VisitState]] = {
    _S.NONE: {_E.REGISTERED: _S.REGISTERED},
    _S.REGISTERED: {
        _E.DESCRIBED: _S.REGISTERED,
        _E.CHARGED: _S.CHARGED,
        _E.CANCELLED: _S.CANCELLED,
    },
    _S.CHARGED: {
        _E.DESCRIBED: _S.CHARGED,
        _E.CHARGED: _S.CHARGED,
        _E.WITHDRAWN: _S.REGISTERED,
        _E.TRIMMED: _S.SETTLED,
        _E.SETTLED: _S.SETTLED,
        _E.UNSETTLED: _S.CHARGED,
    },
    _S.SETTLED: {
        _E.DESCRIBED: _S.SETTLED,
        _E.CHARGED: _S.CHARGED,
        _E.TRIMMED: _S.SETTLED,
        _E.SETTLED: _S.SETTLED,
        _E.UNSETTLED: _S.CHARGED,
    },
    _S.CANCELLED: {},
}

INPATIENT_TRANSITIONS: dict[VisitState, dict[VisitEvent, VisitState]] = {
    _S.NONE: {_E.ADMITTED: _S.ADMITTED},
    _S.ADMITTED: {
        _E.DESCRIBED: _S.ADMITTED,
        _E.CHARGED: _S.ADMITTED,
        _E.WITHDRAWN: _S.ADMITTED,
        _E.TRIMMED: _S.ADMITTED,
        _E.SETTLED: _S.SETTLED,
        _E.SETTLED_IN_STAY: _S.ADMITTED,
        _E.UNSETTLED_IN_STAY: _S.ADMITTED,
        _E.DISCHARGED: _S.DISCHARGED,
        _E.CANCELLED: _S.CANCELLED,
    },
    _S.DISCHARGED: {
        _E.DESCRIBED: _S.DISCHARGED,
        _E.CHARGED: _S.DISCHARGED,
        _E.WITHDRAWN: _S.DISCHARGED,
        _E.TRIMMED: _S.DISCHARGED,
        _E.SETTLED: _S.SETTLED,
        _E.SETTLED_IN_STAY: _S.DISCHARGED,
        _E.UNSETTLED: _S.DISCHARGED,
        _E.UNDISCHARGED: _S.ADMITTED,
    },
    _S.SETTLED: {_E.UNSETTLED: _S.DISCHARGED, _E.UNSETTLED_IN_STAY: _S.ADMITTED},
    _S.CANCELLED: {},
}

PHARMACY_TRANSITIONS: dict[VisitState, dict[VisitEvent, VisitState]] = {
    _S.NONE: {_E.SETTLED: _S.SETTLED},
    _S.SETTLED: {_E.CANCELLED: _S.CANCELLED},
    _S.CANCELLED: {},
}

TRANSITIONS = {
    VisitClass.OUTPATIENT: OUTPATIENT_TRANSITIONS,
    VisitClass.INPATIENT: INPATIENT_TRANSITIONS,
    VisitClass.PHARMACY: PHARMACY_TRANSITIONS,
}


def transition(visit_class: VisitClass, state: VisitState, event: VisitEvent) -> VisitState:
    """The state after an event.

    Raises:
        StateError: the table has no such transition.
    """
    try:
        return TRANSITIONS[visit_class][state][event]
    except KeyError:
        raise StateError(f"{visit_class} visit, {state}: {event} cannot happen") from None


class Line(msgspec.Struct, kw_only=True):
    """An uploaded charge line.

    `key` is how the sender numbers it, empty when it does not. `amount` is in yuan.
    """

    feedetl_sn: str
    key: str
    item: str
    amount: str


class Batch(msgspec.Struct, kw_only=True):
    """A charge batch that the platform took.

    The four split sums are those of the platform's reply to 2204 (field names of 2207), or of 2206
    where that reply does not split every line; empty while the platform has not said them.
    """

    chrg_bchno: str
    lines: list[Line] = []
    setl_id: str = ""
    msgid: str = ""
    """Message id of the upload."""
    fulamt_ownpay_amt: str = ""
    overlmt_selfpay: str = ""
    preselfpay_amt: str = ""
    inscp_scp_amt: str = ""

    @property
    def amount(self) -> Decimal:
        """Sum of the lines, yuan."""
        return sum((Decimal(line.amount) for line in self.lines), Decimal("0.00"))

    @property
    def is_split(self) -> bool:
        """True when the platform has said how the amount is split."""
        return bool(self.inscp_scp_amt)


class Listed(msgspec.Struct, kw_only=True):
    """What the hospital said for the settlement list only, as earlier releases kept it.

    It stands in the book of the stay now (`gateway.settlement.listing.stays`).
    """

    procedures: list[Record] = []
    """Those of the last message that stated any."""
    diagnoses: list[Record] = []
    """The whole list, as stated after the stay was settled."""


class Visit(msgspec.Struct, kw_only=True):
    """A visit as the platform last confirmed it.

    `person`, `visit` and `diagnoses` hold what later messages of the visit need not repeat; an
    e-voucher token is never kept.
    """

    fixmedins_code: str
    ipt_otp_no: str
    visit_class: VisitClass
    state: VisitState = VisitState.NONE
    person: Record = msgspec.field(default_factory=Record)
    visit: Record = msgspec.field(default_factory=Record)
    diagnoses: list[Record] = []
    batches: list[Batch] = []
    settlements: list[Settlement] = []
    listed: Listed = msgspec.field(default_factory=Listed)
    last_number: int = 0
    """The last charge number that the gateway gave."""
    version: int = 0

    @property
    def key(self) -> str:
        """Key of the visit before it has an mdtrt_id."""
        return visit_key(self.fixmedins_code, self.ipt_otp_no)

    def apply(self, event: VisitEvent) -> None:
        """Make a transition.

        Raises:
            StateError: the table has no such transition.
        """
        self.state = transition(self.visit_class, self.state, event)

    def open_batches(self) -> list[Batch]:
        """Uploaded and not settled, oldest first."""
        return [batch for batch in self.batches if not batch.setl_id]

    def batch(self, chrg_bchno: str) -> Batch | None:
        """The batch of this number."""
        return next((b for b in self.batches if b.chrg_bchno == chrg_bchno), None)

    def live_settlements(self) -> list[Settlement]:
        """Settlements that were not cancelled."""
        cancelled = {s.cancels for s in self.settlements if s.cancels}
        return [
            s for s in self.settlements if not s.cancels and s.info.get("setl_id") not in cancelled
        ]

    def line(self, key: str) -> tuple[Batch, Line] | None:
        """The uploaded line that the sender numbered `key`."""
        for batch in self.batches:
            for line in batch.lines:
                if key and line.key == key:
                    return batch, line
        return None


def visit_key(fixmedins_code: str, number: str) -> str:
    """Key of a visit: the institution and its visit number, or the platform's mdtrt_id."""
    return f"{fixmedins_code}/{number}"


LASTING_CERTIFICATES = frozenset({"02", "03"})
"""Identity card and social-security card; any other number may be a one-time token."""

_TOKEN_FIELDS = ("mdtrt_cert_no", "card_sn")


def encode_visit(visit: Visit) -> bytes:
    """The visit for the journal: without sources and without an e-voucher token."""
    person = visit.person.without_sources()
    if person.get("mdtrt_cert_type") not in LASTING_CERTIFICATES:
        for code in _TOKEN_FIELDS:
            person.values.pop(code, None)
    return msgspec.json.encode(
        msgspec.structs.replace(
            visit,
            person=person,
            visit=visit.visit.without_sources(),
            diagnoses=[d.without_sources() for d in visit.diagnoses],
            listed=Listed(
                procedures=[p.without_sources() for p in visit.listed.procedures],
                diagnoses=[d.without_sources() for d in visit.listed.diagnoses],
            ),
        )
    )


def decode_visit(data: bytes, version: int) -> Visit:
    """The visit from the journal."""
    visit = msgspec.json.decode(data, type=Visit)
    visit.version = version
    return visit
