"""A type that accepts right rows at once, so that only doubtful ones are looked at by field.

Nearly every row is right. `RowType` holds the fields of a node as one `msgspec` type, which checks
presence, kind, length, form and value set of a whole list of rows in a single call, and the digits
of numbers by one expression each. It accepts nothing that the checks of `gateway.fsi.values` would
find fault with; what it does not accept may still be right (a text of blanks in an optional field,
29 February), and those checks decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from gateway.fsi.definitions import Field
from gateway.fsi.values import MAX_NUMBER_TEXT

_DAY = (
    r"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_MOMENT = rf"{_DAY} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FORMS = {"date": _DAY, "datetime": _MOMENT}

_WHOLE = 10**16
"""Integers up to here are written out to count their digits; larger ones are rare."""

LEADING_BLANK = re.compile(rb':"(?: |\\|\xc2|\xe1\x9a|\xe2|\xe3\x80\x80)')
"""In compact JSON: a text that begins with what may be a blank. Texts of blanks alone are empty,
which the type cannot see."""

_Match = Callable[[str], object]


class FieldUse(NamedTuple):
    """A field as a profile uses it."""

    field: Field
    required: bool
    dictionary: Mapping[str, str] | None
    """The codes it may take, None when any value may be sent."""
    free: bool
    """Its value is looked at elsewhere: a node of its own, or a rule."""

    @property
    def open(self) -> bool:
        """The type takes any value."""
        return self.free or self.field.type in {"number", "json"}


class RowType:
    """The right rows of one node.

    `others` are members that lie in a row and are no fields; any further member is not accepted.
    """

    def __init__(self, uses: Sequence[FieldUse], others: Collection[str]) -> None:
        names = [*(use.field.code for use in uses), *others]
        members: list[Any] = [
            (f"f{at}", _type(use)) if use.required else (f"f{at}", _type(use) | None, None)
            for at, use in enumerate(uses)
        ]
        members += [(f"f{at}", Any, None) for at in range(len(uses), len(names))]
        row = msgspec.defstruct(
            "Row",
            members,
            rename={f"f{at}": name for at, name in enumerate(names)},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        self._rows: Any = list[row]  # type: ignore[valid-type]  # made at run time
        numbers = [use for use in uses if use.field.type == "number" and not use.free]
        self._numbers = [(u.field.code, u.required, _digits(u.field)) for u in numbers]
        self._present = [
            use.field.code for use in uses if use.required and use.open and use not in numbers
        ]

    def accepts(self, rows: list[Any]) -> bool:
        """True when every row is right, as far as single values go.

        Texts of blanks alone pass for texts: see `LEADING_BLANK`.
        """
        try:
            msgspec.convert(rows, self._rows)
        except (msgspec.ValidationError, RecursionError, ValueError):
            return False
        for code in self._present:
            for row in rows:
                value = row[code]
                if value is None or value == "":
                    return False
        return all(_fits(rows, code, form, required) for code, required, form in self._numbers)


def _fits(rows: list[Any], code: str, form: _Match, required: Any) -> bool:
    texts: set[str] = set()  # each once: quantities repeat
    for row in rows:
        value = row.get(code)
        if value is None:
            if required:
                return False
            continue
        kind = type(value)
        if kind is str:
            texts.add(value)
        elif kind is Decimal or (kind is int and -_WHOLE < value < _WHOLE):
            texts.add(str(value))
        else:
            return False
    return all(len(text) <= MAX_NUMBER_TEXT and form(text) for text in texts)


def _type(use: FieldUse) -> Any:
    field = use.field
    if use.open:
        return Any
    if field.type in _FORMS:
        form = _FORMS[field.type]
        return Annotated[str, msgspec.Meta(pattern=rf"^(?:{form}){'' if use.required else '?'}\Z")]
    limit = field.max_length
    if use.dictionary is not None:
        codes = [code for code in use.dictionary if limit is None or len(code) <= limit]
        codes += [] if use.required else [""]
        if codes:
            return Literal[tuple(codes)]
    return Annotated[str, msgspec.Meta(min_length=1 if use.required else 0, max_length=limit)]


def _digits(field: Field) -> _Match:
    """An expression for numbers that have no more digits than the field allows."""
    if field.precision is None:
        form = r"-?[0-9]+(?:\.[0-9]+)?"
    elif field.scale is None:
        form = rf"-?0*[0-9]{{1,{field.precision}}}"
    else:
        whole = field.precision - field.scale
        form = rf"-?(?=[0-9])0*[0-9]{{0,{whole}}}(?:\.(?=[0-9])[0-9]{{0,{field.scale}}}0*)?"
    return re.compile(form).fullmatch
