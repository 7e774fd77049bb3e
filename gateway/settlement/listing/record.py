"""What is kept of a settlement list between its steps."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from gateway.errors import Problem
from gateway.journal import BookRow, SendState
from gateway.settlement.office_keys import list_key

KIND = "settlement-list"


class ListState(StrEnum):
    """Where a list stands; the last four are those of the centre (4102, `stas_type`)."""

    PREPARED = "prepared"
    """Collected here; the centre has none."""
    UNKNOWN = "unknown"
    """An upload or a submission has no known outcome: 4103 reads it back."""
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"


STAS_TYPES = {
    "0": ListState.UPLOADED,
    "1": ListState.SUBMITTED,
    "2": ListState.APPROVED,
    "3": ListState.REFUSED,
}
"""`stas_type` -> our state (reference: rules section 17)."""


class Step(msgspec.Struct, kw_only=True):
    """A transaction about a list and what became of it; `digest` is that of the list it carried."""

    infno: str
    msgid: str
    state: SendState
    digest: str = ""
    note: str = ""


class QualityFinding(msgspec.Struct, kw_only=True):
    """A finding of the centre's quality control (4104)."""

    field: str
    text: str
    level: str = ""
    value: str = ""


class SettlementList(msgspec.Struct, kw_only=True):
    """The list of one settlement.

    `additions` is what was given beside what is stored. `uploaded` is the digest of the list that
    the centre has, empty when it has none as far as we know.
    """

    fixmedins_code: str
    setl_id: str
    psn_no: str
    mdtrt_id: str
    msgid: str
    setl_time: str
    insuplc_admdvs: str
    infno: str
    input: dict[str, Any]
    additions: dict[str, Any] = {}
    origins: dict[str, str] = {}
    """Where each field is from, by its path."""
    notes: list[Problem] = []
    """What was found when it was collected, beside what the check finds."""
    prepared_at: str = ""
    state: ListState = ListState.PREPARED
    setl_list_id: str = ""
    digest: str = ""
    uploaded: str = ""
    own: str = ""
    """Message id of the upload by which the hospital sent a list of its own."""
    sending: str = ""
    """Digest of the list that was last given to be sent."""
    steps: list[Step] = []
    findings: list[QualityFinding] = []
    asked_at: str = ""
    """When the centre was last asked for the state."""
    note: str = ""

    @property
    def key(self) -> str:
        """Key of the list's book."""
        return book_key(self.fixmedins_code, self.setl_id)

    @property
    def send_key(self) -> str:
        """What the sends of this list are found by."""
        return list_key(self.fixmedins_code, self.setl_id)

    @property
    def is_current(self) -> bool:
        """True when the centre has the list as it was last prepared."""
        return bool(self.uploaded) and self.uploaded == self.digest


def book_key(fixmedins_code: str, setl_id: str) -> str:
    """The key of a list's book."""
    return f"{fixmedins_code}/{setl_id}"


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(SettlementList, float_hook=Decimal).decode


def decode_list(row: BookRow) -> SettlementList:
    """A list from the journal; its numbers are `Decimal` or `int`."""
    return _decode(row.data)


def encode_list(held: SettlementList, row: BookRow | None) -> BookRow:
    """A list for the journal, over the book that was read."""
    version = row.version if row is not None else 0
    return BookRow(KIND, held.key, held.state.value, version, _encode(held))
