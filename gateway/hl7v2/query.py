"""The demographics of a query (QPD-3) as the PID segment they speak of.

In Q22 QPD-3 repeats a name and a value: `@PID.3.1^4301...~@PID.3.5^NNCHN~@PID.5.1^...`, in Q23 it
is an identifier (CX). A segment made of them lets the maps of PID serve queries too; its places
are those in QPD.
"""

from __future__ import annotations

import re

from gateway.hl7v2.getters import VirtualSegment
from gateway.hl7v2.places import Place
from gateway.hl7v2.reader import Document, Segment

_NAME = re.compile(r"@?PID\.([1-9][0-9]?)(?:\.([1-9][0-9]?))?(?:\.[1-9][0-9]?)?")


def with_query_person(document: Document) -> Document:
    """The message with a PID made from QPD-3; the same message when nothing is asked for."""
    query = document.first("QPD")
    if query is None:
        return document
    marks = document.delimiters
    fields: dict[int, dict[int, str]] = {}
    origins: dict[tuple[int, int], Place] = {}
    for number, raw in enumerate(query.repetitions(3), start=1):
        name, _, value = raw.partition(marks.component)
        match = _NAME.fullmatch(query.data(name).strip())
        if match is None or not value:
            continue
        field, component = int(match[1]), int(match[2] or 0)
        place = Place("QPD", query.occurrence, 3, number, 2)
        parts = value.split(marks.subcomponent) if marks.subcomponent and not component else [value]
        for offset, part in enumerate(parts):
            fields.setdefault(field, {}).setdefault((component or 1) + offset, part)
            origins.setdefault((field, (component or 1) + offset), place)
    if not fields:
        return _with_identifiers(document, query)
    texts = ["PID"]
    for field in range(1, max(fields) + 1):
        components = fields.get(field, {})
        texts.append(
            marks.component.join(
                components.get(at, "") for at in range(1, max(components, default=0) + 1)
            )
        )
    person = VirtualSegment(
        Segment("PID", 1, marks.field.join(texts), marks, document.codec), origins
    )
    return Document([*document.segments, person], marks, document.codec)


def _with_identifiers(document: Document, query: Segment) -> Document:
    """PID-3 is QPD-3, where that holds identifiers with their type (CX.5)."""
    if not any(query.identifiers(3)):
        return document
    marks = document.delimiters
    text = marks.field.join(("PID", "", "", query.field(3)))
    origins = {(3, part): Place("QPD", query.occurrence, 3, 1, part) for part in (1, 5)}
    person = VirtualSegment(Segment("PID", 1, text, marks, document.codec), origins)
    return Document([*document.segments, person], marks, document.codec)
