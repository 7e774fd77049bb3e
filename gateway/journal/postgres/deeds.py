"""What each write decides: from the facts of its batch to the changes of it.

The same rules as in `gateway.journal.exchanges` and `gateway.journal.sends`, in the same words.
Every function decides first and changes last, so that a refusal leaves the batch as it was.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.errors import NotSentError, StateError
from gateway.intents import Answer, Message, Outcome, Resource, Result
from gateway.journal import storage
from gateway.journal.archive import resource_tokens
from gateway.journal.postgres.batch import Batch, KnownExchange, NewSend, check_text
from gateway.journal.records import AuditEvent, Begun, BookRow, Send, SendRow, VisitRow
from gateway.journal.sends import RECOVERED, REVERSAL, End, what_became
from gateway.journal.states import (
    SendState,
    Stage,
    check_not_being_reversed,
    check_resolution,
    check_reversal,
    check_send,
    check_stage,
)

MAX_SERIAL: Final = 9999
"""The serial of a message id has four digits."""


def begin(batch: Batch, message: Message, raw: bytes, now: str, *, exchange_id: str) -> Begun | str:
    """Store a message, or say what is known of it.

    The id of the exchange instead, while a process with a licence works on it elsewhere.
    """
    key = (message.protocol, message.sender, message.control_id)
    known = batch.by_key.get(key)
    if known is not None:
        return _known(batch, known, message.fingerprint)
    context = storage.encode_context(message.context)
    columns = (
        *(exchange_id, *key, message.peer, message.kind),
        *(message.fingerprint, batch.instance, now),
    )
    check_text(*columns)
    batch.new_exchanges.append((*columns, raw, context))
    known = KnownExchange(
        exchange_id, Stage.OPEN, message.fingerprint, batch.instance, alive=True, context=context
    )
    batch.by_key[key] = batch.exchanges[exchange_id] = known
    return Begun(exchange_id=exchange_id, kind="new", intent_context=message.context)


def _known(batch: Batch, known: KnownExchange, fingerprint: str) -> Begun | str:
    exchange_id = known.exchange_id
    context = storage.decode_context(known.context)
    if known.fingerprint != fingerprint:
        return Begun(exchange_id=exchange_id, kind="conflict", intent_context=context)
    if known.answer is not None:
        answer = storage.decode_answer(known.answer)
        return Begun(exchange_id=exchange_id, kind="replay", answer=answer, intent_context=context)
    if known.owner == batch.instance:
        return Begun(exchange_id=exchange_id, kind="running", intent_context=context)
    if known.alive:
        return exchange_id
    _own(batch, known, batch.instance)
    return Begun(exchange_id=exchange_id, kind="resume", intent_context=context)


def _own(batch: Batch, known: KnownExchange, owner: str) -> None:
    known.owner, known.alive = owner, bool(owner)
    batch.owners[known.exchange_id] = owner


def answer(
    batch: Batch,
    exchange_id: str,
    answer: Answer,
    result: Result | None,
    now: str,
    *,
    first: bool,
) -> None:
    """Store an answer; `first` refuses to replace one."""
    known = _exchange(batch, exchange_id)
    new = Stage.FINAL if answer.final else Stage.PROVISIONAL
    check_stage(exchange_id, known.stage, new)
    if first:
        _check_open(known)
    encoded = storage.encode_answer(answer)
    stored = storage.encode_result(result)
    resources = [
        (resource, storage.encode_search(resource), _tokens(resource))
        for resource in answer.resources
    ]
    known.stage, known.answer = new, encoded
    batch.answers[exchange_id] = (new.value, answer.outcome.value, now, encoded, stored)
    for resource, search, tokens in resources:
        key = (resource.type, resource.id)
        batch.resources.pop(key, None)  # a later state stands behind all others
        batch.resources[key] = (exchange_id, resource.body, search)
        batch.tokens[key] = tokens


def _tokens(resource: Resource) -> list[tuple[str, str]]:
    tokens = resource_tokens(resource)
    check_text(resource.type, resource.id, *(text for pair in tokens for text in pair))
    return tokens


def release(batch: Batch, exchange_id: str) -> None:
    """Leave an unanswered exchange to whoever brings its message again."""
    known = _exchange(batch, exchange_id)
    _check_open(known)
    _own(batch, known, "")


def _exchange(batch: Batch, exchange_id: str) -> KnownExchange:
    known = batch.exchanges.get(exchange_id)
    if known is None:
        raise StateError(f"there is no exchange {exchange_id}")
    return known


def _check_open(known: KnownExchange) -> None:
    if known.stage is not Stage.OPEN:
        raise StateError(f"exchange {known.exchange_id} was answered")


def record(batch: Batch, send: Send, now: str) -> None:
    """Store the intent to send."""
    money = send.money and send.infno != REVERSAL
    if money and not send.visit_key:
        raise StateError(f"send {send.msgid}: a money transaction needs its visit")
    if send.msgid in batch.sends:
        raise StateError(f"send {send.msgid}: this msgid was used")
    if send.exchange_id and batch.originals.get(send.reverses) == send.exchange_id:
        check_reversal(send.msgid, send.reverses, batch.sends[send.reverses])
    if send.reverses in batch.reversed:
        other = batch.reversed[send.reverses]
        raise StateError(f"send {send.msgid}: {send.reverses} is being reversed by {other}")
    if money and send.visit_key in batch.held:
        other = batch.held[send.visit_key]
        raise StateError(f"send {send.msgid}: its visit waits for the outcome of {other}")
    if send.exchange_id and send.exchange_id not in batch.exchanges:
        raise StateError(f"send {send.msgid}: there is no exchange {send.exchange_id}")
    check_text(*(value for value in msgspec.structs.astuple(send) if isinstance(value, str)))
    batch.new_sends[send.msgid] = NewSend(send, batch.instance, now, updated_at=now)
    batch.sends[send.msgid] = SendState.SENDING
    batch.originals[send.msgid] = send.exchange_id
    if send.reverses:
        batch.reversed[send.reverses] = send.msgid
    if money:
        batch.held[send.visit_key] = send.msgid


def settle(
    batch: Batch, msgid: str, outcome: Outcome, visit: VisitRow | None, now: str
) -> VisitRow | None:
    """Store an outcome and the visit."""
    state, note, reply = what_became(outcome)
    check_send(msgid, _state(batch, msgid), state)
    ids = (reply.infcode, reply.inf_refmsgid) if reply else ("", "")
    check_text(note, *ids)
    encoded = None if reply is None else storage.encode_reply(reply)
    stored = None if visit is None else put_visit(batch, visit, now)
    batch.change_send(msgid, state, note, now, ids)
    if encoded is not None:
        batch.replies[msgid] = encoded
    return stored


def _state(batch: Batch, msgid: str) -> SendState:
    state = batch.sends.get(msgid)
    if state is None:
        raise StateError(f"there is no send {msgid}")
    return state


def resolve(
    batch: Batch, msgid: str, end: End, visit: VisitRow | None, now: str
) -> VisitRow | None:
    """End an unknown outcome."""
    new = check_resolution(msgid, _state(batch, msgid), end.state)
    reversal = batch.reversed.get(msgid, "")
    on_its_way = bool(reversal) and batch.sends[reversal] is SendState.SENDING
    standing = reversal if on_its_way else batch.undone.get(msgid, "")
    check_not_being_reversed(msgid, new, standing)
    ids = (end.reply.infcode, end.reply.inf_refmsgid) if end.reply else None
    check_text(end.note, *(ids or ()))
    encoded = None if end.reply is None else storage.encode_reply(end.reply)
    stored = None if visit is None else put_visit(batch, visit, now)
    batch.change_send(msgid, new, end.note, now, ids)
    if encoded is not None:
        batch.replies[msgid] = encoded
    return stored


def recover(batch: Batch, now: str, *, own: bool) -> list[SendRow]:
    """Make the sends that nobody waits for any more unknown; with `own` those of this instance."""
    found = [
        row
        for row in batch.abandoned
        if batch.sends[row.msgid] is SendState.SENDING and (own or row.msgid not in batch.own)
    ]
    for row in found:
        check_send(row.msgid, row.state, SendState.UNKNOWN)
        batch.change_send(row.msgid, SendState.UNKNOWN, RECOVERED, now)
        detail = {"msgid": row.msgid, "infno": row.infno, "outcome": SendState.UNKNOWN.value}
        batch.tell(now, [AuditEvent(row.exchange_id, "recover", detail)])
    return [
        msgspec.structs.replace(row, state=SendState.UNKNOWN, note=RECOVERED, updated_at=now)
        for row in found
    ]


def reserve_serials(batch: Batch, fixmedins_code: str, second: str, count: int) -> int:
    """Reserve serials of the second, from 0; the first of them."""
    key = (fixmedins_code, second)
    last = batch.serials.get(key, -1) + count
    if last > MAX_SERIAL:
        reason = "the message numbers of this second are used up"
        raise NotSentError(reason, retry_after=1)
    batch.serials[key] = batch.put_serials[key] = last
    return last - count + 1


def put_visit(batch: Batch, visit: VisitRow, now: str) -> VisitRow:
    """Store a visit over the version that was read."""
    if batch.visits.get(visit.key, 0) != visit.version:
        raise StateError(f"the visit was changed after version {visit.version} was read")
    check_text(visit.state)
    stored = msgspec.structs.replace(visit, version=visit.version + 1)
    batch.visits[visit.key] = stored.version
    batch.put_visits[visit.key] = (stored.state, stored.version, stored.data, now)
    return stored


def put_book(batch: Batch, book: BookRow, now: str) -> BookRow:
    """Store a book over the version that was read."""
    key = (book.kind, book.key)
    if batch.books.get(key, 0) != book.version:
        raise StateError(f"the book was changed after version {book.version} was read")
    check_text(book.state)
    stored = msgspec.structs.replace(book, version=book.version + 1)
    batch.books[key] = stored.version
    batch.put_books[key] = (stored.state, stored.version, stored.data, now)
    return stored


def put_session(batch: Batch, key: str, value: str, expires: str, now: str) -> None:
    """Keep a sign-in number; what expired before `now` goes."""
    check_text(key, value, expires)
    batch.over = now
    batch.sessions[key] = (value, expires)
    batch.sessions_until[key] = expires


def take_session(batch: Batch, key: str, value: str, expires: str, now: str) -> bool:
    """Keep a value where the key has none that is good; False when it has."""
    if batch.sessions_until.get(key, "") > now:
        return False
    put_session(batch, key, value, expires, now)
    return True
