"""The examples of the published guide, posted to a running gateway one after the other."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4b_model

from gateway.fhir.decode import decode
from gateway.fhir.shapes import Shapes
from gateway.fhir.xml import encode_xml

EXAMPLES = Path(__file__).parents[2] / "docs" / "reference" / "fhir-guide" / "examples"
ROWS = json.loads((EXAMPLES / "answers.json").read_text("utf-8"), parse_float=Decimal)


def in_form(raw: bytes, path: str, form: str) -> bytes:
    """An example in JSON as it stands, or in XML."""
    if form == "json":
        return raw
    shapes = Shapes("R5" if "/r5/" in path else "R4B")
    return encode_xml(decode(raw, max_depth=50), shapes)


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_every_example_gets_the_documented_answer(world: Any, form: str) -> None:
    """Status, elements and amounts of answers.json, in its order, whatever the form."""
    for row in ROWS:
        method, path = row["request"].split()
        raw = (EXAMPLES / f"{row['example']}.json").read_bytes()
        kind = {"Content-Type": f"application/fhir+{form}", "Accept": "application/fhir+json"}
        answer = await world.post(path, in_form(raw, path, form), method=method, **kind)
        assert answer.status == row["status"], (row["example"], answer.body)
        assert missing(row["answer"], answer.body) == [], (row["example"], answer.body)
        assert not set(row.get("absent", [])) & answer.body.keys()


def test_every_example_is_in_the_table_and_is_what_the_models_accept() -> None:
    """No example without an answer, no answer without an example; all are FHIR."""
    files = {path.stem for path in EXAMPLES.glob("*.json")} - {"answers"}
    assert files == {row["example"] for row in ROWS}
    for row in ROWS:
        tree = json.loads((EXAMPLES / f"{row['example']}.json").read_text("utf-8"))
        model = r5_model if "/r5/" in row["request"] else r4b_model
        assert model(tree["resourceType"]).model_validate(tree).id is None


def missing(wanted: Any, found: Any, place: str = "") -> list[str]:
    """Where the documented part is not in the answer; rows of a list may stand anywhere."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [place]
        return [
            one
            for name, value in wanted.items()
            for one in missing(value, found.get(name), f"{place}.{name}")
        ]
    if isinstance(wanted, list):
        rows = found if isinstance(found, list) else []
        return [
            f"{place}[{number}]"
            for number, value in enumerate(wanted)
            if all(missing(value, row) for row in rows)
        ]
    return [] if wanted == found else [place]
