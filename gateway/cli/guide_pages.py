"""The published FHIR guide as files of the documentation: two Bundles and a page about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway import __version__
from gateway.fhir.guide import GUIDE_TYPES, Guide
from gateway.fhir.guide.catalogue import CODES, EXTENSIONS, IDENTIFIERS
from gateway.fhir.guide.frame import Frame
from gateway.fhir.guide.profiles import profiles_of
from gateway.fhir.names import Names
from gateway.fhir.release import R4, R5, Release
from gateway.fsi.definitions import Definitions
from gateway.settings import FHIRSettings

DEFAULTS = FHIRSettings()
NAMES = Names(DEFAULTS.canonical_base)


def guide_in(release: Release) -> Guide:
    """The guide with the default settings."""
    definitions = Definitions.load()
    dictionaries = {name: definitions.dictionary(name) for name in definitions.dictionaries()}
    return Guide(NAMES, release, dictionaries, version=__version__, max_items=DEFAULTS.max_items)


def bundle(release: Release) -> str:
    """Every resource of the guide as a Bundle."""
    entries = [
        {"fullUrl": f"{NAMES.base}/{one['resourceType']}/{one['id']}", "resource": one}
        for one in guide_in(release).resources
    ]
    tree = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return msgspec.json.format(msgspec.json.encode(tree), indent=1).decode() + "\n"


def guide_r4() -> str:
    """The guide in R4; R4B has the same with its own `fhirVersion`."""
    return bundle(R4)


def guide_r5() -> str:
    """The guide in R5."""
    return bundle(R5)


def guide_page() -> str:
    """What the guide has, by the tables it is made from."""
    guide = guide_in(R4)
    lines = [
        "# FHIR guide",
        "",
        "What the gateway means by its own names, as FHIR resources in differential form.",
        (
            "They are made from the tables that it runs by: [R4](r4.json) and [R5](r5.json), "
            f"with the default base `{NAMES.base}`."
        ),
        "",
        "A running gateway serves them without a token:",
        "",
        (
            "- at every FHIR base: `GET /fhir/r4/StructureDefinition?url=...`, "
            "`GET /fhir/r4/ValueSet/insutype`, `GET /fhir/r4/ValueSet/insutype/$expand`;"
        ),
        (
            "- at their canonical URLs, when the host of `[fhir] canonical_base` leads to it; "
            "`fhirVersion` of Accept chooses the release."
        ),
        "",
        "| type | resources |",
        "|---|---|",
        *(f"| {name} | {len(guide.of_type(name))} |" for name in GUIDE_TYPES),
        "",
        *_profiles(),
        *_extensions(),
        *_codes(guide),
        *_identifiers(),
        "[Examples](examples.md) with the answers that a gateway gives to them.",
    ]
    return "\n".join(lines) + "\n"


def _profiles() -> Iterator[str]:
    yield from ("## Profiles: `{base}/StructureDefinition/NAME`", "")
    yield from ("| profile | of | is | beside the definition |", "|---|---|---|---|")
    for one in profiles_of(Frame(NAMES, R4, __version__), DEFAULTS.max_items):
        rules = "; ".join(f"`{rule.path}` {_said(rule.constraint)}" for rule in one.rules)
        yield f"| `{one.name}` | {one.type} | {one.en} | {rules} |"
    yield ""


def _said(constraint: dict[str, Any]) -> str:
    """A constraint in words."""
    words = []
    for name, value in constraint.items():
        if name == "min":
            words.append("required")
        elif name == "max":
            words.append("not taken" if value == "0" else f"{value} at most")
        elif name == "binding":
            words.append(f"from `{value['valueSet'].rpartition('/')[2]}`")
        elif isinstance(value, dict):
            words.append(" ".join(f"{key} {inner}" for key, inner in value.items()))
        else:
            words.append(f"is `{value}`")
    return ", ".join(words)


def _extensions() -> Iterator[str]:
    yield from ("## Extensions: `{base}/StructureDefinition/NAME`", "")
    yield from ("| extension | on | value | holds |", "|---|---|---|---|")
    for one in EXTENSIONS:
        parts = ", ".join(f"`{name}` ({kind})" for name, kind in one.parts)
        value = " or ".join(one.types) or parts
        contexts = ", ".join(one.contexts)
        yield f"| `{one.name}` | {contexts} | {value} | {one.zh}: {one.en} |"
    yield ""


def _codes(guide: Guide) -> Iterator[str]:
    yield from ("## Code systems: `{base}/CodeSystem/NAME`", "")
    yield "Each has a value set of the same name with all its codes."
    yield from ("", "| code system | holds | codes |", "|---|---|---|")
    for one in CODES:
        found = guide.find("CodeSystem", one.name) or {}
        count = found.get("count", "in the code tables, by `CodeSystem/$lookup`")
        yield f"| `{one.name}` | {one.zh}: {one.en} | {count} |"
    yield ""


def _identifiers() -> Iterator[str]:
    yield from ("## Identifier systems: `{base}/id/NAME`", "")
    yield from ("| name | holds |", "|---|---|")
    for one in IDENTIFIERS:
        yield f"| `{one.name}` | {one.zh}: {one.en} |"
    yield ""
