"""Holds an HL7 v2 answer to the tables of its version: by our own check, by hl7apy, by its codes."""

from __future__ import annotations

from typing import Any

from hl7apy.parser import parse_message

from gateway.hl7v2.reader import read_document
from gateway.hl7v2.validation import validate
from tests.hl7_coding import foreign_codes


def check_answer(text: str) -> None:
    """Assert that the answer has nothing that either of them refuses, and no lost segment."""
    document = read_document(text)
    head = document.segments[0]
    found = validate(document, head.get(9, 3), head.get(12))
    stopping = [(it.place, it.en) for it in found if it.stops]
    assert stopping == [], (stopping, text)
    assert foreign_codes(document) == [], text
    parsed = parse_message(text, find_groups=True)
    assert parsed.validate() is True, text
    assert [it.name for it in document.segments] == _names(parsed), text


def check_told(told: Any) -> None:
    """The same of an answer as it came back over a socket; its Z segments are left out."""
    check_answer("".join(f"{line}\r" for line in told.lines() if line[0] != "Z"))


def _names(element: Any) -> list[str]:
    """The segments of a message as hl7apy has them, out of their groups."""
    names: list[str] = []
    for child in element.children:
        names += [child.name] if child.classname == "Segment" else _names(child)
    return names
