"""The published guide: valid in every release, and made of what the gateway runs by."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir.guide import Guide
from gateway.fhir.guide.catalogue import (
    CODES,
    EXTENSIONS,
    EXTENSIONS_OF_OTHERS,
    IDENTIFIERS,
)
from gateway.fhir.names import Names
from gateway.fhir.release import R4, R4B, R5, RELEASES, Release
from gateway.fhir.search import PARAMETERS, types_of
from gateway.fhir.shapes import shapes_of
from gateway.fsi.definitions import Definitions

ROOT = Path(__file__).parents[3]
BASE = "https://h.example/fhir"
EXAMPLES = ROOT / "docs" / "reference" / "fhir-guide"


def guide_in(release: Release, **changes: Any) -> Guide:
    """The guide under a base of a hospital's own."""
    definitions = Definitions.load()
    dictionaries = {name: definitions.dictionary(name) for name in definitions.dictionaries()}
    values = {"version": "1.2.3", "max_items": 500} | changes
    return Guide(Names(BASE), release, dictionaries, **values)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_every_resource_is_valid_in_its_release(release: Release) -> None:
    """For the models of fhir.resources, and for our own tables."""
    package = "fhir.resources" if release is R5 else "fhir.resources.R4B"
    model_of = importlib.import_module(package).get_fhir_model_class
    shapes = shapes_of(release.models)
    for resource in guide_in(release).resources:
        name = resource["resourceType"]
        model_of(name).model_validate(json.loads(json.dumps(resource)))
        assert shapes.check(resource, name) == [], resource["id"]


def test_every_url_is_unique_and_stands_under_the_base() -> None:
    """A canonical URL ends in type and id; the version is that of the software."""
    resources = [one for one in guide_in(R4).resources if one["resourceType"] != "NamingSystem"]
    assert max(Counter(one["url"] for one in resources).values()) == 1
    for one in resources:
        assert one["url"] == f"{BASE}/{one['resourceType']}/{one['id']}"
        assert one["version"] == "1.2.3"


def used_in_maps() -> dict[str, set[str]]:
    """The short names that the message maps look for: identifiers, codes, extensions."""
    text = "\n".join(
        path.read_text("utf-8")
        for path in sorted((ROOT / "mappings" / "messages" / "fhir").rglob("*.map"))
    )
    parts = {"type", "value", "card-sn"}
    return {
        "id": set(re.findall(r"\bid/([a-z-]+)", text)),
        "code": set(re.findall(r"\bcode/([a-z-]+)", text)),
        "ext": set(re.findall(r"\bext\(([a-z-]+)\)", text)) - parts,
    }


def used_in_answers() -> dict[str, set[str]]:
    """The names that answers are written with."""
    text = "\n".join(
        path.read_text("utf-8") for path in sorted((ROOT / "gateway" / "fhir").glob("*.py"))
    )
    return {
        "id": set(re.findall(r'\.identifier\("([a-z-]+)"', text)),
        "code": set(re.findall(r'\.code_system\("([a-z-]+)"', text)),
        "ext": set(re.findall(r'\.extension\("([a-z-]+)"', text)),
    }


def test_every_name_that_is_used_is_published() -> None:
    """A name in a message map or in an answer has its place in the guide."""
    published = {
        "id": {one.name for one in IDENTIFIERS},
        "code": {one.name for one in CODES},
        "ext": {one.name for one in EXTENSIONS} | set(EXTENSIONS_OF_OTHERS),
    }
    for used in (used_in_maps(), used_in_answers()):
        for kind, names in used.items():
            assert names, kind
            assert names <= published[kind], kind


def test_a_code_system_has_the_codes_of_the_national_dictionary() -> None:
    """As the definitions of the interface have them, with their labels."""
    found = guide_in(R4).find("CodeSystem", "insutype")
    assert found is not None
    assert {"code": "310", "display": "职工基本医疗保险"} in found["concept"]
    assert found["count"] == len(Definitions.load().dictionary("insutype"))


def test_every_search_parameter_that_is_served_is_published() -> None:
    """And the CapabilityStatement says where each is defined."""
    guide = guide_in(R4)
    urls = {
        f"{BASE}/SearchParameter/{type_name}-{name}"
        for type_name in types_of(R4)
        for name in PARAMETERS[type_name]
    }
    assert {one["url"] for one in guide.of_type("SearchParameter")} == urls
    [statement] = guide.of_type("CapabilityStatement")
    rows = [
        row["definition"]
        for resource in statement["rest"][0]["resource"]
        for row in resource.get("searchParam", [])
        if "definition" in row
    ]
    assert set(rows) == urls


def test_every_reference_inside_the_guide_leads_to_something() -> None:
    """Profiles, bindings, value sets and definitions of ours that are named exist."""
    guide = guide_in(R4)
    named = set(re.findall(rf'"({re.escape(BASE)}/[A-Z][^"|]+)"', json.dumps(guide.resources)))
    assert len(named) > 50
    assert {url for url in named if guide.by_url(url) is None} == set()


def test_the_list_of_the_guide_is_whole() -> None:
    """The ImplementationGuide names every other resource."""
    guide = guide_in(R5)
    [listing] = guide.of_type("ImplementationGuide")
    rows = {row["reference"]["reference"] for row in listing["definition"]["resource"]}
    others = {f"{one['resourceType']}/{one['id']}" for one in guide.resources if one is not listing}
    assert rows == others


def test_a_profile_says_what_the_settings_say() -> None:
    """The limit of items is the gateway's own."""
    found = guide_in(R4, max_items=40).find("StructureDefinition", "fsi-claim")
    assert found is not None
    elements = {one["id"]: one for one in found["differential"]["element"]}
    assert elements["Claim.item"]["max"] == "40"
    assert elements["Claim.use"]["fixedCode"] == "claim"
    assert "Claim.extension:encounter" in elements


def test_elements_of_a_profile_stand_behind_their_parents() -> None:
    """A differential lists an element after the one that holds it, and every element once."""
    for release in (R4, R5):
        for one in guide_in(release).of_type("StructureDefinition"):
            identities = [element["id"] for element in one["differential"]["element"]]
            assert len(identities) == len(set(identities)), one["id"]
            for number, identity in enumerate(identities):
                top = ".".join(identity.split(".")[:2])
                same = [n for n, other in enumerate(identities) if other.startswith(f"{top}.")]
                assert not same or top not in identities[number + 1 :], identity


def test_r4b_has_what_r4_has() -> None:
    """Only the version of FHIR differs, and the name of the CapabilityStatement."""
    first, second = (
        json.dumps(guide_in(release).resources)
        .replace(release.version, "")
        .replace(f"fsi-gateway-{release.segment}", "")
        for release in (R4, R4B)
    )
    assert first == second


def test_the_page_of_examples_says_what_the_answers_say() -> None:
    """Request, status and meaning of each example, in the order in which they are posted."""
    page = (EXAMPLES / "examples.md").read_text("utf-8")
    rows = json.loads((EXAMPLES / "examples" / "answers.json").read_text("utf-8"))
    lines = [line for line in page.splitlines() if line.startswith("| [")]
    assert lines == [
        f"| [{row['example']}](examples/{row['example']}.json) | `{row['request']}` "
        f"| {row['status']} | {row['shows']} |"
        for row in rows
    ]
