"""What is kept of a clearing month between its steps.

The centre lists the month's settlements of patients insured elsewhere (3260); the institution
confirms them in portions (3261) and may take a confirmation back (3262). A line of the centre has
identifiers of its own: `setl_sn` is A, the insured pooling region, yyMMdd, seven digits
(reference: cross-province, section 8). Amounts are `Decimal` in yuan.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from gateway.journal import BookRow, SendState
from gateway.settlement.office_keys import month_key

KIND = "clearing"
CONFIRMED, LEFT_OUT = "1", "0"
"""`cnfm_flag`."""
BY_HAND = "1"
"""`fulamt_advpay_flag` of a settlement that the agency reimbursed by hand."""


class MonthState(StrEnum):
    """Where a month stands."""

    FETCHING = "fetching"
    """Not every page is there."""
    OPEN = "open"
    """Listed and compared, nothing confirmed."""
    PARTLY = "partly-confirmed"
    CONFIRMED = "confirmed"
    """Every line was given with a decision."""
    UNKNOWN = "unknown"
    """A confirmation or its roll back has no known outcome: nothing goes on before it has."""


class LineFinding(StrEnum):
    """What is so about one line."""

    AGREES = "agrees"
    AMOUNTS_DIFFER = "amounts-differ"
    ONLY_THEIRS = "only-theirs"
    """We hold no such settlement."""
    BY_HAND = "by-hand"
    """Reimbursed by the agency itself; the institution settled nothing."""
    AMBIGUOUS = "ambiguous"
    """Several settlements of ours fit."""


class ClearingLine(msgspec.Struct, kw_only=True):
    """A line of 3260, and what of ours fits it.

    `our_medfee` and `our_pay` are our own sums, None where no settlement of ours fits. `gone` is
    set when a later extraction does not list the line any more.
    """

    seqno: int
    certno: str
    mdtrt_id: str
    mdtrt_setl_time: str
    setl_sn: str
    fulamt_advpay_flag: str
    medfee_sumamt: Decimal
    optins_pay_sumamt: Decimal
    finding: LineFinding = LineFinding.ONLY_THEIRS
    msgid: str = ""
    setl_id: str = ""
    our_medfee: Decimal | None = None
    our_pay: Decimal | None = None
    gone: bool = False

    @property
    def pool(self) -> str:
        """The insured pooling region that the centre's number names."""
        return self.setl_sn[1:7]


class Missing(msgspec.Struct, kw_only=True):
    """A settlement of ours of somebody insured elsewhere that the centre does not list."""

    msgid: str
    setl_id: str
    pool: str
    setl_time: str
    medfee_sumamt: Decimal
    pay_sumamt: Decimal


class Batch(msgspec.Struct, kw_only=True):
    """One 3261: which lines with which flag, and what became of it.

    `msgid` is empty while it is not known whether anything left; `number` counts the confirmations
    of the month. `undone_by` is the message id of the 3262 that took it back, or tries to. `own` is
    set for one that the hospital made itself by national JSON.
    """

    number: int
    flags: dict[str, str]
    msgid: str = ""
    state: SendState = SendState.SENDING
    inf_refmsgid: str = ""
    undone_by: str = ""
    undo_state: SendState | None = None
    own: bool = False

    @property
    def stands(self) -> bool:
        """True while the centre has it confirmed, as far as we know."""
        return self.state in (SendState.ACCEPTED, SendState.CONFIRMED) and not self.undone

    @property
    def undone(self) -> bool:
        """True when a 3262 took it back."""
        return self.undo_state in (SendState.ACCEPTED, SendState.CONFIRMED)

    @property
    def unknown(self) -> bool:
        """True while nobody knows whether it, or its roll back, took effect."""
        open_ = (SendState.UNKNOWN, SendState.SENDING)
        return not self.undone and (self.state in open_ or self.undo_state in open_)


class ClearingMonth(msgspec.Struct, kw_only=True):
    """A month of an institution; `complete` when every page of 3260 was there once.

    `incoming` are the pages of an extraction under way. While `busy_until` has not come, `node` is
    in the middle of a step. `undoings` are the roll backs before the one under way. `note` is the
    last reason why a step did not end well.
    """

    fixmedins_code: str
    year: str
    month: str
    complete: bool = False
    fetched_at: str = ""
    lines: list[ClearingLine] = []
    missing: list[Missing] = []
    batches: list[Batch] = []
    incoming: list[ClearingLine] = []
    incoming_at: str = ""
    node: str = ""
    busy_until: str = ""
    undoings: list[str] = []
    note: str = ""

    @property
    def key(self) -> str:
        """Key of the month's book."""
        return book_key(self.fixmedins_code, self.year, self.month)

    @property
    def money_key(self) -> str:
        """What one money transaction at a time is in flight for: this month."""
        return month_key(self.fixmedins_code, self.year, self.month)

    def flags(self) -> dict[str, str]:
        """`setl_sn` to the flag it stands confirmed or left out with."""
        given: dict[str, str] = {}
        for batch in self.batches:
            if batch.stands:
                given |= batch.flags
        return given

    def open_lines(self) -> list[ClearingLine]:
        """The lines that were given no flag yet."""
        given = self.flags()
        return [line for line in self.lines if line.setl_sn not in given and not line.gone]

    @property
    def state(self) -> MonthState:
        """Where it stands."""
        if any(batch.unknown for batch in self.batches):
            return MonthState.UNKNOWN
        if not self.complete:
            return MonthState.FETCHING
        if not self.flags():
            return MonthState.OPEN if self.lines else MonthState.CONFIRMED
        return MonthState.PARTLY if self.open_lines() else MonthState.CONFIRMED


def book_key(fixmedins_code: str, year: str, month: str) -> str:
    """The key of a month's book."""
    return f"{fixmedins_code}/{year}-{month}"


def decode_month(row: BookRow) -> ClearingMonth:
    """A month from the journal."""
    return msgspec.json.decode(row.data, type=ClearingMonth)


def encode_month(month: ClearingMonth, row: BookRow | None) -> BookRow:
    """A month for the journal, over the book that was read."""
    version = row.version if row is not None else 0
    return BookRow(KIND, month.key, month.state.value, version, msgspec.json.encode(month))
