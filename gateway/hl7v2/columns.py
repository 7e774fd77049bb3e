"""What paths take of the fields of a plain segment, one field at a time.

A plain segment has neither repetitions, nor escapes, nor a null, so that a value is a piece of its
raw field. What a `Take` leaves (None), and whatever is no plain segment, is for the getter of the
path (`gateway.hl7v2.getters`), which finds the same.
"""

from __future__ import annotations

from gateway.hl7v2.escapes import Delimiters
from gateway.hl7v2.getters import CURRENCIES, Target
from mappings.messages.language import ColumnPlace, Take


def column_of(
    target: Target, view: str, argument: str, amount_component: int
) -> ColumnPlace | None:
    """What a path with this function (`money`, `coded NHSA`) takes of its field."""
    at = target.field
    if target.identifier or target.subcomponent > 1:
        return None
    if not view:
        first = target.component == 1
        return ColumnPlace(at, target.suffix, whole=first, take=_component(target.component))
    if view == "money" and amount_component == 1:
        return ColumnPlace(at, f"-{at}[1].1", whole=True, take=_amount)
    if view == "staff":
        return ColumnPlace(at, f"-{at}[1]", whole=False, take=_family_name)
    if view == "coded":
        return ColumnPlace(at, "", whole=False, take=_nothing_of(argument))
    return None


def _component(number: int) -> Take:
    def take(raw: str, marks: Delimiters) -> str | None:
        parts = raw.split(marks.component, number)
        if len(parts) < number:
            return ""
        part = parts[number - 1]
        return None if marks.subcomponent in part else part.strip()

    return take


def _amount(raw: str, marks: Delimiters) -> str | None:
    """The quantity of an MO or CP in yuan."""
    first = raw.partition(marks.component)[0]
    amount, _, rest = first.partition(marks.subcomponent or "\0")
    return amount if rest in CURRENCIES else None


def _family_name(raw: str, marks: Delimiters) -> str | None:
    """The name of an XCN that is the family name alone, in one word."""
    stated = raw.split(marks.component, 3)[1:3]
    return stated[0] if len(stated) == 1 and stated[0].isalnum() else None


def _nothing_of(system: str) -> Take:
    """Nothing where the coding system is not named; a code is for the getter to find."""
    return lambda raw, _: None if system in raw else ""
