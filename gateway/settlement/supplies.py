"""Where each field of a verb's transactions can come from, told before any message is there.

The answer of `gateway maps coverage`: the map of an event names the fields that it fills, and this
module lays them over the inputs of the transactions that the event's verb leads to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

import msgspec

from gateway.fsi.definitions import Definitions, Field, Node
from gateway.intents import Verb, VisitClass
from gateway.settlement.filling import DEFAULTS, FALLBACKS, FALLBACKS_OF, NOT_FILLED
from gateway.settlement.inputs import given_by
from gateway.settlement.plans import MARKS, PLANS
from gateway.settlement.preparing import REMEMBERED
from gateway.settlement.totals import SPLIT_SUMS, UPLOADS
from gateway.settlement.visits import VisitState

Mapped = Mapping[tuple[str, str], str]
"""What a map fills: record and field code, and the line of the map that does."""


class Supply(StrEnum):
    """Who fills a field."""

    MAP = "map"
    """A rule of the message map; empty where the message does not state it."""
    GATEWAY = "gateway"
    """Settings, clock, numbers, code tables and sums of the gateway."""
    DEFAULT = "default"
    """A default of the peer or of the gateway."""
    EARLIER = "earlier"
    """An earlier transaction, of the same message or of the visit."""
    NOTHING = "nothing"
    """Nobody."""


COMPUTED: Mapping[str, str] = {
    "fixmedins_code": "settings of the institution",
    "fixmedins_name": "settings of the institution",
    "mdtrtarea_admvs": "settings of the institution",
    "opter": "settings of the institution",
    "opter_name": "settings of the institution",
    "opter_type": "settings of the institution",
    "begntime": "time of arrival",
    "med_type": "regional profile, by the class of the visit",
    "feedetl_sn": "numbered",
    "chrg_bchno": "numbered",
    "diag_srt_no": "numbered",
    "maindiag_flag": "the first diagnosis",
    "med_list_codg": "code tables",
    "caty": "code tables",
    "medfee_sumamt": "sum of the lines",
}
"""Fields that the gateway fills where no map does, and from what."""

IN_A_TIME = frozenset({"5201", "5206", "5301", "5302", "5304"})
"""Queries that are about a time, which the gateway fills where the message states none."""

OF_DIAGNOSES: Mapping[str, str] = {
    "main_diag_code": "diag_code",
    "main_diag_name": "diag_name",
}
"""Fields taken from the main diagnosis."""

ROWS: Mapping[str, str] = {
    "feedetail": "charges",
    "drugdetail": "charges",
    "diseinfo": "diagnoses",
}
"""Nodes that repeat, and the list of records they are filled from."""

RECORDS = ("settlement", "visit", "person", "facility", "filing", "query")


class Supplied(msgspec.Struct, frozen=True):
    """A field of a transaction, and who fills it."""

    infno: str
    path: str
    label: str
    required: bool
    supply: Supply
    by: str = ""

    @property
    def missing(self) -> bool:
        """True for a required field that nobody fills."""
        return self.required and self.supply is Supply.NOTHING


def supplies(
    verb: Verb,
    visit_class: VisitClass | None,
    mapped: Mapped,
    definitions: Definitions,
    defaults: Collection[str] = (),
) -> list[Supplied]:
    """Every field of the transactions of a verb, in their order; none where it has no transaction.

    Of the rows of the plan the longest counts: the one in which the least is known. `defaults` are
    the field codes for which the peer has a value.
    """
    state, marks = _longest(verb, visit_class)
    known = _Known(mapped, frozenset(defaults))
    known.earlier = frozenset() if state is VisitState.NONE else REMEMBERED
    found: list[Supplied] = []
    for mark in marks:
        infno = mark.rstrip(MARKS)
        if mark.endswith("?") and not any(record == "diagnoses" for record, _ in mapped):
            continue
        if mark.endswith("!") and ("person", "mdtrt_cert_no") not in mapped:
            continue  # as `preparing` does: no certificate to identify the person by
        for node in definitions.transaction(infno).input:
            found += known.fields(infno, node)
        known.earlier |= given_by(definitions, infno)
        if infno in UPLOADS:
            known.earlier |= SPLIT_SUMS
    return found


def classes_of(verb: Verb) -> list[VisitClass | None]:
    """The visit classes for which a verb has a plan."""
    return list(dict.fromkeys(c for v, c, _ in PLANS if v is verb))


def _longest(verb: Verb, visit_class: VisitClass | None) -> tuple[VisitState, tuple[str, ...]]:
    rows = [(s, marks) for (v, c, s), marks in PLANS.items() if v is verb and c is visit_class]
    return max(rows, key=lambda row: len(row[1]), default=(VisitState.NONE, ()))


class _Known:
    """What is known before a transaction of a plan."""

    def __init__(self, mapped: Mapped, defaults: frozenset[str]) -> None:
        self._mapped = mapped
        self._defaults = defaults
        self.earlier: frozenset[str] = frozenset()

    def fields(self, infno: str, node: Node) -> Iterator[Supplied]:
        """Who fills each field of a node."""
        own = (ROWS[node.name],) if node.name in ROWS and node.repeats else ()
        is_sent = node.required or bool(own) or not node.repeats
        for field in node.fields:
            required = is_sent and field.required and not field.doubtful
            supply, by = self._supply(infno, field, (*own, *RECORDS))
            yield Supplied(infno, f"{node.name}.{field.code}", field.name, required, supply, by)

    def _supply(self, infno: str, field: Field, records: tuple[str, ...]) -> tuple[Supply, str]:
        if (infno, field.code) in NOT_FILLED:
            return Supply.NOTHING, "never filled"
        others = FALLBACKS_OF.get((infno, field.code), FALLBACKS.get(field.code, ()))
        codes = (field.code, *others)
        mapped = self._mapped
        for code in codes:
            of_diagnosis = ("diagnoses", OF_DIAGNOSES.get(code, ""))
            for place in (*((record, code) for record in records), of_diagnosis):
                if place in mapped:
                    return Supply.MAP, mapped[place]
        for code in codes:
            if code in self.earlier:
                return Supply.EARLIER, ""
            if code in self._defaults:
                return Supply.DEFAULT, "settings of the peer"
            if code in COMPUTED:
                return Supply.GATEWAY, COMPUTED[code]
        if field.code == "endtime" and infno in IN_A_TIME:
            return Supply.GATEWAY, "time of arrival"
        if field.code in DEFAULTS:
            return Supply.DEFAULT, DEFAULTS[field.code]
        return Supply.NOTHING, ""
