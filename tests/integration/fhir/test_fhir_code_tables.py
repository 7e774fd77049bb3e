"""Code tables as ConceptMaps and CodeSystems."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

BASE = "https://fsi-gateway.example/fhir"
OTHER = "t-0011223344556677"
RELEASES = {"r4": "fhir.resources.R4B", "r4b": "fhir.resources.R4B", "r5": "fhir.resources"}
ITEMS = {
    *("YP001", "YP002", "SF001", "SF002", "SF003", "JC001", "HL001", "CT001", "HC001"),
}
"""The charge items of the demonstration tables."""
HEADER = (
    "# source: made up for a test\n# date: 2026-11-22\n"
    "kind,local_code,local_name,national_code,national_name,"
    "valid_from,valid_to,source,reviewer,reviewed_on,relation\n"
)


def valid(segment: str, reply: Any) -> None:
    """Hold an answer to the models of its release."""
    model = importlib.import_module(RELEASES[segment]).get_fhir_model_class
    model(reply.body["resourceType"]).model_validate(json.loads(reply.raw))


def rows_of(resource: Any) -> dict[str, Any]:
    """The elements of a map by their code."""
    return {
        element["code"]: element
        for group in resource.get("group", [])
        for element in group["element"]
    }


@pytest.mark.parametrize("segment", RELEASES)
async def test_a_map_has_what_translates_on_a_day(ask: Any, segment: str) -> None:
    """Each reviewed row with its target and when it holds; as $translate answers on that day."""
    read = await ask("GET", f"/fhir/{segment}/ConceptMap/item?date=2026-03-02")
    in_xml = await ask("GET", f"/fhir/{segment}/ConceptMap/item?date=2026-03-02&_format=xml")
    again = await ask(
        "GET",
        f"/fhir/{segment}/ConceptMap/item?date=2026-03-02",
        If_None_Match=read.headers["ETag"],
    )
    valid(segment, read)
    target = rows_of(read.body)["SF003"]["target"][0]
    (group,) = read.body["group"]
    word = "relationship" if segment == "r5" else "equivalence"

    assert (read.status, again.status) == (200, 304)
    assert rows_of(read.body).keys() == ITEMS
    assert (read.body["url"], read.body["version"]) == (f"{BASE}/ConceptMap/item", "2026-03-02")
    assert (target["code"], target[word]) == ("001101000010000", "equivalent")
    assert target["extension"] == [
        {
            "url": f"{BASE}/StructureDefinition/valid-period",
            "valuePeriod": {"start": "2020-01-01"},
        }
    ]
    assert group["source"] == f"{BASE}/CodeSystem/local-item"
    assert group["target"] == f"{BASE}/CodeSystem/med-list"
    assert in_xml.raw.count(b"<element>") == len(ITEMS)


async def test_a_row_counts_on_its_days_only(ask: Any) -> None:
    """Before the table begins there is nothing to map, as $translate says too."""
    before = await ask("GET", "/ConceptMap/item?date=2019-12-31")
    query = f"url={BASE}/ConceptMap/item&code=SF003&date=2019-12-31"
    translated = await ask("GET", f"/ConceptMap/$translate?{query}")

    assert "group" not in before.body
    assert translated.body["parameter"][0]["valueBoolean"] is False


async def test_every_element_translates_to_its_target(ask: Any) -> None:
    """A map and $translate are one thing: system, code and day of each element, in all maps."""
    for kind in ("item", "diagnosis", "operation", "physician", "department"):
        read = await ask("GET", f"/ConceptMap/{kind}?date=2026-03-02")
        for group in read.body["group"]:
            for element in group["element"][:20]:
                query = (
                    f"url={BASE}/ConceptMap/{kind}&code={quote(element['code'])}&date=2026-03-02"
                    f"&system={quote(group['source'])}"
                )
                found = await ask("GET", f"/ConceptMap/$translate?{query}")
                concept = found.body["parameter"][1]["part"][1]["valueCoding"]
                assert concept["code"] == element["target"][0]["code"], (kind, element["code"])
                assert concept["system"] == group["target"]


async def test_a_large_map_is_read_in_pages(ask: Any) -> None:
    """Each part is tagged SUBSETTED and leads to the next; together they are the whole."""
    url = "/ConceptMap/item?_count=4&date=2026-03-02"
    codes: list[str] = []
    tags = []
    while url:
        part = await ask("GET", url)
        codes += rows_of(part.body)
        tags.append(part.body["meta"]["tag"][0]["code"])
        link = part.headers.get("Link", "")
        url = link[1:].partition(">")[0] if link.endswith('rel="next"') else ""

    assert (len(codes), set(codes)) == (len(ITEMS), ITEMS)
    assert tags == ["SUBSETTED"] * 3
    assert "9 mappings" in part.body["description"]


@pytest.mark.parametrize("segment", RELEASES)
async def test_maps_are_found_by_url_source_and_target(ask: Any, segment: str) -> None:
    """The names of the parameters are those of the release; a code gives the rows that have it."""
    r5 = segment == "r5"
    source, target = ("source-scope", "target-scope") if r5 else ("source", "target")
    system = "target-group-system" if r5 else "target-system"
    url = f"/fhir/{segment}/ConceptMap"
    every = await ask("GET", url)
    valid(segment, every)
    found = {}
    for name, query in {
        "url": f"url={BASE}/ConceptMap/diagnosis",
        "source": f"{source}={BASE}/ValueSet/local-item",
        "target": f"{target}={BASE}/ValueSet/national-department",
        "system": f"{system}={BASE}/CodeSystem/surgery",
        "code": "source-code=SF003,YP001",
        "back": "target-code=001101000010000",
        "none": "source-code=NOTHING",
    }.items():
        reply = await ask("GET", f"{url}?{query}&date=2026-03-02")
        found[name] = {
            row["resource"]["id"]: set(rows_of(row["resource"]))
            for row in reply.body.get("entry", [])
        }

    assert every.body["total"] == 5
    assert (found["url"].keys(), found["source"].keys()) == ({"diagnosis"}, {"item"})
    assert (found["target"].keys(), found["system"].keys()) == ({"department"}, {"operation"})
    assert found["code"] == {"item": {"SF003", "YP001"}}
    assert found["back"] == {"item": {"SF003"}}
    assert found["none"] == {}


async def test_what_cannot_be_meant_is_refused(ask: Any) -> None:
    """X-025: ignored, unless the client is strict; a modifier is always refused."""
    statuses = [
        (await ask("GET", f"/ConceptMap{rest}", **headers)).status
        for rest, headers in (
            ("?colour=red", {}),
            ("?colour=red", {"Prefer": "handling=strict"}),
            ("?url:below=x", {}),
            ("?date=soon", {}),
            ("/item?_count=x", {}),
            ("/none", {}),
        )
    ]
    nobody = await ask("GET", "/ConceptMap/item", token="")

    assert statuses == [200, 400, 400, 400, 400, 404]
    assert nobody.status == 401


async def test_a_relation_that_is_no_equivalence_is_told_as_such(
    ask: Any, port: Any, tmp_path: Path
) -> None:
    """A local code that is narrower: the target is wider, in the map and in $translate."""
    folder = tmp_path / "tables"
    folder.mkdir()
    row = (
        "item,X1,床旁彩超,001101000010000,一般诊疗费,2026-01-01,2026-12-31,site,医保办,2026-01-01,"
    )
    text = f"{HEADER}{row}source-is-narrower-than-target\n"
    (folder / "items.csv").write_text(text, "utf-8")
    codes = port.settings.codes.model_copy(update={"directories": [folder]})
    other = type(port)(port.settings.model_copy(update={"codes": codes}), port.journal)
    await other.server.start()
    host, number = other.server.address
    url = f"http://{host}:{number}/fhir"
    r4 = await ask("GET", f"{url}/r4/ConceptMap/item?date=2026-03-02")
    r5 = await ask("GET", f"{url}/r5/ConceptMap/item?date=2026-03-02")
    query = f"url={BASE}/ConceptMap/item&code=X1&date=2026-03-02"
    translated = await ask("GET", f"{url}/r4/ConceptMap/$translate?{query}")
    await other.server.stop(0.1)
    target = rows_of(r4.body)["X1"]["target"][0]

    assert target["equivalence"] == "wider"
    assert target["extension"][0]["valuePeriod"] == {"start": "2026-01-01", "end": "2026-12-31"}
    assert rows_of(r5.body)["X1"]["target"][0]["relationship"] == "source-is-narrower-than-target"
    assert translated.body["parameter"][1]["part"][0]["valueCode"] == "wider"


@pytest.mark.parametrize("segment", RELEASES)
async def test_a_national_list_is_a_code_system(ask: Any, segment: str) -> None:
    """What $lookup knows, in pages; a sample says that it is a fragment."""
    url = f"/fhir/{segment}/CodeSystem/national-disease"
    whole = await ask("GET", f"{url}?date=2026-03-02")
    page = await ask("GET", f"{url}?date=2026-03-02&_count=2&_offset=1")
    valid(segment, whole)
    concepts = whole.body["concept"]
    query = f"system={BASE}/CodeSystem/disease&code={quote(concepts[0]['code'])}&date=2026-03-02"
    looked_up = await ask("GET", f"/fhir/{segment}/CodeSystem/$lookup?{query}")
    nothing = await ask("GET", f"/fhir/{segment}/CodeSystem/national-none")
    nobody = await ask("GET", url, token="")

    assert (whole.body["url"], whole.body["content"]) == (f"{BASE}/CodeSystem/disease", "fragment")
    assert len(concepts) == whole.body["count"] == len({one["code"] for one in concepts})
    assert page.body["concept"] == concepts[1:3]
    displays = [row.get("valueString") for row in looked_up.body["parameter"]]
    assert concepts[0]["display"] in displays
    assert (nothing.status, nobody.status) == (404, 401)
