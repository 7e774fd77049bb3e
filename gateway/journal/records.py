"""What the journal takes and gives: plain structs, the same for every implementation.

Times are `yyyy-MM-dd HH:mm:ss.fff` in China Standard Time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from gateway.intents import Answer
from gateway.journal.states import SendState

BeginKind = Literal["new", "replay", "conflict", "running", "resume"]


class AuditEvent(msgspec.Struct, frozen=True):
    """One line for the audit.

    `station` is the station of the message's way, or the act of an operator. `detail` never has
    patient data: transaction numbers, message ids, states, amounts.
    """

    exchange_id: str
    station: str
    detail: dict[str, str] = {}


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit as stored; `hash` and `previous` are SM3 digests in hex."""

    seq: int
    time: str
    exchange_id: str
    station: str
    detail: dict[str, str]
    previous: str
    hash: str


class AuditSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the audit: those of a peer's exchanges in a span of numbers and time.

    `outcomes` are characters: 0 success, 4 refused or not sent, 8 unknown.
    """

    peer: str
    after: int
    until: int
    begin: str
    end: str
    outcomes: str
    limit: int
    offset: int


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """The last row of the audit: its number and its hash."""

    seq: int
    hash: str


class BreakKind(StrEnum):
    """What somebody did to the audit."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    """Rows at the end are gone."""
    HEAD = "head"
    """The record of the last row is missing or does not fit."""


class AuditBreak(msgspec.Struct, frozen=True):
    """One place where the audit is not what was written: `seq` is the row, `reason` says why."""

    seq: int
    kind: BreakKind
    reason: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of checking the whole chain.

    `rows` are the rows read, `head` the hash of the last one: written down elsewhere, it proves
    later that the chain was not made anew. `broken` lists at most `MAX_BREAKS` findings.
    """

    rows: int
    head: str
    broken: list[AuditBreak] = []

    @property
    def intact(self) -> bool:
        """True when every row is as it was written and none is missing."""
        return not self.broken


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message that arrives.

    `new`: never seen. `replay`: same content, `answer` is what was answered. `conflict`: the key
    was used for other content. `running`: this process is working on it. `resume`: an earlier
    process stopped before answering, or it was released; this one owns it now. `intent_context`
    is the context of the message as first stored.
    """

    exchange_id: str
    kind: BeginKind
    answer: Answer | None = None
    intent_context: dict[str, Any] = {}


class ExchangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message and how it was answered; safe to list.

    `status` is `open` before the first answer and then the answer's outcome. `final` is False
    while the answer may be replaced. `held` is False for one that was released: nothing was sent,
    and the same message again tries anew (known of a single row, `Journal.exchange`).
    """

    exchange_id: str
    protocol: str
    peer: str
    sender: str
    control_id: str
    kind: str
    fingerprint: str
    status: str
    final: bool
    received_at: str
    answered_at: str
    held: bool = True


class Send(msgspec.Struct, frozen=True):
    """One transaction about to be given to a platform.

    `exchange_id` is empty for a transaction of ours (sign-in). `visit_key` is required when
    `money`. `digest` is the SM3 hex digest of the input. `reverses` is the msgid that a 2601
    undoes.
    """

    msgid: str
    exchange_id: str
    infno: str
    visit_key: str = ""
    fixmedins_code: str = ""
    insuplc_admdvs: str = ""
    pooling_region: str = ""
    channel: str = ""
    digest: str = ""
    money: bool = False
    psn_no: str = ""
    reverses: str = ""


class SendRow(Send, frozen=True, kw_only=True):
    """A send and what became of it.

    `note` is the reason of a not-sent or unknown outcome, or what was written when it was
    resolved; never the platform's text, which may name a patient (`Journal.reply` has that).
    """

    state: SendState
    note: str = ""
    infcode: str = ""
    inf_refmsgid: str = ""
    created_at: str = ""
    updated_at: str = ""


class VisitRow(msgspec.Struct, frozen=True):
    """A visit; `data` belongs to the settlement room.

    `version` is the version that was read, 0 for a visit that is not stored yet. Storing succeeds
    only while that version is still the stored one, and makes the next.
    """

    key: str
    state: str
    version: int = 0
    data: bytes = b""


class BookRow(msgspec.Struct, frozen=True):
    """What longer work of the gateway keeps between its steps, such as a day's reconciliation.

    `data` belongs to whoever made it and may hold patient data. `version` as in `VisitRow`.
    """

    kind: str
    key: str
    state: str
    version: int = 0
    data: bytes = b""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a store without asking it.

    `parts` are those that have to work, by name. `failure` says why nothing can be written until
    the journal was opened anew; it is empty while writes are accepted.
    """

    parts: dict[str, bool]
    failure: str = ""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts for operators: rows by status or state, size of the store in bytes."""

    exchanges: dict[str, int]
    sends: dict[str, int]
    visits: dict[str, int]
    resources: int
    audit_rows: int
    size: int
