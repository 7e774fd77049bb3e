"""Segments of ours that several answers have: amounts, echoes with a field changed, AUT, ADJ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from gateway.hl7v2.escapes import Delimiters, escape
from gateway.hl7v2.header import Header
from gateway.hl7v2.writer import Components, Field, Raw, Subcomponents, components, segment

CURRENCY = "CNY"
SYSTEM = "FSI"
"""Coding system of national field codes in CWE."""


def money(amount: str) -> Components:
    """A CP: amount and currency."""
    return Components((Subcomponents((amount, CURRENCY)),))


def stamp(time: datetime) -> str:
    """A time as HL7 DTM."""
    return f"{time:%Y%m%d%H%M%S}"


def day(text: str) -> str:
    """`yyyy-MM-dd` with or without a time as HL7 DT."""
    return text[:10].replace("-", "")


def changed(raw: str, marks: Delimiters, values: Mapping[int, str]) -> str:
    """A segment with some of its fields replaced by text (`Raw` as it is)."""
    fields = raw.split(marks.field)
    fields += [""] * (max(values, default=0) + 1 - len(fields))
    for number, text in values.items():
        fields[number] = str(text) if isinstance(text, Raw) else escape(text, marks)
    while not fields[-1]:
        fields.pop()
    return marks.field.join(fields)


def of(lines: Iterable[str], *names: str) -> list[str]:
    """The raw segments of these names, in their order."""
    return [line for line in lines if line[:3] in names]


def built(name: str, values: Mapping[int, Field], header: Header) -> str:
    """A segment from its fields by number."""
    fields: list[Field] = [values.get(number, "") for number in range(1, max(values) + 1)]
    return segment(name, fields, header.reply_delimiters)


def authorization(header: Header, values: Mapping[str, str], now: datetime, kind: str) -> str:
    """AUT: insurance and its region, from when to when, the number of the filing."""
    fields: dict[int, Field] = {
        1: components(values.get("insutype", "")),
        2: components(values.get("insuplc_admdvs") or SYSTEM, "", SYSTEM),
        4: day(values.get("begndate", "")),
        5: day(values.get("enddate", "")),
        6: components(values.get("trt_dcla_detl_sn", ""), SYSTEM),
        10: stamp(now),
    }
    if header.at_least("2.8"):
        fields[13] = components(kind, "", SYSTEM)
    return built("AUT", fields, header)
