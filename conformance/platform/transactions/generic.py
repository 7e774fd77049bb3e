"""Every other known transaction: the input is checked and kept, the answer is in form.

A node that does not repeat comes with a value in each required field: what the input said under
the same name, where it fits, and otherwise one that the definition allows. A repeating node comes
empty: nothing was found, and nothing is made up.
"""

from __future__ import annotations

from typing import Any

from conformance.platform.call import TIME, Call
from gateway.fsi.definitions import Field, Node


def answer(call: Call) -> dict[str, Any]:
    """A well-formed output."""
    if call.definitions.transaction(call.infno).kind != "query":
        call.keep()
    nodes = call.definitions.transaction(call.infno).output
    output: dict[str, Any] = {}
    for node in nodes:
        if node.parent is None:
            output.update(_content(call, node, nodes))
    return output


def _content(call: Call, node: Node, nodes: tuple[Node, ...]) -> dict[str, Any]:
    if node.repeats:
        return {node.name: []} if node.name else {}
    row = {call.spelt(field): _value(call, field) for field in node.fields if field.required}
    for child in nodes:
        if child.parent == node.name and child is not node:
            row.update(_content(call, child, nodes))
    return {node.name: row} if node.name else row


def _value(call: Call, field: Field) -> Any:
    said = call.said(field.code)
    if said and field.type == "string" and not field.dictionary:
        return said[: field.max_length]
    if field.type == "number":
        return 0
    if field.type == "datetime":
        return call.now.strftime(TIME)
    if field.type == "date":
        return call.now.date().isoformat()
    if field.type == "json":
        return {}
    if field.dictionary:
        limit = field.max_length or 1_000
        codes = call.definitions.dictionary(field.dictionary)
        return next((code for code in codes if len(code) <= limit), "")
    serial = f"{call.store.next_serial(f'generic:{call.region.code}'):010d}"
    return serial[-(field.max_length or len(serial)) :]
