"""How answers, results and replies are stored.

A result is stored without the sources of its values, which may identify a patient and serve only
`gateway explain`, and without the e-voucher token: where a result states a number under a
credential type (mdtrt_cert_type) that is not known to last, every mdtrt_cert_no in it is blanked.
Amounts are stored as JSON numbers with all their digits and read as `Decimal`, so nothing passes
through a float.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from gateway.intents import Answer, Record, Reply, Resource, Result

_LASTING_TYPES = frozenset({"02", "03"})
"""mdtrt_cert_type of identity card and social-security card; any other may be an e-voucher."""
_TYPE_CODE, _NUMBER_CODE = "mdtrt_cert_type", "mdtrt_cert_no"

T = TypeVar("T")

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
    return None if result is None else _json(without_secrets(result))


def decode_result(data: bytes | None) -> Result | None:
    """The result as stored."""
    return None if data is None else _result.decode(data)


def encode_reply(reply: Reply) -> bytes:
    """A reply of the platform, without token."""
    return _json(without_secrets(reply))


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


def without_secrets(value: T) -> T:
    """A copy for storage: records without sources, the token blanked; `value` stays as it is."""
    copied: T = _copy(value, blank=_states_token(value))
    return copied


def _states_token(value: Any) -> bool:
    if isinstance(value, dict):
        # A carried input may spell the code as a number, or leave it out.
        stated = str(value.get(_TYPE_CODE) or "").zfill(2)
        if value.get(_NUMBER_CODE) and stated not in _LASTING_TYPES:
            return True
        return any(_states_token(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_states_token(inner) for inner in value)
    if isinstance(value, Record):
        return _states_token(value.values)
    if isinstance(value, msgspec.Struct):
        return any(_states_token(getattr(value, name)) for name in value.__struct_fields__)
    return False


def _copy(value: Any, *, blank: bool) -> Any:
    if isinstance(value, Record):
        return Record(_copy(value.values, blank=blank))
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        copies = {name: _copy(inner, blank=blank) for name, inner in fields.items()}
        return type(value)(**copies)
    if isinstance(value, dict):
        return {
            key: "" if blank and key == _NUMBER_CODE else _copy(inner, blank=blank)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_copy(inner, blank=blank) for inner in value]
    return value
