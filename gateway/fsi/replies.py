"""Reading a reply: tolerant in form, exact in numbers.

Observed forms that are all read alike: `infcode` as number or text; null for any empty member;
members nobody has heard of; a repeating node of one row as a bare object, and a single node as a
list of one; other spellings of a field; numbers as texts and texts as numbers. What is read has
one form: the names of the definition, a list where a node repeats and an object where it does
not, amounts as `Decimal`. What cannot be read leaves the outcome unknown.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.fsi.definitions import Field, Node, Transaction
from gateway.fsi.wire import decode_object
from gateway.intents import Reply

LIST_OUTPUT = "output"
"""Name under which the rows stand when the output itself is a list (5204)."""

SPELLINGS = {
    "psn_cash_pay": ("pdn_cash_pay",),
    "exp_content": ("expContent",),
    "dld_end_time": ("dld_endtime",),
    "dld_endtime": ("dld_end_time",),
}
"""Other spellings that are met in more transactions than the definitions name (rules, statement
9.23 and section 21)."""

_ENVELOPE = frozenset({"infcode", "inf_refmsgid", "err_msg", "warn_msg", "output"})


class ReplyEnvelope(msgspec.Struct, kw_only=True):
    """A reply with what surrounds it.

    `output` is what the platform signed, as it came. `extra` holds the members that `Reply` has
    no place for (refmsg_time, respond_time, and unknown ones).
    """

    reply: Reply
    cainfo: str = ""
    signtype: str = ""
    output: Any = None
    extra: dict[str, Any] = {}

    @property
    def accepted(self) -> bool:
        """The platform carried the transaction out."""
        return self.reply.infcode == "0"


def decode_reply(body: bytes, transaction: Transaction | None = None) -> Reply:
    """The reply; see `read_reply`."""
    return read_reply(body, transaction).reply


def read_reply(body: bytes, transaction: Transaction | None = None) -> ReplyEnvelope:
    """Read a reply, and bring its output into the form of the transaction's definition.

    Raises:
        NotSentError: the outer gateway refused; the transaction was not reached.
        UnknownOutcomeError: this is no reply of the interface.
    """
    document = decode_object(body)
    if "infcode" not in document:
        _refused_outside(document)
    infcode = _infcode(document.get("infcode"))
    output = document.get("output")
    reply = Reply(
        infcode=infcode,
        inf_refmsgid=_text(document.get("inf_refmsgid")),
        err_msg=_text(document.get("err_msg")),
        warn_msg=_text(document.get("warn_msg")),
        output=_output(output, transaction) if infcode == "0" else {},
    )
    return ReplyEnvelope(
        reply=reply,
        cainfo=_text(document.get("cainfo")),
        signtype=_text(document.get("signtype")),
        output=output,
        extra={name: value for name, value in document.items() if name not in _ENVELOPE},
    )


def _refused_outside(document: dict[str, Any]) -> None:
    """The outer gateway's own refusal: `{"code": 401, "message": ...}`."""
    if str(document.get("code")) == "401" and "message" in document:
        raise NotSentError(f"the service gateway refused: {_text(document['message'])[:200]}")
    raise UnknownOutcomeError("the reply has no infcode")


def _infcode(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int | Decimal) else ""
    if not text or isinstance(value, bool):
        raise UnknownOutcomeError("the reply has no infcode")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return "0" if number == 0 else text


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else str(value)


def _output(output: Any, transaction: Transaction | None) -> dict[str, Any]:
    if isinstance(output, list):
        output = {LIST_OUTPUT: output}
    if output is None or output == "":
        return {}
    if not isinstance(output, dict):
        raise UnknownOutcomeError("the output of the reply is no object")
    return dict(output) if transaction is None else _in_form(output, transaction)


def _in_form(output: dict[str, Any], transaction: Transaction) -> dict[str, Any]:
    nodes = transaction.output
    result = dict(output)
    for node in nodes:
        if node.parent is not None:
            continue
        if node.name == "" and not node.repeats:
            result = _row(result, node, nodes)
            continue
        name = node.name or LIST_OUTPUT
        if name in result:
            result[name] = _node(result[name], node, nodes)
    return result


def _node(content: Any, node: Node, nodes: tuple[Node, ...]) -> Any:
    if content is None or content == "":
        return [] if node.repeats else {}
    rows = content if isinstance(content, list) else [content]
    if not all(isinstance(row, dict) for row in rows):
        raise UnknownOutcomeError(f"node {node.name!r} of the reply is no object")
    if node.repeats:
        return [_row(row, node, nodes) for row in rows]
    if len(rows) > 1:
        raise UnknownOutcomeError(f"node {node.name!r} of the reply occurs more than once")
    return _row(rows[0], node, nodes) if rows else {}


def _row(row: dict[str, Any], node: Node, nodes: tuple[Node, ...]) -> dict[str, Any]:
    result = dict(row)
    for field in node.fields:
        if field.code not in result:
            others = (*field.aliases, *SPELLINGS.get(field.code, ()))
            spelling = next((other for other in others if other in result), None)
            if spelling is None:
                continue
            result[field.code] = result.pop(spelling)
        result[field.code] = _value(result[field.code], field)
    for child in nodes:
        if child.parent == node.name and child.name in result and child is not node:
            result[child.name] = _node(result[child.name], child, nodes)
    return result


def _value(value: Any, field: Field) -> Any:
    if isinstance(value, bool):
        return value
    if field.type == "number" and isinstance(value, int | str):
        return _number(value)
    if field.type != "json" and isinstance(value, int | Decimal) and field.type != "number":
        return str(value)
    return value


def _number(value: int | str) -> Any:
    """A number written as text, where it is one; another text is left as it is."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return number if number.is_finite() else value
