"""A prepared list field by field, in the order of its definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.fsi.definitions import Transaction
from gateway.settlement.listing.parts import ShownField
from gateway.settlement.listing.record import SettlementList


def fields_of(held: SettlementList, transaction: Transaction, *, values: bool) -> list[ShownField]:
    """Every field that has a value, and the required ones of each row that is there."""
    found = []
    for node in transaction.input:
        for path, row in _rows(node.name, held.input.get(node.name)):
            for field in node.fields:
                value = row.get(field.code)
                if value in (None, "") and not field.required:
                    continue
                place = f"{path}.{field.code}"
                found.append(
                    ShownField(
                        path=place,
                        label=field.name,
                        required=field.required,
                        origin=held.origins.get(place, ""),
                        value=str(value) if values and value is not None else "",
                    )
                )
    return found


def _rows(name: str, content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, Mapping):
        yield name, content
    elif isinstance(content, list):
        for at, row in enumerate(content):
            if isinstance(row, Mapping):
                yield f"{name}[{at}]", row
