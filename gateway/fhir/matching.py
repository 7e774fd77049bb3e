"""Patient/$match: how sure it is that a known person is the one who is looked for.

Source: https://hl7.org/fhir/R4/patient-operation-match.html and the extension match-grade. A grade
follows from what both sides state, and never from a likeness of names:

| grade | score | when |
|---|---|---|
| certain | 1.0 | the platform found it by the certificate (1101), or the same national number |
| probable | 0.8 | another identifier in common |
| possible | 0.5 | either of these, although something differs; or only name and birth date |

A national number is that of the identity card or of the insurance; what may differ is name, birth
date and gender. Two different numbers of one kind are two persons: such a one is not answered.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import Severity
from gateway.fhir.building import Exchange, identifiers
from gateway.fhir.names import Names
from gateway.fhir.outcome import operation_outcome
from gateway.fhir.references import as_list
from gateway.intents import Record, Result, Status

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"
SCORES = {CERTAIN: Decimal("1.0"), PROBABLE: Decimal("0.8"), POSSIBLE: Decimal("0.5")}
NATIONAL = ("resident-id", "psn-no")
"""Identifier systems of which a person has one number only."""
GENDERS = {"1": "male", "2": "female", "9": "other"}
RESIDENT = "01"
"""psn_cert_type of an identity card."""
LIKENESS = "likeness"
"""Search token of name and birth date of a kept Patient; a digest."""


def grade(names: Names, wanted: Mapping[str, Any], found: Mapping[str, Any], *, known: bool) -> str:
    """The grade of a person; empty for another one. `known` says that the platform found it."""
    mine, theirs = _numbers(wanted), _numbers(found)
    national = [names.identifier(name) for name in NATIONAL]
    for system in national:
        both = mine.get(system, set()), theirs.get(system, set())
        if all(both) and not both[0] & both[1]:
            return ""
    shared = {
        system for system, values in mine.items() if system and values & theirs.get(system, set())
    }
    differs = _differs(wanted, found)
    if known or shared & set(national):
        return POSSIBLE if differs else CERTAIN
    if shared:
        return POSSIBLE if differs else PROBABLE
    alike = set(_likeness(wanted)) & set(_likeness(found))
    return POSSIBLE if alike and not differs else ""


def same_person(names: Names, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True for two records with the same identity card or person number."""
    mine, theirs = _numbers(one), _numbers(other)
    systems = (names.identifier(name) for name in NATIONAL)
    return any(mine.get(system, set()) & theirs.get(system, set()) for system in systems)


def likeness_tokens(patient: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a kept Patient is found by where no identifier is in common."""
    digests = [sm3(text.encode()).hex()[:32] for text in _likeness(patient)]
    return {LIKENESS: digests} if digests else {}


def person_of(names: Names, person: Record) -> dict[str, Any]:
    """The Patient that 1101 named."""
    pairs = [("psn-no", person.get("psn_no"))]
    if person.get("psn_cert_type") == RESIDENT:
        pairs.append(("resident-id", person.get("certno")))
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": identifiers(names, pairs),
        "name": [{"use": "official", "text": person.get("psn_name")}]
        if person.has("psn_name")
        else [],
        "gender": GENDERS.get(person.get("gend"), "unknown"),
        "birthDate": person.get("brdy")[:10],
    }
    return {name: value for name, value in patient.items() if value}


def platform_part(names: Names, exchange: Exchange, result: Result) -> dict[str, Any]:
    """The person whom the platform identified, or its words, as a searchset."""
    entries: list[dict[str, Any]] = []
    total = 0
    if result.status is Status.DONE and result.intent.person.has("psn_no"):
        digits, total = exchange.id_of("person"), 1
        cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        person = person_of(names, result.intent.person)
        entries.append({"fullUrl": "urn:uuid:" + "-".join(cuts), "resource": person})
    if result.problems:
        told = [msgspec.structs.replace(p, severity=Severity.WARNING) for p in result.problems]
        outcome = operation_outcome(names, told)
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total}
    return bundle | ({"entry": entries} if entries else {})


def entry(url: str, patient: Mapping[str, Any], how: str) -> dict[str, Any]:
    """An entry with its grade."""
    return {
        "fullUrl": url,
        "resource": dict(patient),
        "search": {
            "extension": [{"url": GRADE, "valueCode": how}],
            "mode": "match",
            "score": SCORES[how],
        },
    }


def persons(names: Names, patients: Sequence[Mapping[str, Any]]) -> int:
    """How many persons these records are of."""
    apart: list[Mapping[str, Any]] = []
    for patient in patients:
        if not any(same_person(names, patient, other) for other in apart):
            apart.append(patient)
    return len(apart)


def _numbers(patient: Mapping[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in as_list(patient.get("identifier")):
        if isinstance(one, dict) and isinstance(one.get("value"), str):
            found.setdefault(str(one.get("system", "")), set()).add(one["value"].upper())
    return found


def _differs(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """True when both state a name, a birth date or a gender, and not the same one."""
    mine, theirs = set(_texts(wanted)), set(_texts(found))
    if mine and theirs and not mine & theirs:
        return True
    for element in ("birthDate", "gender"):
        one, other = str(wanted.get(element, "")), str(found.get(element, ""))
        if element == "gender" and "unknown" in {one, other}:
            continue
        # A date may be stated less exactly: 1980 does not differ from 1980-01-01.
        if one and other and not one.startswith(other) and not other.startswith(one):
            return True
    return False


def _likeness(patient: Mapping[str, Any]) -> list[str]:
    birth = str(patient.get("birthDate", ""))
    return (
        [f"{text}|{birth}" for text in _texts(patient)] if len(birth) == len("yyyy-MM-dd") else []
    )


def _texts(patient: Mapping[str, Any]) -> Iterable[str]:
    """The names as they are compared: one text, without blanks and width."""
    for name in as_list(patient.get("name")):
        if isinstance(name, dict):
            parts = [str(name.get("family", "")), *map(str, as_list(name.get("given")))]
            text = str(name.get("text", "")) or "".join(parts)
            plain = "".join(unicodedata.normalize("NFKC", text).split()).casefold()
            if plain:
                yield plain.replace("•", "·")
