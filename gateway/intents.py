"""The few types everything is made of: plain structs, no I/O.

A message of any protocol becomes an `Intent`: one verb and records whose fields are named by the
national field codes (`psn_no`, `medfee_sumamt`; reference: the definitions in
`gateway/fsi/definitions`). The pipeline turns an intent into calls and the calls into a `Result`,
from which the answer is written in the language of the question. HL7 and FHIR know only these two.

Values of records are text. An amount is its exact decimal text in yuan ("12.50"), a time is
`yyyy-MM-dd HH:mm:ss` in China Standard Time, a date `yyyy-MM-dd`. An absent key means nothing was
stated; an empty value means the sender stated that there is none (HL7 `""`). Arithmetic is done
in `decimal.Decimal` and never in binary floats.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from gateway.errors import Problem
from gateway.verbs import Verb as Verb  # noqa: PLC0414 - a word of intents
from gateway.verbs import VisitClass as VisitClass  # noqa: PLC0414 - a word of intents


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a value came from: its place in the message, what stood there, which map line took it.

    `raw` may identify a patient: it is shown by `gateway explain` to the person who holds the
    file, and never logged or stored.
    """

    place: str
    raw: str = ""
    rule: str = ""


class Record(msgspec.Struct):
    """One record of an intent: values by national field code, and where each came from."""

    values: dict[str, str] = {}
    sources: dict[str, Source] = {}

    def get(self, code: str, default: str = "") -> str:
        """The value, or `default` when absent or stated to be empty."""
        return self.values.get(code) or default

    def has(self, code: str) -> bool:
        """True when a non-empty value is there."""
        return bool(self.values.get(code))

    def set(self, code: str, value: str, source: Source | None = None) -> None:
        """Set a value, and its source when one is given."""
        self.values[code] = value
        if source is not None:
            self.sources[code] = source

    def place(self, code: str) -> str:
        """The place in the sender's message, empty when the value did not come from it."""
        source = self.sources.get(code)
        return source.place if source else ""

    def amount(self, code: str) -> Decimal:
        """The value as an exact amount; an absent one is zero.

        Raises:
            decimal.InvalidOperation: the text is no number.
        """
        return Decimal(self.values.get(code) or "0")

    def fill_from(self, other: Record) -> None:
        """Take every value of `other` that is absent here."""
        for code, value in other.values.items():
            if code not in self.values:
                self.values[code] = value
                if code in other.sources:
                    self.sources[code] = other.sources[code]

    def without_sources(self) -> Record:
        """A copy for storage."""
        return Record(dict(self.values))


class Intent(msgspec.Struct, kw_only=True):
    """One verb and its records.

    `person`: psn_no, psn_name, certno, psn_cert_type, mdtrt_cert_type, mdtrt_cert_no, card_sn,
    gend, brdy, insuplc_admdvs, insutype, psn_type. `visit`: ipt_otp_no (the hospital's own visit
    number), mdtrt_id, med_type, begntime, endtime, department, physician, bed, discharge fields.
    `settlement`: options and claimed totals (psn_setlway, acct_used_flag, invono, mid_setl_flag,
    medfee_sumamt, chrg_bchno, setl_id). `facility`: fixmedins_code, fixmedins_name, and the
    operator (opter, opter_name, opter_type). `filing`: what is filed or withdrawn, and its number
    (trt_dcla_detl_sn). `listing`: what only the settlement list (4101) has. `query`: what a query
    asks by, where that is not the person's own (begntime, endtime, med_type, setl_id, cum_ym,
    prac_psn_code). `carried`: for `Verb.CARRY` only, the sender's own transaction input.
    """

    verb: Verb
    visit_class: VisitClass | None = None
    person: Record = msgspec.field(default_factory=Record)
    visit: Record = msgspec.field(default_factory=Record)
    facility: Record = msgspec.field(default_factory=Record)
    settlement: Record = msgspec.field(default_factory=Record)
    filing: Record = msgspec.field(default_factory=Record)
    query: Record = msgspec.field(default_factory=Record)
    listing: Record = msgspec.field(default_factory=Record)
    entries: list[Record] = []
    """Entries of a master file: `action` (add, change, remove), `key`, and fields."""
    if_known: bool = False
    """Nothing is to be done, and nothing wrong, where there is no such visit."""
    also: list[Verb] = []
    """Further queries about the same person (`find-...`), made after the one of the verb."""
    diagnoses: list[Record] = []
    charges: list[Record] = []
    procedures: list[Record] = []
    """Operations and procedures, for the settlement list only."""
    movements: list[Record] = []
    """Where the patient was, for the settlement list only: `ward` (the hospital's own code),
    `begntime`; `endtime` and `scs_cutd_ward_type` where stated; `cancels` takes the last one back.
    """
    movements_complete: bool = False
    """The movements are the whole stay; otherwise they follow those that are known."""
    transfusions: list[Record] = []
    """Blood that was given, for the settlement list only: `bld_cat`, `bld_amt`, `bld_unt`."""
    diagnoses_complete: bool = True
    """The diagnoses are the whole list: one that is missing was withdrawn."""
    check_entitlement: bool = False
    presettle_after: bool = False
    """After the charge lines, compute the settlement and stop."""
    more_follows: bool = False
    """A part of a message, after which another one was to come."""
    own_charges_only: bool = False
    """Settle the lines of this message only (a claim), not all that is open (a payment line)."""
    coded: bool = False
    """The codes are national already: a stored intent is not translated twice."""
    carried_infno: str = ""
    carried: dict[str, Any] = {}
    carried_header: Record = msgspec.field(default_factory=Record)
    numbers: list[str] = []
    """The settlements (setl_id), of a refund the charge batches, that are meant where they are
    several, in the order in which they were made."""
    not_meant: list[str] = []
    """Open charge batches that a message which is taken up again is not about."""
    place: str = ""
    """Where the message as a whole is spoken of (`MSH-9`, `Claim`)."""


class Reply(msgspec.Struct, kw_only=True):
    """A parsed reply of the platform."""

    infcode: str
    inf_refmsgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    output: dict[str, Any] = {}
    content: bytes = b""
    """The file, where a transaction answers with one in place of an envelope (9102)."""


class Accepted(msgspec.Struct, tag="accepted"):
    """Parsed reply, `infcode` 0."""

    reply: Reply


class Rejected(msgspec.Struct, tag="rejected"):
    """Parsed reply of the platform that refuses."""

    reply: Reply


class NotSent(msgspec.Struct, tag="not-sent"):
    """Provably nothing took effect: no connection, breaker open, refused by the outer gateway."""

    reason: str


class Unknown(msgspec.Struct, tag="unknown"):
    """Something left and no readable, trusted reply came."""

    reason: str


Outcome = Accepted | Rejected | NotSent | Unknown


class Call(msgspec.Struct, kw_only=True):
    """One transaction to make.

    `input` is the object of nodes of the definition; numbers in it are `Decimal`.
    """

    infno: str
    input: dict[str, Any]
    fixmedins_code: str
    fixmedins_name: str
    mdtrtarea_admvs: str
    insuplc_admdvs: str = ""
    opter: str = ""
    opter_name: str = ""
    opter_type: str = "1"
    psn_no: str = ""
    visit_key: str = ""
    money: bool = False
    """Settles or cancels money: its unknown outcome holds the visit."""
    msgid: str = ""
    """The sender's own message id (national JSON), kept when it is well formed."""
    reverses: str = ""
    """For 2601: the msgid that it undoes."""
    batches: tuple[str, ...] = ()
    """The charge batches that it uploads, settles or withdraws; they go into the audit."""


class CallReport(msgspec.Struct, kw_only=True):
    """What became of one call; safe to log and to store."""

    infno: str
    msgid: str
    outcome: str
    """`accepted`, `rejected`, `not-sent` or `unknown`."""
    inf_refmsgid: str = ""
    pooling_region: str = ""
    route_class: str = ""
    seconds: float = 0.0


class Settlement(msgspec.Struct, kw_only=True):
    """One settlement or pre-settlement as the platform gave it: setlinfo and its funds.

    `infno` and `msgid` name the call that made it; `chrg_bchno` the charge batch (outpatient).
    `cancels` is the setl_id that this one reverses. `ends_stay` tells the settlement of a whole
    stay from one during it (mid_setl_flag 1).
    """

    infno: str
    msgid: str
    info: Record
    funds: list[Record] = []
    chrg_bchno: str = ""
    cancels: str = ""
    ends_stay: bool = False


class Status(StrEnum):
    """What is told to the sender about the whole message."""

    DONE = "done"
    INVALID = "invalid"
    """A check of ours stopped it; nothing was sent."""
    REJECTED = "rejected"
    """The platform refused a call."""
    NOT_SENT = "not-sent"
    UNKNOWN = "unknown"
    REVERSED = "reversed"
    """The outcome was unknown and the platform has since undone it: nothing was charged."""


class EntryResult(msgspec.Struct, kw_only=True):
    """What became of one entry of a master file."""

    key: str
    status: Status
    problems: list[Problem] = []


class Result(msgspec.Struct, kw_only=True):
    """The records again, now with what the platform said."""

    status: Status
    intent: Intent
    problems: list[Problem] = []
    calls: list[CallReport] = []
    insurances: list[Record] = []
    """Rows of 1101 insuinfo."""
    identities: list[Record] = []
    """Rows of 1101 idetinfo."""
    entitlements: list[Record] = []
    """Rows of 2001 trtinfo."""
    entries: list[EntryResult] = []
    """One for each entry of a master file that was come to."""
    found: dict[str, list[Record]] = {}
    """Rows that a query found, by the verb that asked for them (`find-chronic`)."""
    charge_results: list[Record] = []
    """Rows of 2204 or 2301 result, or of 2101 or 2102 detlcutinfo, by feedetl_sn."""
    settlements: list[Settlement] = []
    presettlement: Settlement | None = None
    output: dict[str, Any] = {}
    """Output of the carried transaction (`Verb.CARRY`)."""
    reply: Reply | None = None
    """The last reply, for `Verb.CARRY`."""
    retry_after: int = 0


class Message(msgspec.Struct, kw_only=True):
    """A message that was read.

    `control_id` is MSH-10, Claim.identifier or msgid; `sender` what makes it unique (peer,
    MSH-3 and MSH-4; peer and identifier system). `fingerprint` is an SM3 hex digest of the content
    without the e-voucher token. `context` is what is needed to write the answer later, JSON-ready,
    without token. `document` is the parsed form, of the protocol's own type.
    """

    protocol: str
    peer: str
    sender: str
    control_id: str
    kind: str
    """Event or interaction: `ADT^A04`, `create Claim`, `2207`; safe to log."""
    fingerprint: str
    context: dict[str, Any] = {}
    document: Any = None


class Resource(msgspec.Struct, kw_only=True):
    """A resource to be kept with the answer, for later reads and searches.

    `body` is JSON; `search` maps search parameter names to token texts (`system|value` and
    `value`).
    """

    type: str
    id: str
    body: bytes
    search: dict[str, list[str]] = {}


class Answer(msgspec.Struct, kw_only=True):
    """What goes back, stored with the exchange so that the same message gets the same answer."""

    body: bytes
    content_type: str = ""
    status: int = 200
    headers: dict[str, str] = {}
    outcome: Status = Status.DONE
    resources: list[Resource] = []
    further: list[bytes] = []
    """Messages of ours that follow as exchanges of their own; not stored with the answer."""
    final: bool = True
    """False when a later answer will replace this one (unknown outcome)."""
