"""Patient/$match among the Patients that a client keeps."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.intents import Status

BASE = "https://fsi-gateway.example/fhir"
CARD, OTHER_CARD = "430199198001010010", "430199199105120243"
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def patient(name: str = "张伟示", birth: str = "1980-01-01", **numbers: str) -> dict[str, Any]:
    """A Patient with numbers: `key` and `mrn` of the hospital's, the first is what it is known by."""
    systems = {"key": "urn:his:key", "mrn": "urn:his:mrn"}
    systems |= {"card": f"{BASE}/id/resident-id", "psn": f"{BASE}/id/psn-no"}
    return {
        "resourceType": "Patient",
        "identifier": [{"system": systems[k], "value": v} for k, v in numbers.items()],
        "name": [{"text": name}],
        "gender": "male",
        "birthDate": birth,
    }


def asked(wanted: dict[str, Any], **flags: Any) -> dict[str, Any]:
    """The Parameters of the question."""
    rows: list[dict[str, Any]] = [{"name": "resource", "resource": wanted}]
    rows += [
        {"name": name, ("valueInteger" if name == "count" else "valueBoolean"): value}
        for name, value in flags.items()
    ]
    return {"resourceType": "Parameters", "parameter": rows}


def grades(reply: Any) -> list[tuple[str, str]]:
    """Id and grade of each match, in their order."""
    return [
        (row["resource"].get("id", ""), row["search"]["extension"][0]["valueCode"])
        for row in reply.body.get("entry", [])
        if row["search"]["mode"] == "match"
    ]


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_each_match_has_the_grade_of_what_both_sides_state(
    ask: Any, port: Any, segment: str
) -> None:
    """A national number, a hospital number, only name and birth date; another card is nobody."""
    url = f"/fhir/{segment}/Patient"
    ids = {}
    for name, kept in {
        "certain": patient(key="1", psn="4301"),
        "probable": patient(key="2", mrn="2"),
        "differs": patient("李娜范", key="3", psn="4301"),
        "alike": patient(key="4"),
        "other": patient(key="5", psn="4399", mrn="2"),
        "stranger": patient("王芳跨", "1975-03-20", key="6"),
    }.items():
        ids[name] = (await ask("POST", url, kept)).body["id"]
    reply = await ask("POST", f"{url}/$match", asked(patient(psn="4301", mrn="2")))
    in_xml = await ask(
        "POST", f"{url}/$match?_format=xml", asked(patient(psn="4301", mrn="2"), count=1)
    )
    model = r5_model if segment == "r5" else get_fhir_model_class
    model("Bundle").model_validate(reply.body)
    found = dict(grades(reply))

    assert reply.status == 200
    assert found == {
        ids["certain"]: "certain",
        ids["probable"]: "probable",
        ids["differs"]: "possible",
        ids["alike"]: "possible",
    }
    assert [grade for _, grade in grades(reply)] == ["certain", "probable", "possible", "possible"]
    scores = [row["search"]["score"] for row in reply.body["entry"]]
    assert scores == sorted(scores, reverse=True)
    assert reply.body["entry"][0]["search"]["extension"][0]["url"] == GRADE
    assert reply.body["entry"][0]["fullUrl"].endswith(f"{url}/{ids['certain']}")
    assert (in_xml.raw.count(b"<Patient>"), b'value="certain"' in in_xml.raw) == (1, True)


async def test_only_certain_matches_are_of_one_person(ask: Any) -> None:
    """With the flag: certain ones only, two records of one person too, and nobody of several."""
    first = await ask("POST", "/Patient", patient(key="1", psn="4301"))
    again = await ask("POST", "/Patient", patient(key="2", psn="4301"))
    await ask("POST", "/Patient", patient(mrn="5"))
    wanted = patient(psn="4301", mrn="5")
    every = await ask("POST", "/Patient/$match", asked(wanted))
    certain = await ask("POST", "/Patient/$match", asked(wanted, onlyCertainMatches=True))
    single = await ask("POST", "/fhir/r5/Patient/$match", asked(wanted, onlySingleMatch=True))

    assert len(grades(every)) == 3
    assert {identity for identity, _ in grades(certain)} == {first.body["id"], again.body["id"]}
    assert (single.body["total"], grades(single)) == (0, [])
    assert single.body["issues"]["issue"][0]["severity"] == "warning"


async def test_two_certain_persons_are_nobody(ask: Any, port: Any) -> None:
    """A card of one and a person number of the other, and the platform knows neither."""
    await ask("POST", "/Patient", patient(psn="4301"))
    await ask("POST", "/Patient", patient(card=CARD))
    port.centre.status = Status.REJECTED
    wanted = patient(psn="4301", card=CARD)
    plain = await ask("POST", "/Patient/$match", asked(wanted))
    certain = await ask("POST", "/Patient/$match", asked(wanted, onlyCertainMatches=True))

    assert [grade for _, grade in grades(plain)] == ["certain", "certain"]
    assert (certain.status, certain.body["total"]) == (200, 0)
    (outcome,) = certain.body["entry"]
    assert outcome["search"]["mode"] == "outcome"
    assert outcome["resource"]["issue"][0]["severity"] == "warning"


async def test_the_patients_of_another_peer_are_not_looked_through(ask: Any) -> None:
    """Each client has its own."""
    await ask("POST", "/Patient", patient(mrn="1"))
    other = await ask(
        "POST", "/Patient/$match", asked(patient(mrn="1")), token="t-0011223344556677"
    )

    assert (other.status, other.body["total"]) == (200, 0)


async def test_what_is_no_patient_is_refused(ask: Any) -> None:
    """400 with the place; a bare Patient is taken as Parameters are."""
    bare = await ask("POST", "/Patient/$match", patient(mrn="1"))
    claim = await ask("POST", "/Patient/$match", asked({"resourceType": "Claim"}))
    wrong = await ask("POST", "/Patient/$match", {**patient(mrn="1"), "gender": "m"})
    nothing = await ask("POST", "/Patient/$match", {"resourceType": "Parameters"})

    inside = await ask("POST", "/Patient/$match", asked({**patient(mrn="1"), "gender": "m"}))

    assert [one.status for one in (bare, claim, wrong, nothing)] == [200, 400, 400, 400]
    assert wrong.body["issue"][0]["expression"] == ["Patient.gender"]
    place = "Parameters.parameter[0].resource.gender"
    assert (inside.status, inside.body["issue"][0]["expression"]) == (400, [place])


async def test_nothing_of_a_person_is_in_a_log_or_a_refusal(
    ask: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """X-061: neither name, nor birth date, nor a number, whatever becomes of the question."""
    canaries = ("张伟示", CARD, "1980-01-01", "4301-canary")
    await ask("POST", "/Patient", patient(psn="4301-canary", card=CARD))
    matched = await ask("POST", "/Patient/$match", asked(patient(psn="4301-canary", card=CARD)))
    refused = await ask("POST", "/Patient/$match", {**patient(card=CARD), "colour": CARD})
    logged = capsys.readouterr()

    assert (matched.status, refused.status) == (200, 400)
    for canary in canaries:
        assert canary not in logged.out + logged.err
        assert canary.encode() not in refused.raw
