"""What every journal puts on what it stores: ids, times, the exchange of an event."""

from __future__ import annotations

import secrets
from datetime import datetime

import msgspec

from gateway.clock import CHINA
from gateway.journal.records import AuditEvent


def new_id() -> str:
    """Sixteen random hex digits."""
    return secrets.token_hex(8)


def china_time(moment: datetime) -> str:
    """An aware time as `yyyy-MM-dd HH:mm:ss.fff` in China Standard Time.

    Raises:
        ValueError: the time is naive, so it is not known which moment it is.
    """
    if moment.tzinfo is None:
        raise ValueError("a time of the journal must have its zone")
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def named(event: AuditEvent, exchange_id: str) -> AuditEvent:
    """The event with the exchange it belongs to, where it does not say one itself."""
    if event.exchange_id:
        return event
    return msgspec.structs.replace(event, exchange_id=exchange_id)
