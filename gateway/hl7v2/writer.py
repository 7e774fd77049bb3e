"""Segments to ER7 text, escaped and exact.

A field is a text, a `Components` of texts or `Subcomponents`, or a list of repetitions of these.
Texts are escaped; `Raw` text was in a message with the same delimiters and is written as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.hl7v2.escapes import Delimiters, escape


class Raw(str):
    """Text that is already ER7 in the delimiters in force."""

    __slots__ = ()


class Subcomponents(tuple[str, ...]):
    """The parts of a component."""

    __slots__ = ()


class Components(tuple["str | Subcomponents", ...]):
    """The parts of a field."""

    __slots__ = ()


Field = str | Components | Subcomponents | list["str | Components"]


def components(*parts: str | Subcomponents) -> Components:
    """A field of several components."""
    return Components(parts)


def segment(name: str, fields: Sequence[Field], delimiters: Delimiters) -> str:
    """One segment without its CR; empty parts at the end are left out.

    The first of `fields` is field 1, in MSH field 3: its delimiters are written from `delimiters`.
    """
    texts = [_field(field, delimiters) for field in fields]
    if name == "MSH":
        texts.insert(0, delimiters.encoding)
    return delimiters.field.join([name, *_trimmed(texts)])


def message(segments: Iterable[str]) -> str:
    """The message: each segment ended by CR."""
    return "".join(f"{text}\r" for text in segments)


def _field(field: Field, delimiters: Delimiters) -> str:
    if isinstance(field, list):
        return delimiters.repetition.join(_field(item, delimiters) for item in field)
    if isinstance(field, Subcomponents):
        return _component(field, delimiters)
    if isinstance(field, Components):
        return delimiters.component.join(_trimmed([_component(item, delimiters) for item in field]))
    return _text(field, delimiters)


def _component(component: str | Subcomponents, delimiters: Delimiters) -> str:
    if isinstance(component, Subcomponents):
        return delimiters.subcomponent.join(
            _trimmed([_text(item, delimiters) for item in component])
        )
    return _text(component, delimiters)


def _text(text: str, delimiters: Delimiters) -> str:
    return str(text) if isinstance(text, Raw) else escape(text, delimiters)


def _trimmed(parts: list[str]) -> list[str]:
    while parts and not parts[-1]:
        parts.pop()
    return parts
