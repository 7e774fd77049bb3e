"""Resources that are kept here and ask no platform: Patient, PaymentNotice, Subscription.

They are made, changed and (a Subscription) deleted by the client; each version is kept. A deleted
one is answered 410 from then on.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, UnsupportedError
from gateway.fhir import problems
from gateway.fhir.building import Exchange, identity
from gateway.fhir.decode import encode
from gateway.fhir.stored import BASE, CONTENT, FORM, GONE, URL, PeerStore
from gateway.fhir.subscriptions import MAX_SUBSCRIPTIONS
from gateway.intents import Resource

LOCAL_TYPES = frozenset({"Patient", "PaymentNotice", "Subscription"})
MAX_REMADE = 100
"""Times that a resource without identifier may be deleted and made again."""


async def local_key(exchange: Exchange, store: PeerStore, key: str) -> str:
    """The key of this change of a local resource; sets its id and version.

    Raises:
        UnsupportedError: there is no resource of this id.
        InvalidError: there are too many.
    """
    type_name = exchange.type
    if exchange.interaction == "create":
        for number in range(MAX_REMADE):
            if not await store.is_gone(type_name, exchange.id):
                break
            exchange.id = identity(exchange.peer, type_name, key, str(number))
        else:
            raise InvalidError([_too_many(type_name)])
        if type_name == "Subscription":
            total, _ = await store.search(type_name, {}, 1)
            known = await store.resource(type_name, exchange.id)
            if total >= MAX_SUBSCRIPTIONS and known is None:
                raise InvalidError([_too_many(type_name)])
        return f"{key}/{exchange.id}"
    found = await store.kept(type_name, exchange.id)
    if found is None:
        raise UnsupportedError([not_kept(type_name)])
    version = found.search.get(BASE, ["0"])[0]
    if exchange.interaction == "delete":
        exchange.resource = found.body.decode()
        exchange.version = int(version) + 2
        return f"{exchange.id}/delete/{version}"
    if exchange.content not in found.search.get(CONTENT, []):
        version = str(int(version) + 1)
    exchange.version = int(version) + 1
    return f"{exchange.id}/{exchange.content[:32]}/{version}"


def local_tokens(exchange: Exchange) -> dict[str, list[str]]:
    """What is kept beside a local resource in order to change it, and to tell it elsewhere."""
    return {
        CONTENT: [exchange.content],
        BASE: [str(exchange.version - 1)],
        FORM: [exchange.release],
        URL: [exchange.base],
    }


def gone(exchange: Exchange, resource: dict[str, Any]) -> Resource:
    """What is left of a deleted resource: its id, for the peer that had it."""
    body = {"resourceType": exchange.type, "id": exchange.id, "meta": resource.get("meta", {})}
    return Resource(
        type=exchange.type, id=exchange.id, body=encode(body), search={GONE: [exchange.peer]}
    )


def not_kept(type_name: str) -> Problem:
    """An update of something that is not there: ids are ours to give."""
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        place=type_name,
        zh="没有这个id的资源；id由网关分配，请先用POST创建",
        en="there is no resource of this id; ids are given by the gateway: create it by POST",
    )


def _too_many(type_name: str) -> Problem:
    return problems.too_much(
        f"{type_name}过多，请先删除不用的",
        f"too many of type {type_name}: delete those that are not used",
        type_name,
    )
