"""The path language of the FHIR maps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.names import Names
from gateway.fhir.paths import FHIRPaths
from gateway.fhir.references import Library, root_node

BASE = "https://h.example/fhir"
PATHS = FHIRPaths(Names(BASE))

CLAIM = {
    "resourceType": "Claim",
    "contained": [
        {
            "resourceType": "Patient",
            "id": "p",
            "identifier": [
                {"system": "urn:other", "value": "no"},
                {"system": f"{BASE}/id/psn-no", "value": " 77 "},
            ],
            "name": [{"family": "欧阳", "given": ["小", "明"]}],
        }
    ],
    "extension": [
        {"url": "urn:x/StructureDefinition/med-type", "valueCode": "11"},
        {"url": "urn:x/StructureDefinition/acct-used-flag", "valueBoolean": True},
    ],
    "patient": {"reference": "#p"},
    "provider": {"identifier": {"value": "H1"}, "display": "医院"},
    "careTeam": [{"sequence": 1}, {"sequence": 2, "role": {"text": "second"}}],
    "item": [
        {"sequence": 1, "net": {"value": Decimal("12.50")}, "servicedDate": "2026-03-02"},
        {"sequence": 2, "careTeamSequence": [2], "net": {"value": 7}},
    ],
    "created": "2026-03-02",
}


def found(path: Any, claim: Any = CLAIM, library: Any = None) -> Any:
    """What a path finds in a claim."""
    return PATHS.value(path)(root_node(claim, "Claim", library or Library()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("created", ("2026-03-02", "Claim.created")),
        ("item.net.value", ("12.50", "Claim.item[0].net.value")),
        ("item[1].net.value", ("7", "Claim.item[1].net.value")),
        ("item[sequence=2].net.value", ("7", "Claim.item[1].net.value")),
        ("item[2].net.value", None),
        ("item.serviced[x]", ("2026-03-02", "Claim.item[0].servicedDate")),
        ("ext(med-type).value[x]", ("11", "Claim.extension[0].valueCode")),
        ("ext(acct-used-flag).value[x]", ("true", "Claim.extension[1].valueBoolean")),
        (
            "patient->identifier[system=id/psn-no].value",
            ("77", "Claim.contained[0].identifier[1].value"),
        ),
        (
            "patient->identifier[system!=id/psn-no].value",
            ("no", "Claim.contained[0].identifier[0].value"),
        ),
        (
            "patient->identifier[system^=urn:].value",
            ("no", "Claim.contained[0].identifier[0].value"),
        ),
        ("%patient->name | name", ("欧阳小明", "Claim.contained[0].name[0]")),
        ("careTeam[!role].sequence", ("1", "Claim.careTeam[0].sequence")),
        ("item.careTeamSequence->careTeam.role.text", ("second", "Claim.careTeam[1].role.text")),
        ("provider->identifier.value", ("H1", "Claim.provider.identifier.value")),
        ("provider->name | name", ("医院", "Claim.provider.display")),
        ("provider->address.city", None),
        ("item", None),
    ],
)
def test_a_path_finds_the_first_value_and_its_place(path: str, expected: Any) -> None:
    """Element, entry, filter, choice, extension, reference and sequence steps."""
    assert found(path) == expected


def test_a_block_repeats_over_every_entry_and_sees_the_resource() -> None:
    """`each item` gives the items; `%resource` leads back to the claim."""
    nodes = PATHS.each("item")(root_node(CLAIM, "Claim", Library()))

    assert [node.place for node in nodes] == ["Claim.item[0]", "Claim.item[1]"]
    assert PATHS.value("%resource.created")(nodes[1]) == ("2026-03-02", "Claim.created")


def test_an_entry_of_the_bundle_is_found_by_its_full_url() -> None:
    """The place is that of the entry."""
    library = Library()
    patient = {"resourceType": "Patient", "id": "1", "identifier": [{"value": "A"}]}
    library.add_entry(patient, "Bundle.entry[2].resource", "urn:uuid:1")
    claim = {"resourceType": "Claim", "patient": {"reference": "urn:uuid:1"}}

    assert found("patient->identifier.value", claim, library) == (
        "A",
        "Bundle.entry[2].resource.identifier[0].value",
    )


def test_a_resource_from_elsewhere_keeps_the_place_of_the_reference() -> None:
    """What this gateway answered before is no part of the sender's message."""
    library = Library()
    library.give({"Encounter/e": {"resourceType": "Encounter", "identifier": [{"value": "V"}]}})
    claim = {
        "resourceType": "Claim",
        "item": [{"encounter": [{"reference": "http://h.example/fhir/r4/Encounter/e"}]}],
    }

    assert found("%encounter->identifier.value", claim, library) == (
        "V",
        "Claim.item[0].encounter[0]",
    )


def test_references_in_a_circle_come_to_an_end() -> None:
    """A path has as many steps as it was written with."""
    claim = {
        "resourceType": "Claim",
        "contained": [{"resourceType": "Patient", "id": "p", "link": [{"reference": "#p"}]}],
        "patient": {"reference": "#p"},
    }

    assert found("patient->link->link->link.display", claim) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"text": "王 芳"}, "王 芳"),
        ({"family": "王", "given": ["芳"]}, "王芳"),
        ({"family": "Smith", "given": ["Ann", "B"]}, "Smith Ann B"),
        ({"family": "㐂", "given": ["龘𠮷"]}, "㐂龘𠮷"),
    ],
)
def test_a_chinese_name_is_joined_without_a_blank(name: Any, expected: Any) -> None:
    """Mapping matrix 1.1; rare characters outside the first plane too."""
    claim = {"resourceType": "Claim", "contained": [{"id": "p", "name": [name]}]}
    claim["patient"] = {"reference": "#p"}

    assert found("patient->name | name", claim)[0] == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".a",
        "a..b",
        "a[",
        "a[]",
        "a[b]",
        "a[x=",
        "->a",
        "a.%resource",
        "%nothing.a",
        "a | upper2",
        "a b",
        "ext(",
        "a[99999]",
    ],
)
def test_a_bad_path_is_refused_when_the_map_is_compiled(path: str) -> None:
    """ValueError, which the compiler turns into file, line and reason."""
    with pytest.raises(ValueError, match=r"\S"):
        PATHS.value(path)


@pytest.mark.parametrize(
    ("quantity", "function", "expected"),
    [
        ({"value": Decimal("3.25"), "unit": "kilogram", "code": "kg"}, "grams", "3250"),
        ({"value": Decimal(3250), "unit": "g"}, "grams", "3250"),
        ({"value": Decimal(7), "code": "[lb_av]"}, "grams", "7 [lb_av]"),
        ({"value": Decimal(3250), "comparator": ">", "code": "g"}, "grams", None),
        ({"code": "g"}, "grams", None),
        ({"value": Decimal("37.4"), "code": "h"}, "duration", "1/13/24"),
    ],
)
def test_a_quantity_is_converted_by_its_unit(
    quantity: Any, function: str, expected: str | None
) -> None:
    """To grams, and to days/hours/minutes; what is not exact is no measure."""
    claim = {**CLAIM, "supportingInfo": [{"sequence": 1, "valueQuantity": quantity}]}
    place = "Claim.supportingInfo[0].valueQuantity"
    value = found(f"supportingInfo.valueQuantity | {function}", claim)
    assert value == ((expected, place) if expected else None)
