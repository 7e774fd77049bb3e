"""Examples of the FHIR community, left out where they are not at hand."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.fhir.decode import decode, decode_own, encode
from gateway.fhir.forms import Forms
from gateway.fhir.release import BY_SEGMENT, Release
from gateway.fhir.shapes import shapes_of
from gateway.fhir.xml import decode_xml, encode_xml
from tests.fhir_xml import same
from tests.unit.fhir.mutating import mutate

FOLDER = Path(__file__).parents[3].parent / "shared" / "samples" / "fhir"
FILES = [
    pytest.param(release, path, id=f"{release.name}-{path.stem}")
    for release in BY_SEGMENT.values()
    for path in sorted((FOLDER / release.name).rglob("*.json"))
]
XML_FILES = sorted((FOLDER / "R4-xml").rglob("*.xml"))
READABLE = {
    "Claim",
    "ClaimResponse",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Encounter",
    "Task",
}
ANSWERS = {
    "Claim": {201, 422},
    "CoverageEligibilityRequest": {201, 422},
    "Encounter": {201, 422},
    "Subscription": {201, 422},
    "Task": {201, 422},
    "Patient": {201},
    "PaymentNotice": {201},
}
"""What a sample of a type that is created may be answered with; any other is 404 or 405."""

pytestmark = [
    pytest.mark.samples,
    pytest.mark.skipif(not FILES, reason="the samples are not beside the checkout"),
]


def model_of(release: Release, type_name: str) -> Any:
    """The model of fhir.resources for a resource of this release."""
    package = "fhir.resources.R4B" if release.models == "R4B" else "fhir.resources"
    return importlib.import_module(package).get_fhir_model_class(type_name)


@pytest.mark.parametrize(("release", "path"), FILES)
def test_every_sample_is_of_right_shape(release: Release, path: Path) -> None:
    """The compiled tables refuse nothing that the models accept."""
    tree = decode(path.read_bytes(), max_depth=32)

    assert shapes_of(release.models).check(tree, tree["resourceType"]) == []


@pytest.mark.parametrize(("release", "path"), FILES)
def test_a_sample_that_the_models_refuse_is_refused(release: Release, path: Path) -> None:
    """Ten mutations of each sample: the compiled tables are never laxer than the models."""
    dice = random.Random(f"{release.name}{path.stem}")  # noqa: S311 - chooses mutations
    shapes = shapes_of(release.models)
    for _ in range(10):
        tree = mutate(json.loads(path.read_text("utf-8")), dice)
        name = str(tree["resourceType"])
        found = shapes.check(decode_own(json.dumps(tree)), name)
        accepted = accepted_by_the_model(release, name, tree)
        assert accepted or found, json.dumps(tree, ensure_ascii=False)


def accepted_by_the_model(release: Release, name: str, tree: Any) -> bool:
    """What fhir.resources says."""
    try:
        model_of(release, name).model_validate(json.loads(json.dumps(tree)))
    except (ValidationError, ValueError, AttributeError, TypeError):
        return False
    return True


@pytest.mark.parametrize(("release", "path"), FILES)
def test_every_sample_has_an_inner_form_and_comes_out_of_it(release: Release, path: Path) -> None:
    """What the sender wrote is read back; the tables find nothing wrong with it."""
    tree = decode(path.read_bytes(), max_depth=32)
    forms = Forms(release)
    back = forms.outward(forms.inward(tree).tree)
    again = decode(path.read_bytes(), max_depth=32)

    if tree["resourceType"] in READABLE:
        assert back is not None
        assert forms.shapes.check(back, tree["resourceType"]) == []
        left_out = {name for name in again if again[name] != back.get(name)}
        assert left_out <= {"decision"}


@pytest.mark.parametrize(("release", "path"), FILES)
async def test_every_sample_gets_a_well_formed_answer(
    ask: Any, release: Release, path: Path
) -> None:
    """A resource of ours, or an OperationOutcome that says where; never an error of ours."""
    raw = await asyncio.to_thread(path.read_bytes)
    name = decode_own(raw)["resourceType"]
    reply = await ask("POST", f"/fhir/{release.segment}/{name}", raw)

    model_of(release, reply.body["resourceType"]).model_validate(json.loads(encode(reply.body)))
    assert reply.status in ANSWERS.get(name, {404, 405})
    if reply.status == 422:
        assert all(issue["expression"] for issue in reply.body["issue"])


@pytest.mark.parametrize("release", BY_SEGMENT.values(), ids=lambda release: release.name)
async def test_every_sample_gets_in_xml_what_it_gets_in_json(
    speakers: Any, release: Release
) -> None:
    """Written as XML and posted, in each release: the same answer, or the same findings.

    Without the narrative: its XHTML has several spellings, and another one is other content.
    """
    in_json, in_xml = (one for one in speakers if one.release == release.segment)
    paths = sorted((FOLDER / release.name).rglob("*.json"))
    for path in paths:
        raw = await asyncio.to_thread(path.read_bytes)
        tree = decode_own(raw)
        if tree.pop("text", None) is not None:
            raw = encode(tree)
        place = f"/{tree['resourceType']}"
        first = await in_xml("POST", place, tree)
        second = await in_json("POST", place, raw)

        assert first.status == second.status, path.name
        assert findings(first.body) == findings(second.body), path.name
        assert first.body["resourceType"] == second.body["resourceType"], path.name
        if "issue" not in second.body:
            assert same(first.body, second.body), path.name
    assert paths


def findings(answer: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Code and place of each issue, in one order: JSON has none, XML has that of the definition."""
    return sorted(
        (issue["details"]["coding"][0]["code"], issue.get("expression", []))
        for issue in answer.get("issue", [])
    )


@pytest.mark.parametrize("path", XML_FILES, ids=lambda path: path.stem)
def test_every_sample_in_xml_is_the_json_it_stands_for(path: Path) -> None:
    """XML and JSON of the same example give the same tree, and the tree gives the XML again."""
    shapes = shapes_of("R4B")
    tree = decode_xml(path.read_bytes(), shapes, max_depth=32)
    twice = decode_xml(encode_xml(tree, shapes), shapes, max_depth=32)

    assert shapes.check(tree, tree["resourceType"]) == []
    assert encode(twice) == encode(tree)


@pytest.mark.parametrize("path", XML_FILES, ids=lambda path: path.stem)
async def test_every_sample_in_xml_gets_the_answer_of_its_json(ask: Any, path: Path) -> None:
    """The same status and the same findings, in XML."""
    raw = await asyncio.to_thread(path.read_bytes)
    tree = decode_xml(raw, shapes_of("R4B"), max_depth=32)
    name = tree["resourceType"]
    xml = {"Content_Type": "application/fhir+xml", "Accept": "application/fhir+xml"}
    in_xml = await ask("POST", f"/{name}", raw, **xml)
    in_json = await ask("POST", f"/{name}", tree)

    assert in_xml.status == in_json.status
    if name in {"Claim", "CoverageEligibilityRequest"}:
        answer = decode_xml(in_xml.raw, shapes_of("R4B"), max_depth=32)
        assert answer == in_json.body
