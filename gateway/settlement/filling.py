"""Fills the input of a transaction by looking its field codes up in the records of an intent.

The vocabulary of the records is the national dictionary, so there is no code for any single
transaction here: a field is looked for under its own code in the row (charge or diagnosis), the
settlement options, what is filed or asked for, the visit, the person and the facility, in this
order. `FALLBACKS` lists the
fields that a transaction calls by another name than the records do. An optional field that
nothing fills is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import msgspec

from gateway.fsi.definitions import Definitions, Node
from gateway.intents import Record, Source

FALLBACKS: dict[str, tuple[str, ...]] = {
    "ipt_no": ("ipt_otp_no",),
    "cert_type": ("psn_cert_type",),
    "chfpdr_name": ("dr_name",),
    "adm_dept_codg": ("dept_code",),
    "adm_dept_name": ("dept_name",),
    "dscg_dept_codg": ("dept_code",),
    "dscg_dept_name": ("dept_name",),
    "dscg_bed": ("adm_bed",),
    "adm_diag_dscr": ("main_diag_name",),
    "dscg_maindiag_code": ("main_diag_code",),
    "dscg_maindiag_name": ("main_diag_name",),
    "diag_dept": ("dept_code",),
    "dise_dor_no": ("atddr_no",),
    "dise_dor_name": ("dr_name",),
    "diag_time": ("begntime",),
    "bilg_dept_codg": ("dept_code",),
    "bilg_dept_name": ("dept_name",),
    "bilg_dr_codg": ("atddr_no",),
    "bilg_dr_name": ("dr_name",),
    "fee_ocur_time": ("begntime",),
}
"""Field of a transaction -> where else it is looked for."""

FALLBACKS_OF: dict[tuple[str, str], tuple[str, ...]] = {
    ("2203", "dise_codg"): ("main_diag_code",),
    ("2203", "dise_name"): ("main_diag_name",),
    ("2501", "diag_code"): ("main_diag_code",),
    ("2501", "diag_name"): ("main_diag_name",),
    ("2501", "insu_optins"): ("insuplc_admdvs",),
    ("2501", "refl_old_mdtrt_id"): ("mdtrt_id",),
    ("2503", "opsp_dise_code"): ("main_diag_code",),
    ("2503", "opsp_dise_name"): ("main_diag_name",),
    ("2503", "insu_optins"): ("insuplc_admdvs",),
    ("2503", "ide_fixmedins_no"): ("fixmedins_code",),
    ("2503", "ide_fixmedins_name"): ("fixmedins_name",),
    ("2503", "diag_dr_codg"): ("atddr_no",),
    ("2503", "diag_dr_name"): ("dr_name",),
    ("3401", "poolarea_no"): ("mdtrtarea_admvs",),
    ("3402", "poolarea_no"): ("mdtrtarea_admvs",),
}
"""The same for one transaction: 2203 wants a disease code of every visit in the Hunan edition,
and does not say which an ordinary visit carries (rules section 9); the main diagnosis is sent.
A filing that does not say otherwise is about the main diagnosis, identified here by the physician
who attends."""

NOT_FILLED: frozenset[tuple[str, str]] = frozenset(
    {
        ("1101", "begntime"),  # sent only to fetch past insurance records (rules section 4)
        ("2001", "endtime"),  # a check for the visit that begins now is open-ended
        ("2503", "trt_dcla_detl_sn"),  # given by the platform
    }
)
"""Fields that the records know under this code in another meaning."""

DEFAULTS: dict[str, str] = {
    "psn_setlway": "01",
    "acct_used_flag": "0",
    "mid_setl_flag": "0",
    "rx_circ_flag": "0",
    "hosp_appr_flag": "0",
    "vali_flag": "1",
    "diag_type": "1",
}
"""Taken when neither the message nor the peer's settings state a value: settle by item, leave the
person's account alone, no settlement during the stay, own prescription, no approval needed, a
valid western diagnosis (dictionaries of the interface)."""


def follows(infno: str, given: Collection[str]) -> frozenset[str]:
    """The fields of a transaction that are filled from another field, where that one is given."""
    return frozenset(
        code
        for (of, code), others in FALLBACKS_OF.items()
        if of == infno and any(other in given for other in others)
    )


class _Slot(msgspec.Struct, frozen=True):
    code: str
    candidates: tuple[str, ...]
    numeric: bool


class _Filling(msgspec.Struct, frozen=True):
    """What a node of an input was filled from; `rows` is None for a node that does not repeat."""

    node: str
    slots: Sequence[_Slot]
    rows: Sequence[Record] | None
    common: Record

    def sources(self) -> Iterator[tuple[str, Source]]:
        """The path of each field, and where its value came from."""
        if self.rows is None:
            yield from self._row(self.node, (self.common,))
            return
        for index, row in enumerate(self.rows):
            yield from self._row(f"{self.node}[{index}]", (row, self.common))

    def _row(self, path: str, records: Sequence[Record]) -> Iterator[tuple[str, Source]]:
        for slot in self.slots:
            pairs = ((record, code) for code in slot.candidates for record in records)
            found = next(((record, code) for record, code in pairs if code in record.values), None)
            if found is not None and found[1] in found[0].sources:
                yield f"{path}.{slot.code}", found[0].sources[found[1]]


class Filled:
    """An input, and for each path in it where the value came from."""

    def __init__(self) -> None:
        self.input: dict[str, Any] = {}
        self.filling: list[_Filling] = []

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Where the values came from, by path (`feedetail[0].cnt`); found when first asked for."""
        return {path: source for node in self.filling for path, source in node.sources()}


class Filler:
    """Builds inputs from the definitions of one edition."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._slots: dict[tuple[str, str], tuple[_Slot, ...]] = {}

    def fill(
        self,
        infno: str,
        *,
        rows: Mapping[str, Sequence[Record]],
        records: Sequence[Record],
    ) -> Filled:
        """Build the input of one transaction.

        `rows` gives the records of each repeating node by its name; `records` are searched in
        order for everything else.
        """
        filled = Filled()
        common = merged(records)
        for node in self._definitions.transaction(infno).input:
            slots = self._slots_of(infno, node)
            own = rows.get(node.name, ()) if node.repeats else None
            if own is None:
                filled.input[node.name] = _Shape(slots, (), common).fill({})
            elif own:
                filled.input[node.name] = list(_filled(slots, own, common))
            filled.filling.append(_Filling(node.name, slots, own, common))
        return filled

    def _slots_of(self, infno: str, node: Node) -> tuple[_Slot, ...]:
        key = (infno, node.name)
        if key not in self._slots:
            self._slots[key] = tuple(
                _Slot(
                    code=field.code,
                    candidates=(
                        field.code,
                        *FALLBACKS_OF.get((infno, field.code), FALLBACKS.get(field.code, ())),
                    ),
                    numeric=field.type == "number",
                )
                for field in node.fields
                if (infno, field.code) not in NOT_FILLED
            )
        return self._slots[key]


def merged(records: Sequence[Record]) -> Record:
    """One record in which the first that has a value wins, so that a row looks in two places."""
    one = Record({}, {})
    for record in reversed(records):
        for code in record.values:
            one.sources.pop(code, None)
        one.values.update(record.values)
        one.sources.update(record.sources)
    return one


class _Shape:
    """How the rows that have the same codes are filled: what they share, and what is their own."""

    def __init__(self, slots: Sequence[_Slot], own: Collection[str], common: Record) -> None:
        self._shared: dict[str, Any] = {}
        self._texts: list[tuple[str, str]] = []
        self._numbers: list[tuple[str, str]] = []
        shared = common.values
        for slot in slots:
            for code in slot.candidates:
                if code in own:
                    self._shared[slot.code] = ""  # keeps the order of the definition
                    (self._numbers if slot.numeric else self._texts).append((slot.code, code))
                    break
                if code in shared:
                    value = shared[code]
                    self._shared[slot.code] = _number(value) if slot.numeric else value
                    break
            else:
                if slot.code in DEFAULTS:
                    self._shared[slot.code] = DEFAULTS[slot.code]

    def fill(self, own: Mapping[str, str]) -> dict[str, Any]:
        """One row, its members in the order of the definition."""
        built = self._shared.copy()
        for code, candidate in self._texts:
            built[code] = own[candidate]
        for code, candidate in self._numbers:
            built[code] = _number(own[candidate])
        return built


def _filled(
    slots: Sequence[_Slot], rows: Sequence[Record], common: Record
) -> Iterator[dict[str, Any]]:
    """The rows of a node; the lines of a message are mostly filled alike."""
    shapes: dict[tuple[str, ...], _Shape] = {}
    for row in rows:
        codes = tuple(row.values)
        shape = shapes.get(codes)
        if shape is None:
            shape = shapes[codes] = _Shape(slots, row.values, common)
        yield shape.fill(row.values)


def _number(text: str) -> Decimal | str:
    """The exact number; an empty one is sent as 0 (rules section 1).

    Text that is no number is left for the check to report.
    """
    if not text:
        return Decimal(0)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text
