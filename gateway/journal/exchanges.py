"""Exchanges in the database: a message that arrives, its answer, its resources."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.errors import StateError
from gateway.intents import Answer, Message, Resource, Result
from gateway.journal import storage
from gateway.journal.queries import SQL
from gateway.journal.records import Begun, ExchangeRow
from gateway.journal.states import Stage, check_stage


def begin(
    db: sqlite3.Connection,
    message: Message,
    raw: bytes,
    now: str,
    *,
    exchange_id: str,
    owner: str,
) -> Begun:
    """Store a message under `exchange_id`, or say what is known of it."""
    key = {
        "protocol": message.protocol,
        "sender": message.sender,
        "control_id": message.control_id,
    }
    known = db.execute(SQL["exchange_by_key"], key).fetchone()
    if known is not None:
        return _known(db, known, message.fingerprint, owner)
    values = {
        **key,
        "exchange_id": exchange_id,
        "peer": message.peer,
        "kind": message.kind,
        "fingerprint": message.fingerprint,
        "owner": owner,
        "received_at": now,
    }
    context = storage.encode_context(message.context)
    db.execute(SQL["insert_exchange"], values)
    db.execute(SQL["insert_message"], {"exchange_id": exchange_id, "raw": raw, "context": context})
    return Begun(exchange_id=exchange_id, kind="new", intent_context=message.context)


def _known(db: sqlite3.Connection, known: sqlite3.Row, fingerprint: str, owner: str) -> Begun:
    exchange_id: str = known["exchange_id"]
    context = storage.decode_context(known["context"])
    if known["fingerprint"] != fingerprint:
        return Begun(exchange_id=exchange_id, kind="conflict", intent_context=context)
    if known["answer"] is not None:
        answer = storage.decode_answer(known["answer"])
        return Begun(exchange_id=exchange_id, kind="replay", answer=answer, intent_context=context)
    if known["owner"] == owner:
        return Begun(exchange_id=exchange_id, kind="running", intent_context=context)
    db.execute(SQL["own_exchange"], {"exchange_id": exchange_id, "owner": owner})
    return Begun(exchange_id=exchange_id, kind="resume", intent_context=context)


def answer(
    db: sqlite3.Connection,
    exchange_id: str,
    answer: Answer,
    result: Result | None,
    now: str,
    *,
    first: bool,
) -> None:
    """Store an answer; `first` refuses to replace one."""
    old, new = _stage(db, exchange_id), Stage.FINAL if answer.final else Stage.PROVISIONAL
    check_stage(exchange_id, old, new)
    if first:
        _check_open(exchange_id, old)
    db.execute(
        SQL["update_exchange"],
        {"exchange_id": exchange_id, "stage": new, "status": answer.outcome, "now": now},
    )
    db.execute(
        SQL["put_answer"],
        {
            "exchange_id": exchange_id,
            "answer": storage.encode_answer(answer),
            "result": storage.encode_result(result),
        },
    )
    for resource in answer.resources:
        _put_resource(db, exchange_id, resource)


def release(db: sqlite3.Connection, exchange_id: str) -> None:
    """Leave an unanswered exchange to whoever brings its message again."""
    _check_open(exchange_id, _stage(db, exchange_id))
    db.execute(SQL["own_exchange"], {"exchange_id": exchange_id, "owner": ""})


def _stage(db: sqlite3.Connection, exchange_id: str) -> Stage:
    found = db.execute(SQL["exchange_stage"], {"exchange_id": exchange_id}).fetchone()
    if found is None:
        raise StateError(f"there is no exchange {exchange_id}")
    return Stage(found["stage"])


def _check_open(exchange_id: str, stage: Stage) -> None:
    if stage is not Stage.OPEN:
        raise StateError(f"exchange {exchange_id} was answered")


def _put_resource(db: sqlite3.Connection, exchange_id: str, resource: Resource) -> None:
    key = {"type": resource.type, "id": resource.id}
    db.execute(SQL["delete_resource"], key)
    # The statement is read to its end: one that still runs would hold the savepoint open.
    ((changed,),) = db.execute(
        SQL["insert_resource"],
        {
            **key,
            "exchange_id": exchange_id,
            "body": resource.body,
            "search": storage.encode_search(resource),
        },
    ).fetchall()
    tokens = {**resource.search, "_id": [resource.id]}
    db.executemany(
        SQL["insert_token"],
        [
            {"type": resource.type, "name": name, "token": token, "changed": changed}
            for name, those in tokens.items()
            for token in those
        ],
    )


def row(db: sqlite3.Connection, exchange_id: str) -> ExchangeRow | None:
    """One exchange."""
    found = db.execute(SQL["exchange"], {"exchange_id": exchange_id}).fetchone()
    return None if found is None else _row(found)


def rows(db: sqlite3.Connection, limit: int, before: str, status: str) -> list[ExchangeRow]:
    """Exchanges, newest first."""
    values = {"limit": limit, "before": before, "status": status}
    query = SQL["exchanges_of_status" if status else "exchanges"]
    return [_row(found) for found in db.execute(query, values)]


def abandoned(db: sqlite3.Connection, owner: str, limit: int) -> list[ExchangeRow]:
    """Unanswered exchanges of earlier processes, oldest first."""
    values = {"owner": owner, "limit": limit}
    return [_row(found) for found in db.execute(SQL["abandoned_exchanges"], values)]


def _row(found: sqlite3.Row) -> ExchangeRow:
    return msgspec.convert(dict(found), ExchangeRow, strict=False)


def stored_answer(db: sqlite3.Connection, exchange_id: str) -> Answer | None:
    """The answer as it stands."""
    found = db.execute(SQL["answer"], {"exchange_id": exchange_id}).fetchone()
    return None if found is None else storage.decode_answer(found["answer"])


def stored_result(db: sqlite3.Connection, exchange_id: str) -> Result | None:
    """The result as it stands."""
    found = db.execute(SQL["answer"], {"exchange_id": exchange_id}).fetchone()
    return None if found is None else storage.decode_result(found["result"])


def raw(db: sqlite3.Connection, exchange_id: str) -> bytes | None:
    """The bytes of the message."""
    found = db.execute(SQL["message"], {"exchange_id": exchange_id}).fetchone()
    return None if found is None else bytes(found["raw"])


def context(db: sqlite3.Connection, exchange_id: str) -> dict[str, Any]:
    """The context of the message."""
    found = db.execute(SQL["message"], {"exchange_id": exchange_id}).fetchone()
    return {} if found is None else storage.decode_context(found["context"])


def resource(db: sqlite3.Connection, kind: str, ident: str) -> Resource | None:
    """One resource."""
    found = db.execute(SQL["resource"], {"type": kind, "id": ident}).fetchone()
    return None if found is None else _resource(found)


def search(
    db: sqlite3.Connection,
    kind: str,
    params: Mapping[str, Sequence[str]],
    limit: int,
    offset: int,
) -> tuple[int, list[Resource]]:
    """Count of the resources that fit, and one page of them."""
    wanted = [(name, token) for name, tokens in params.items() for token in tokens]
    values = {
        "type": kind,
        "wanted": msgspec.json.encode(wanted).decode(),
        "names": len(params),
        "limit": limit,
        "offset": offset,
    }
    count, page = (
        ("count_found_resources", "find_resources")
        if params
        else ("count_resources_of_type", "resources")
    )
    (total,) = db.execute(SQL[count], values).fetchone()
    return total, [_resource(found) for found in db.execute(SQL[page], values)]


def changes(
    db: sqlite3.Connection, kind: str, after: int, limit: int
) -> list[tuple[int, Resource]]:
    """Resources behind a place in the order of changes."""
    values = {"type": kind, "after": after, "limit": limit}
    return [
        (found["changed"], _resource(found))
        for found in db.execute(SQL["changed_resources"], values)
    ]


def _resource(found: sqlite3.Row) -> Resource:
    return Resource(
        type=found["type"],
        id=found["id"],
        body=found["body"],
        search=storage.decode_search(found["search"]),
    )
