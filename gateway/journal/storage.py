"""How answers, results and replies are stored.

A result is stored without the sources of its values, which may identify a patient and serve only
`gateway explain`, and without the e-voucher token: where a result states a number under a
credential type (mdtrt_cert_type) that is not known to last, every mdtrt_cert_no in it is blanked.
Amounts are stored as JSON numbers with all their digits and read as `Decimal`, so nothing passes
through a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gateway.intents import Answer, Record, Reply, Resource, Result

_LASTING_TYPES = frozenset({"02", "03"})
"""mdtrt_cert_type of identity card and social-security card; any other may be an e-voucher."""
_TYPE_CODE, _NUMBER_CODE = "mdtrt_cert_type", "mdtrt_cert_no"

_json = msgspec.json.Encoder(decimal_format="number").encode
_result = msgspec.json.Decoder(Result, float_hook=Decimal)
_reply = msgspec.json.Decoder(Reply, float_hook=Decimal)
_context = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_search = msgspec.json.Decoder(dict[str, list[str]])
_answer = msgspec.msgpack.Decoder(Answer)


def encode_answer(answer: Answer) -> bytes:
    """The answer without its resources, which have tables of their own."""
    return msgspec.msgpack.encode(msgspec.structs.replace(answer, resources=[]))


def decode_answer(data: bytes) -> Answer:
    """The answer as stored."""
    return _answer.decode(data)


def encode_result(result: Result | None) -> bytes | None:
    """The result without sources and token."""
    return None if result is None else _stored(result)


def decode_result(data: bytes | None) -> Result | None:
    """The result as stored."""
    return None if data is None else _result.decode(data)


def encode_reply(reply: Reply) -> bytes:
    """A reply of the platform, without token."""
    return _stored(reply)


def decode_reply(data: bytes) -> Reply:
    """The reply as stored."""
    return _reply.decode(data)


def encode_context(context: dict[str, Any]) -> bytes:
    """The context of a message."""
    return _json(context)


def decode_context(data: bytes) -> dict[str, Any]:
    """The context as stored."""
    return _context.decode(data)


def encode_search(resource: Resource) -> bytes:
    """The search tokens of a resource."""
    return _json(resource.search)


def decode_search(data: bytes) -> dict[str, list[str]]:
    """The search tokens as stored."""
    return _search.decode(data)


def _stored(value: Result | Reply) -> bytes:
    """The value as JSON, its records without sources, the token blanked; it stays as it is.

    This is done for every transaction, so that nothing is copied that need not be: mostly no
    token is stated, and then only the records that have sources are made anew.
    """
    return _json(_blanked(value) if _states_token(value) else _bare(value))


def _states_token(value: Any) -> bool:
    """True when a number is stated under a credential type that is not known to last."""
    if isinstance(value, Record):
        return _is_token(value.values)  # its values are texts
    if isinstance(value, dict):
        return _is_token(value) or any(_states_token(one) for one in _holders(value.values()))
    if isinstance(value, msgspec.Struct):
        members = [getattr(value, name) for name in value.__struct_fields__]
        return any(_states_token(one) for one in _holders(members))
    return any(_states_token(one) for one in _holders(value))


def _is_token(values: Mapping[str, Any]) -> bool:
    if not values.get(_NUMBER_CODE):
        return False
    # A carried input may spell the code as a number, or leave it out.
    return str(values.get(_TYPE_CODE) or "").zfill(2) not in _LASTING_TYPES


def _holders(values: Iterable[Any]) -> list[Any]:
    """Those that hold further values."""
    return [one for one in values if isinstance(one, _HOLDERS)]


_HOLDERS = (dict, list, tuple, msgspec.Struct)


def _bare(value: Any) -> Any:
    """The value with records that have no sources; what has none is the same object."""
    if isinstance(value, Record):
        return Record(value.values) if value.sources else value
    if isinstance(value, msgspec.Struct):
        members = ((name, getattr(value, name)) for name in value.__struct_fields__)
        changes = {
            name: bare
            for name, inner in members
            if isinstance(inner, _HOLDERS) and (bare := _bare(inner)) is not inner
        }
        return msgspec.structs.replace(value, **changes) if changes else value
    if isinstance(value, dict):
        changes = {
            key: bare
            for key, inner in value.items()
            if isinstance(inner, _HOLDERS) and (bare := _bare(inner)) is not inner
        }
        return {**value, **changes} if changes else value
    if isinstance(value, list | tuple) and _holders(value):
        return [_bare(inner) for inner in value]
    return value


def _blanked(value: Any) -> Any:
    """A copy in which every number of a credential is empty, and no record has sources."""
    if isinstance(value, Record):
        return Record(_blanked(value.values))
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return type(value)(**{name: _blanked(inner) for name, inner in fields.items()})
    if isinstance(value, dict):
        return {k: "" if k == _NUMBER_CODE else _blanked(inner) for k, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_blanked(inner) for inner in value]
    return value
