"""What happened and what is owed: the durable store and its audit chain."""

from gateway.journal.opening import open_journal
from gateway.journal.protocol import Journal
from gateway.journal.records import (
    AuditBreak,
    AuditEvent,
    AuditHead,
    AuditReport,
    AuditRow,
    AuditSearch,
    BeginKind,
    Begun,
    BookRow,
    BreakKind,
    ExchangeRow,
    Health,
    Send,
    SendRow,
    Stats,
    VisitRow,
)
from gateway.journal.sqlite import SQLiteJournal
from gateway.journal.states import SEND_TRANSITIONS, STAGE_TRANSITIONS, SendState, Stage

__all__ = [
    "SEND_TRANSITIONS",
    "STAGE_TRANSITIONS",
    "AuditBreak",
    "AuditEvent",
    "AuditHead",
    "AuditReport",
    "AuditRow",
    "AuditSearch",
    "BeginKind",
    "Begun",
    "BookRow",
    "BreakKind",
    "ExchangeRow",
    "Health",
    "Journal",
    "SQLiteJournal",
    "Send",
    "SendRow",
    "SendState",
    "Stage",
    "Stats",
    "VisitRow",
    "open_journal",
]
