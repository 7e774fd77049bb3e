"""Sends, visits and sign-in numbers in the database: what was given to a platform, and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from gateway.errors import NotSentError, StateError
from gateway.intents import Accepted, NotSent, Outcome, Rejected, Reply
from gateway.journal import audit, storage
from gateway.journal.queries import SQL
from gateway.journal.records import AuditEvent, Send, SendRow, VisitRow
from gateway.journal.states import (
    SendState,
    check_not_being_reversed,
    check_resolution,
    check_reversal,
    check_send,
)

RECOVERED: Final = "the gateway stopped before the reply came"
"""Note of a send that start-up found on its way."""

REVERSAL: Final = "2601"
"""The transaction that undoes another one."""


def record(db: sqlite3.Connection, send: Send, now: str) -> None:
    """Store the intent to send."""
    if send.money and not send.visit_key and send.infno != REVERSAL:
        raise StateError(f"send {send.msgid}: a money transaction needs its visit")
    if send.reverses and send.exchange_id:
        original = db.execute(SQL["send"], {"msgid": send.reverses}).fetchone()
        if original and original["exchange_id"] == send.exchange_id:
            check_reversal(send.msgid, send.reverses, SendState(original["state"]))
    try:
        db.execute(SQL["insert_send"], {**msgspec.structs.asdict(send), "now": now})
    except sqlite3.IntegrityError as error:
        raise StateError(_why_refused(db, send)) from error


def _why_refused(db: sqlite3.Connection, send: Send) -> str:
    """Which rule the database enforced; names no visit, whose key may identify a patient."""
    if db.execute(SQL["send_state"], {"msgid": send.msgid}).fetchone():
        return f"send {send.msgid}: this msgid was used"
    if send.reverses:
        other = db.execute(SQL["open_reversal"], {"reverses": send.reverses}).fetchone()
        if other:
            return f"send {send.msgid}: {send.reverses} is being reversed by {other['msgid']}"
    if send.money:
        other = db.execute(SQL["open_money_send"], {"visit_key": send.visit_key}).fetchone()
        if other:
            return f"send {send.msgid}: its visit waits for the outcome of {other['msgid']}"
    return f"send {send.msgid}: there is no exchange {send.exchange_id}"


def settle(
    db: sqlite3.Connection, msgid: str, outcome: Outcome, visit: VisitRow | None, now: str
) -> VisitRow | None:
    """Store an outcome and the visit."""
    state, note, reply = what_became(outcome)
    check_send(msgid, _state(db, msgid), state)
    _replied(db, {"msgid": msgid, "state": state, "note": note, "now": now}, reply)
    return None if visit is None else put_visit(db, visit, now)


def _replied(db: sqlite3.Connection, change: Mapping[str, str], reply: Reply | None) -> None:
    """Give a send its state, and keep the reply that gave it."""
    ids = {
        "infcode": reply.infcode if reply else "",
        "inf_refmsgid": reply.inf_refmsgid if reply else "",
    }
    db.execute(SQL["update_send"], {**change, **ids})
    if reply is not None:
        kept = {"msgid": change["msgid"], "reply": storage.encode_reply(reply)}
        db.execute(SQL["insert_reply"], kept)


def what_became(outcome: Outcome) -> tuple[SendState, str, Reply | None]:
    """The state of a send with this outcome, the note on it, and the reply to keep."""
    if isinstance(outcome, Accepted):
        return SendState.ACCEPTED, "", outcome.reply
    if isinstance(outcome, Rejected):
        return SendState.REJECTED, "", outcome.reply
    if isinstance(outcome, NotSent):
        return SendState.NOT_SENT, outcome.reason, None
    return SendState.UNKNOWN, outcome.reason, None


def _state(db: sqlite3.Connection, msgid: str) -> SendState:
    row = db.execute(SQL["send_state"], {"msgid": msgid}).fetchone()
    if row is None:
        raise StateError(f"there is no send {msgid}")
    return SendState(row["state"])


class End(NamedTuple):
    """How an unknown outcome ends: in which state, why, and by which late reply."""

    state: str
    note: str
    reply: Reply | None = None


def resolve(
    db: sqlite3.Connection, msgid: str, end: End, visit: VisitRow | None, now: str
) -> VisitRow | None:
    """End an unknown outcome."""
    state = check_resolution(msgid, _state(db, msgid), end.state)
    reversal = db.execute(SQL["standing_reversal"], {"reverses": msgid}).fetchone()
    check_not_being_reversed(msgid, state, reversal["msgid"] if reversal else "")
    change = {"msgid": msgid, "state": state, "note": end.note, "now": now}
    if end.reply is None:
        db.execute(SQL["resolve_send"], change)
    else:
        _replied(db, change, end.reply)
    return None if visit is None else put_visit(db, visit, now)


def recover(db: sqlite3.Connection, now: str) -> list[SendRow]:
    """Make every send on its way unknown."""
    found = rows(db, SendState.SENDING, "", "", -1)
    for row in found:
        check_send(row.msgid, row.state, SendState.UNKNOWN)
        db.execute(
            SQL["resolve_send"],
            {"msgid": row.msgid, "state": SendState.UNKNOWN, "note": RECOVERED, "now": now},
        )
        detail = {"msgid": row.msgid, "infno": row.infno, "outcome": SendState.UNKNOWN.value}
        audit.append(db, now, [AuditEvent(row.exchange_id, "recover", detail)])
    return [
        msgspec.structs.replace(row, state=SendState.UNKNOWN, note=RECOVERED, updated_at=now)
        for row in found
    ]


def one(db: sqlite3.Connection, msgid: str) -> SendRow | None:
    """One send."""
    found = db.execute(SQL["send"], {"msgid": msgid}).fetchone()
    return None if found is None else send_row(found)


def rows(
    db: sqlite3.Connection, state: str, visit_key: str, exchange_id: str, limit: int
) -> list[SendRow]:
    """Sends, oldest first; a negative limit is none."""
    values = {
        "state": state,
        "visit_key": visit_key,
        "exchange_id": exchange_id,
        "limit": limit,
    }
    if visit_key:
        query = "sends_of_visit"
    elif exchange_id:
        query = "sends_of_exchange"
    else:
        query = "sends_in_state" if state else "sends"
    return [send_row(found) for found in db.execute(SQL[query], values)]


def send_row(found: sqlite3.Row) -> SendRow:
    """A stored send."""
    values = dict(found)
    values["exchange_id"] = values["exchange_id"] or ""
    return msgspec.convert(values, SendRow, strict=False)


def reply(db: sqlite3.Connection, msgid: str) -> Reply | None:
    """The platform's reply."""
    found = db.execute(SQL["reply"], {"msgid": msgid}).fetchone()
    return None if found is None else storage.decode_reply(found["reply"])


def reserve_serials(db: sqlite3.Connection, fixmedins_code: str, second: str, count: int) -> int:
    """Reserve serials of the second; the first of them."""
    values = {"fixmedins_code": fixmedins_code, "second": second, "count": count}
    try:
        ((last,),) = db.execute(SQL["reserve_serials"], values).fetchall()
    except sqlite3.IntegrityError as error:
        reason = "the message numbers of this second are used up"
        raise NotSentError(reason, retry_after=1) from error
    return int(last) - count + 1


def put_visit(db: sqlite3.Connection, visit: VisitRow, now: str) -> VisitRow:
    """Store a visit over the version that was read."""
    query = SQL["update_visit" if visit.version else "insert_visit"]
    if db.execute(query, {**msgspec.structs.asdict(visit), "now": now}).rowcount != 1:
        raise StateError(f"the visit was changed after version {visit.version} was read")
    return msgspec.structs.replace(visit, version=visit.version + 1)


def visit(db: sqlite3.Connection, key: str) -> VisitRow | None:
    """One visit."""
    found = db.execute(SQL["visit"], {"key": key}).fetchone()
    return None if found is None else VisitRow(**found)


def visits(db: sqlite3.Connection, state: str, after: str, limit: int) -> list[VisitRow]:
    """Visits in the order of their keys."""
    values = {"state": state, "after": after, "limit": limit}
    query = SQL["visits_in_state" if state else "visits"]
    return [VisitRow(**found) for found in db.execute(query, values)]


def put_session(db: sqlite3.Connection, key: str, value: str, expires: str, now: str) -> None:
    """Keep a sign-in number; what expired before `now` goes."""
    db.execute(SQL["drop_sessions"], {"now": now})
    db.execute(SQL["put_session"], {"key": key, "value": value, "expires": expires})


def take_session(db: sqlite3.Connection, key: str, value: str, expires: str, now: str) -> bool:
    """Keep a value where the key has none that is good; False when it has."""
    if session(db, key, now) is not None:
        return False
    put_session(db, key, value, expires, now)
    return True


def session(db: sqlite3.Connection, key: str, now: str) -> str | None:
    """The sign-in number, unless it expired."""
    found = db.execute(SQL["session"], {"key": key, "now": now}).fetchone()
    return None if found is None else str(found["value"])
