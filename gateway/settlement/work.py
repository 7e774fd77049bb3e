"""One message under way, and how the nodes of a reply are read.

A reply that lacks what its transaction must give is not trusted (`UnreadableReplyError`), which
makes the outcome of a money transaction unknown (conformance statement T-029).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.errors import GatewayError, Problem
from gateway.intents import Intent, Record, Result
from gateway.settlement.visits import Visit


class UnreadableReplyError(GatewayError):
    """The platform accepted, but its reply lacks what the transaction must give."""


class Work(msgspec.Struct, kw_only=True):
    """One message under way: what was asked, what stands, what came of it so far."""

    intent: Intent
    result: Result
    visit: Visit | None = None
    money: frozenset[str] = frozenset()
    """Transactions that move money, by the regional profile."""
    classify: Callable[[str], str]
    """What the regional profile takes a refusal's text for."""
    chronic: str = ""
    """`med_type` of a visit for a chronic disease, by the regional profile; empty for none."""
    stopped: list[Problem] = []
    """The platform accepted, but what it said ends the message (no insurance, another person)."""
    stored: bool = False
    """The last reply changed the visit, which went to the journal with it."""
    unreadable: bool = False
    """The last reply was accepted and lacked what it must give."""
    mismatch: tuple[str, ...] = ()
    """Fields in which the last reply was about something else than was asked."""

    def opened(self) -> Visit:
        """The visit of a verb that has one."""
        assert self.visit is not None
        return self.visit


class Absorption(msgspec.Struct, kw_only=True):
    """One accepted call: its number, its message id, its batch or lines, its output."""

    infno: str
    msgid: str
    output: Mapping[str, Any]
    batch: str = ""
    lines: Sequence[Record] = ()
    asked: Mapping[str, Any] = {}
    """The input, with which a settlement in the reply is compared."""
    today: str = ""
    """`yyyy-MM-dd`, for what is valid now."""


def text_record(node: Mapping[str, Any]) -> Record:
    """A node of a reply as a record: values as text, amounts with all their digits."""
    values: dict[str, str] = {}
    for code, value in node.items():
        if value is None or isinstance(value, dict | list):
            continue
        values[code] = format(value, "f") if isinstance(value, Decimal) else str(value)
    return Record(values)


def rows(output: Mapping[str, Any], node: str) -> list[Record]:
    """The rows of a node; one row may come as an object (rules section 21)."""
    found = output.get(node)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        return []
    return [text_record(row) for row in found if isinstance(row, dict)]


def one_row(call: Absorption, node: str, *required: str) -> Record:
    """The first row of a node that has to be there, with fields that have to be filled.

    Raises:
        UnreadableReplyError: it is not there, or a field is empty.
    """
    found = rows(call.output, node)
    if not found:
        raise UnreadableReplyError(f"{call.infno}: the reply has no {node}")
    for code in required:
        if not found[0].has(code):
            raise UnreadableReplyError(f"{call.infno}: the reply has no {node}.{code}")
    return found[0]
