"""Patient/$match against the platform: 1101 by the certificate that a Patient shows."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fhir.decode import encode

BASE = "https://fsi-gateway.example/fhir"
PERSON = "43010000000000000001"


def shown(world: Any, **changes: Any) -> dict[str, Any]:
    """Zhang, with the number of the identity card."""
    patient = world.client.patient(m.ZHANG)
    del patient["id"]
    return patient | changes


async def matched(world: Any, patient: dict[str, Any], release: str = "r4", **flags: bool) -> Any:
    """The answer to the question."""
    rows: list[dict[str, Any]] = [{"name": "resource", "resource": patient}]
    rows += [{"name": name, "valueBoolean": value} for name, value in flags.items()]
    body = encode({"resourceType": "Parameters", "parameter": rows})
    kind = {"Content-Type": "application/fhir+json"}
    return await world.post(f"/fhir/{release}/Patient/$match", body, **kind)


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_the_platform_says_who_it_is(world: Any, release: str) -> None:
    """Matrix 2.1: 1101 by a `$`-operation; the person number comes with the certain match."""
    answered = await matched(world, shown(world), release, onlyCertainMatches=True)
    (row,) = answered.body["entry"]
    numbers = {one["system"]: one["value"] for one in row["resource"]["identifier"]}

    assert (answered.status, answered.body["total"]) == (200, 1), answered.body
    assert row["search"]["extension"][0]["valueCode"] == "certain"
    assert numbers == {
        f"{BASE}/id/psn-no": PERSON,
        f"{BASE}/id/resident-id": m.ZHANG.certno,
    }
    assert row["resource"]["name"] == [{"use": "official", "text": "张伟示"}]
    assert (row["resource"]["gender"], row["resource"]["birthDate"]) == ("male", "1980-01-01")
    assert row["fullUrl"].startswith("urn:uuid:")
    assert await world.requests() == ["1101"]


async def test_a_kept_patient_and_the_platforms_person_are_one(world: Any) -> None:
    """Both records are certain, and one person: the flag does not hide them."""
    kept = await world.post_fhir("Patient", shown(world))
    answered = await matched(world, shown(world), onlyCertainMatches=True)
    urls = [row["fullUrl"] for row in answered.body["entry"]]

    assert answered.body["total"] == 2
    assert urls[0].endswith(f"/Patient/{kept.body['id']}")
    assert urls[1].startswith("urn:uuid:")


async def test_what_differs_makes_a_match_possible_only(world: Any) -> None:
    """The card is Zhang's, the birth date is not: somebody has to look."""
    answered = await matched(world, shown(world, birthDate="1981-01-01"))
    certain = await matched(world, shown(world, birthDate="1981-01-01"), onlyCertainMatches=True)

    assert [row["search"]["extension"][0]["valueCode"] for row in answered.body["entry"]] == [
        "possible"
    ]
    assert certain.body["total"] == 0


async def test_whom_the_platform_does_not_know_is_nobody_with_its_words(world: Any) -> None:
    """A card that it has no person of: no match, and why."""
    system = f"{BASE}/id/resident-id"
    stranger = shown(world, identifier=[{"system": system, "value": "11010519491231002X"}])
    answered = await matched(world, stranger)
    (row,) = answered.body["entry"]

    assert (answered.status, answered.body["total"]) == (200, 0)
    assert row["search"]["mode"] == "outcome"
    assert row["resource"]["issue"][0]["details"]["coding"][0]["code"] == "FSI-REJECT"


async def test_a_platform_that_does_not_answer_is_not_taken_for_nobody(world: Any) -> None:
    """503 where nobody is known here; else those, with an outcome that says who was not asked."""
    await world.admin.fault("drop-after", "1101")
    alone = await matched(world, shown(world))
    kept = await world.post_fhir("Patient", shown(world))
    await world.admin.fault("drop-after", "1101")
    beside = await matched(world, shown(world))
    modes = [row["search"]["mode"] for row in beside.body["entry"]]

    assert (alone.status, alone.body["issue"][0]["code"]) == (503, "transient")
    assert (beside.status, modes) == (200, ["match", "outcome"])
    assert beside.body["entry"][0]["resource"]["id"] == kept.body["id"]


async def test_a_patient_without_certificate_asks_nobody(world: Any) -> None:
    """A name and a birth date are no reason to ask a platform."""
    patient = shown(world)
    del patient["identifier"]
    answered = await matched(world, patient)

    assert (answered.status, answered.body["total"]) == (200, 0)
    assert await world.requests() == []


async def test_an_e_voucher_is_used_and_kept_nowhere(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """X-061: by its token the platform finds the person; the journal and the log have no token."""
    token = "EC43010000000000000000000001"
    parts = [{"url": "type", "valueCode": "01"}, {"url": "value", "valueString": token}]
    certificate = {"url": f"{BASE}/StructureDefinition/mdtrt-cert", "extension": parts}
    patient = {"resourceType": "Patient", "extension": [certificate], "name": [{"text": "张伟示"}]}
    answered = await matched(world, patient)
    logged = capsys.readouterr()
    kept = b"".join(
        [
            await world.gateway.journal.raw(row.exchange_id) or b""
            for row in await world.gateway.journal.exchanges()
        ]
    )

    assert answered.body["entry"][0]["search"]["extension"][0]["valueCode"] == "certain"
    assert token.encode() not in kept + answered.raw
    assert b"mdtrt-cert" in kept
    assert token not in logged.out + logged.err
    assert "张伟示" not in logged.out + logged.err
