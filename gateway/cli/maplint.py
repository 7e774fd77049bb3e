"""What cannot be meant in message maps: remarks that compiling does not make.

A remark is about a rule that can never have an effect, or fills what no transaction asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain

import msgspec

from gateway.cli.maps import MapsOfPeer
from gateway.fsi.definitions import Definitions
from gateway.hl7v2.definitions import MODULES, definitions_of
from gateway.hl7v2.paths import HL7Language
from gateway.settlement.filling import FALLBACKS, FALLBACKS_OF
from mappings.messages.functions import FILLS
from mappings.messages.grammar import Rule, Sheet

WORDS: Mapping[str, str] = {
    "visit_class": "outpatient or inpatient: chooses the transactions",
    "patient_class": "kind of visit: chooses med_type by the regional profile",
    "ipt_otp_no": "the hospital's number of the visit",
    "feedetl_key": "the sender's number of a line",
    "item_sequence": "the sequence of a Claim item",
    "diag_system": "coding system of a diagnosis",
    "inout": "stage of a diagnosis: admission, working, final",
    "oprn_system": "coding system of a procedure",
    "action": "what becomes of an entry of a master file, or of a procedure: PR1-20",
    "number": "the sender's number of a procedure",
    "minutes": "how long a procedure took",
    "anst_minutes": "how long its anaesthesia took",
    "adm_wt": "what somebody weighed at the admission, which the list has of newborns",
    "ward": "where a patient was, by the hospital's own code",
    "cancels": "takes the last movement of a stay back",
    "key": "the sender's key of an entry of a master file, or of a remittance",
    "medins_setl_id": "our message id of a settlement",
    "payer": "who sent a remittance",
    "paid_at": "when a remittance was paid",
}
"""Words of the gateway's own beside the national field codes, and what they are for."""

OPEN_ENDED = frozenset({"QPD"})
"""Segments whose further fields the message defines: QPD-3 to n are the parameters of the query."""


class Remark(msgspec.Struct, frozen=True):
    """A remark about a line of a map, in both languages."""

    place: str
    zh: str
    en: str


def lint_maps(maps: MapsOfPeer) -> Iterator[Remark]:
    """Everything to remark about the maps of a peer, in the order of events and lines."""
    codes = _codes(maps.definitions)
    for protocol, sheets in (("hl7v2", maps.hl7v2), ("fhir", maps.fhir)):
        for sheet in sheets.values():
            yield from _unused_values(sheet, maps)
            for _, rule in sheet.every_rule():
                yield from _unknown_code(rule, codes)
                yield from _unreached(rule)
                yield from _wrong_values(rule, sheet, maps)
                if protocol == "hl7v2":
                    yield from _no_place(rule)


def _codes(definitions: Definitions) -> frozenset[str]:
    """Every word that a transaction, of this edition or the base one, or the gateway asks for."""
    inputs = (
        edition.transaction(infno).input
        for edition in (definitions, Definitions.load())
        for infno in edition.infnos()
    )
    fields = {field.code for nodes in inputs for node in nodes for field in node.fields}
    others = chain.from_iterable([*FALLBACKS.values(), *FALLBACKS_OF.values()])
    return frozenset(fields | set(WORDS) | set(others))


def _unknown_code(rule: Rule, codes: frozenset[str]) -> Iterator[Remark]:
    if rule.code not in codes:
        yield Remark(
            str(rule.where),
            f"{rule.code} 不是任何交易的字段",
            f"{rule.code} is no field of any transaction",
        )


def _unreached(rule: Rule) -> Iterator[Remark]:
    """Sources behind one that always states something."""
    for at, source in enumerate(rule.sources[:-1], start=1):
        if any(call.name in FILLS for call in source.functions):
            yield Remark(
                str(rule.where),
                f"第{at}个来源总有取值，其后的来源不会用到",
                f"source {at} always states something: what follows it is never reached",
            )


def _unused_values(sheet: Sheet, maps: MapsOfPeer) -> Iterator[Remark]:
    """Value maps of the peer's settings that no rule of any event uses."""
    used = {
        call.arguments[0]
        for each in maps.kinds().values()
        for _, rule in each.every_rule()
        for source in rule.sources
        for call in source.functions
        if call.name == "map"
    }
    for name in sorted({*sheet.values, *maps.value_maps} - used):
        yield Remark(
            str(sheet.kinds[0][1]) if name in sheet.values else "settings",
            f"没有规则使用值映射 {name}",
            f"no rule uses the value map {name}",
        )


def _wrong_values(rule: Rule, sheet: Sheet, maps: MapsOfPeer) -> Iterator[Remark]:
    """Values that a rule may give to a coded field and that are not in its dictionary."""
    dictionary = _dictionary(maps.definitions, rule.code)
    if dictionary is None:
        return
    for source in rule.sources:
        given = {source.literal} if source.literal is not None and not source.functions else set()
        for call in source.functions[-1:]:
            if call.name == "map":
                own = maps.value_maps.get(call.arguments[0], {})
                given |= set({**sheet.values.get(call.arguments[0], {}), **own}.values())
        for value in sorted(given - {"", *dictionary}):
            yield Remark(
                str(rule.where),
                f"{value} 不在 {rule.code} 的字典中",
                f"{value} is not in the dictionary of {rule.code}",
            )


def _dictionary(definitions: Definitions, code: str) -> frozenset[str] | None:
    """The values of a field in the transactions that have a dictionary for it; None without."""
    values: set[str] = set()
    for infno in definitions.infnos():
        for node in definitions.transaction(infno).input:
            field = node.field(code)
            if field is not None and field.dictionary:
                values |= set(definitions.dictionary(field.dictionary))
    return frozenset(values) or None


def _no_place(rule: Rule) -> Iterator[Remark]:
    """Paths to a field that no version of HL7 v2 has; Z segments have what their sender says."""
    for source in rule.sources:
        if not source.path:
            continue
        target = HL7Language().target(source.path)
        defined = target.segment[0] != "Z" and target.segment not in OPEN_ENDED
        if defined and target.field > _fields_of(target.segment):
            yield Remark(
                str(rule.where),
                f"任何版本的 HL7 都没有 {target.segment}-{target.field}",
                f"no version of HL7 v2 has {target.segment}-{target.field}",
            )


@lru_cache(maxsize=256)
def _fields_of(segment: str) -> int:
    """The most fields that a segment has in any version."""
    return max(len(definitions_of(version).raw_segment(segment)) for version in MODULES)
