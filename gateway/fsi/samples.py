"""Valid inputs made from the definitions: examples for people, tests and probes.

A sample has every field that the definition knows, short values, the first entry of each value
set, and satisfies the rules between fields. Nobody's data: the identity number has a county code
that does not exist.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.fsi.definitions import Definitions, Field, Node
from gateway.fsi.profiles import Profile

IDENTITY_NUMBER = "430199198001010010"
"""Right check digit, county code 430199, which was never assigned."""
DATE = "2026-03-01"
DATETIME = "2026-03-01 09:05:07"

_COUNT, _PRICE, _AMOUNT = Decimal(2), Decimal("1.5"), Decimal("3.00")


def sample_input(
    definitions: Definitions,
    profile: Profile,
    infno: str,
    *,
    rows: int = 2,
    required_only: bool = False,
) -> dict[str, Any]:
    """A valid input of the transaction; `rows` of each repeating node.

    With `required_only` it has no optional field and no optional node.

    Raises:
        KeyError: there is no such transaction.
    """
    transaction = definitions.transaction(infno)
    sampler = _Sampler(definitions, profile, infno, rows, required_only=required_only)
    content: dict[str, Any] = {}
    for node in transaction.input:
        if node.parent is None and (node.required or not required_only):
            sampler.place(node, content)
    return content


class _Sampler:
    def __init__(
        self,
        definitions: Definitions,
        profile: Profile,
        infno: str,
        rows: int,
        *,
        required_only: bool,
    ) -> None:
        self._definitions = definitions
        self._profile = profile
        self._infno = infno
        self._nodes = definitions.transaction(infno).input
        self._rows = rows
        self._required_only = required_only

    def place(self, node: Node, holder: dict[str, Any]) -> None:
        """Put the node into the object that holds it."""
        if node.name == "":
            holder.update(self._row(node, 0))
        elif node.repeats:
            holder[node.name] = [self._row(node, at) for at in range(self._rows)]
        else:
            holder[node.name] = self._row(node, 0)

    def _row(self, node: Node, at: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        children = {n.name: n for n in self._nodes if n.parent == node.name and n is not node}
        for field in node.fields:
            if self._required_only and not field.required:
                continue
            if field.code in children:
                self.place(children.pop(field.code), row)
            else:
                row[field.code] = self._value(field, at)
        for child in children.values():
            if not self._required_only:
                self.place(child, row)
        return row

    def _value(self, field: Field, at: int) -> Any:
        fixed = self._fixed(field, at)
        if fixed is not None:
            return fixed
        if field.type == "json":
            return []
        if field.type == "date":
            return DATE
        if field.type == "datetime":
            return DATETIME
        if field.type == "number":
            return 1
        if field.dictionary:
            return self._code(field)
        return f"{field.code}{at}"[: field.max_length]

    def _fixed(self, field: Field, at: int) -> Any:
        line = {"cnt": _COUNT, "pric": _PRICE, "det_item_fee_sumamt": _AMOUNT}
        if field.code in line and field.type == "number":
            return line[field.code]
        return {
            "feedetl_sn": str(at + 1),
            "maindiag_flag": "1" if at == 0 else "0",
            "vali_flag": "1",
            "psn_cert_type": "01",
            "cert_type": "01",
            "certno": IDENTITY_NUMBER,
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": IDENTITY_NUMBER,
            "med_type": self._profile.med_types.get("outpatient"),
            "chrg_bchno": "B1",
            "dise_codg": "M1",
        }.get(field.code)

    def _code(self, field: Field) -> str:
        limit = field.max_length or 1_000
        codes = self._definitions.dictionary(field.dictionary)
        return next((code for code in codes if len(code) <= limit), "")
