"""What can go wrong, and what is certain about the money when it does.

The tree::

    GatewayError
    ├── ConfigurationError      a setting, map, table or definition is wrong: nothing runs with it
    ├── MessageError            the sender's message: carries the problems, nothing was sent
    │   ├── UnreadableError     its bytes are not a message
    │   ├── UnsupportedError    its type, event or version is not served
    │   ├── InvalidError        its content breaks a rule
    │   └── DuplicateError      its key was used for other content
    ├── NotSentError            provably nothing left for the platform: the sender may try again
    ├── UnknownOutcomeError     a request left and no readable reply came: do not repeat
    ├── StateError              a transition that the tables do not have: stops that visit
    └── JournalError            the journal could not store: the gateway stops accepting

A `Problem` is one finding in a message. It is written once, in both languages, with its place in
the words of the sender's message, and becomes an ERR segment, an OperationOutcome issue, a row of
a table or a log event. A problem never contains a name, a certificate number or a card number.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad a problem is; an error stops the message, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


class ProblemKind(StrEnum):
    """The class of a problem, from which HL7 table 0357 and FHIR issue types are derived."""

    STRUCTURE = "structure"
    """Segments or elements out of order, or not parsable."""
    REQUIRED = "required"
    TYPE = "type"
    VALUE = "value"
    LENGTH = "length"
    UNSUPPORTED_TYPE = "unsupported-type"
    UNSUPPORTED_EVENT = "unsupported-event"
    UNSUPPORTED_PROCESSING = "unsupported-processing"
    UNSUPPORTED_VERSION = "unsupported-version"
    NOT_FOUND = "not-found"
    """A key (visit, settlement, institution) that is not known."""
    DUPLICATE = "duplicate"
    LOCKED = "locked"
    """A record that waits for an outcome."""
    NO_CODE = "no-code"
    """A local code without a national code on the date of service."""
    BUSINESS = "business"
    """The platform, or a rule of ours before the send, refused."""
    NOT_SENT = "not-sent"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    TOO_COSTLY = "too-costly"
    """A limit of size, count or rate."""
    INTERNAL = "internal"


class ProblemCode(StrEnum):
    """Stable codes that a sender may act upon; documented in docs/reference/problems.md."""

    READ_SYNTAX = "READ-SYNTAX"
    READ_CHARSET = "READ-CHARSET"
    READ_LIMIT = "READ-LIMIT"
    TYPE_UNSUPPORTED = "TYPE-UNSUPPORTED"
    EVENT_UNSUPPORTED = "EVENT-UNSUPPORTED"
    VERSION_UNSUPPORTED = "VERSION-UNSUPPORTED"
    PROCESSING_UNSUPPORTED = "PROCESSING-UNSUPPORTED"
    FIELD_REQUIRED = "FIELD-REQUIRED"
    FIELD_TYPE = "FIELD-TYPE"
    FIELD_VALUE = "FIELD-VALUE"
    FIELD_LENGTH = "FIELD-LENGTH"
    NODE_COUNT = "NODE-COUNT"
    SEQUENCE_NUMBER = "SEQUENCE-NUMBER"
    INPUT_LIMIT = "INPUT-LIMIT"
    MAP_NO_CODE = "MAP-NO-CODE"
    AMOUNT_MISMATCH = "AMOUNT-MISMATCH"
    CURRENCY = "CURRENCY"
    VISIT_UNKNOWN = "VISIT-UNKNOWN"
    VISIT_STATE = "VISIT-STATE"
    VISIT_HELD = "VISIT-HELD"
    SETTLEMENT_UNKNOWN = "SETTLEMENT-UNKNOWN"
    CHARGE_UNKNOWN = "CHARGE-UNKNOWN"
    DUPLICATE_KEY = "DUPLICATE-KEY"
    PERSON_CONFLICT = "PERSON-CONFLICT"
    INSTITUTION_UNKNOWN = "INSTITUTION-UNKNOWN"
    PEER_DENIED = "PEER-DENIED"
    VERSION_CONFLICT = "VERSION-CONFLICT"
    LOGIN_NEEDED = "LOGIN-NEEDED"
    SCOPE_DENIED = "SCOPE-DENIED"
    REGION_EMPTY = "REGION-EMPTY"
    REGION_UNKNOWN = "REGION-UNKNOWN"
    ROUTE_MISSING = "ROUTE-MISSING"
    COVERAGE_NONE = "COVERAGE-NONE"
    COVERAGE_AMBIGUOUS = "COVERAGE-AMBIGUOUS"
    TOKEN_GONE = "TOKEN-GONE"  # noqa: S105 - a problem code, not a secret
    FSI_REJECT = "FSI-REJECT"
    FSI_NOTSENT = "FSI-NOTSENT"
    FSI_UNKNOWN = "FSI-UNKNOWN"
    FSI_REVERSED = "FSI-REVERSED"
    FSI_REPLY = "FSI-REPLY"
    FSI_MISMATCH = "FSI-MISMATCH"
    NOT_SUPPORTED = "NOT-SUPPORTED"
    NOT_FOUND = "NOT-FOUND"
    QUERY_UNKNOWN = "QUERY-UNKNOWN"
    LIMIT_BUSY = "LIMIT-BUSY"
    IN_PROGRESS = "IN-PROGRESS"
    INTERNAL = "INTERNAL"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding, with its place in the words of the sender's message.

    `place` is an HL7 location (`FT1[2]-7[1].1`: segment and occurrence, field and repetition,
    component), a FHIRPath (`Claim.item[1].productOrService`) or a path in the national JSON
    (`input.feedetail[1].cnt`); it is empty when the whole message is meant. `field` is the
    national field code where one is concerned. `detail` is for support staff (transaction number,
    message ids) and, like the texts, never identifies a patient.
    """

    kind: ProblemKind
    code: ProblemCode
    zh: str
    en: str
    place: str = ""
    field: str = ""
    remedy_zh: str = ""
    remedy_en: str = ""
    detail: str = ""
    severity: Severity = Severity.ERROR

    @property
    def stops(self) -> bool:
        """True when a message with this problem is not sent."""
        return self.severity is Severity.ERROR

    def at(self, place: str) -> Problem:
        """The same problem at another place."""
        return msgspec.structs.replace(self, place=place)


class GatewayError(Exception):
    """Something in the gateway failed."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class ConfigurationError(GatewayError):
    """A setting, map, table or definition is wrong.

    `file` and `line` (1-based, 0 when not known) say where.
    """

    def __init__(self, reason: str, *, file: str = "", line: int = 0) -> None:
        self.reason, self.file, self.line = reason, file, line
        where = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(f"{where}{reason}")


class MessageError(GatewayError):
    """The sender's message cannot be carried out; nothing was sent."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.code} {p.place}".strip() for p in self.problems))


class UnreadableError(MessageError):
    """The bytes are not a message of the protocol."""


class UnsupportedError(MessageError):
    """The type, event, version or interaction is not served."""


class InvalidError(MessageError):
    """The content of the message breaks a rule."""


class DuplicateError(MessageError):
    """The key of the message was used before for other content."""


class NotSentError(GatewayError):
    """Provably nothing left for the platform; the sender may try again.

    `retry_after` is in seconds.
    """

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        self.reason, self.retry_after = reason, retry_after
        super().__init__(reason)


class StepError(GatewayError):
    """A step that an operator asked for cannot be taken; it has changed nothing, and sent nothing.

    The text says why and what to do; `zh` says the same in Chinese.
    """

    def __init__(self, zh: str, en: str) -> None:
        self.zh = zh
        super().__init__(en)


class UnknownOutcomeError(GatewayError):
    """A request left and no readable reply came; it must not be repeated."""


class StateError(GatewayError):
    """The transition is not in the table; the visit is stopped until somebody looks."""


class JournalError(GatewayError):
    """The journal could not store what must be durable."""
