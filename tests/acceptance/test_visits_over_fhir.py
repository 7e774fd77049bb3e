"""Visits, claims and their cancellation over FHIR R4."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.demo import messages as m


def stay(world: Any, number: str, status: str = "in-progress", **changes: Any) -> dict[str, Any]:
    """An inpatient Encounter of an employee of the region."""
    client = world.client
    encounter = client.encounter(number)
    condition = {
        "resourceType": "Condition",
        "id": "condition",
        "code": {"coding": [{"code": "K35.900", "display": "急性阑尾炎"}]},
        "subject": {"reference": "#patient"},
    }
    place = {"identifier": client.identifier("department", "NK")}
    bed = {"coding": [{"code": "bd"}]}
    del encounter["id"]
    return {
        **encounter,
        "status": status,
        "contained": [client.patient(m.ZHANG), client.coverage(m.ZHANG), condition],
        "class": {**encounter["class"], "code": "IMP"},
        "serviceProvider": client.provider(),
        "location": [
            {"location": place},
            {"location": {"display": "08床"}, "physicalType": bed},
        ],
        "diagnosis": [
            {
                "condition": {"reference": "#condition"},
                "use": {"coding": [{"code": "AD"}]},
                "rank": 1,
            }
        ],
        **changes,
    }


async def test_a_discharge_is_taken_back_unless_it_is_settled(world: Any) -> None:
    """T-007: admission, discharge and its withdrawal make 2401, 2402, 2405; after the settlement
    the withdrawal is refused before the send.
    """
    admitted = await world.post_fhir("Encounter", stay(world, "I1"))
    assert admitted.status == 201, admitted.body
    path = f"Encounter/{admitted.body['id']}"
    period = admitted.body["period"]
    ended = {
        "id": admitted.body["id"],
        "period": {**period, "end": period["start"]},
        "hospitalization": {"dischargeDisposition": {"coding": [{"code": "home"}]}},
    }
    opened = {"id": admitted.body["id"]}
    left = await world.post_fhir(path, stay(world, "I1", "finished", **ended), "PUT")
    assert left.status == 200, left.body
    back = await world.post_fhir(path, stay(world, "I1", **opened), "PUT")
    assert back.status == 200, back.body
    assert await world.requests() == ["1101", "2401", "2402", "2405"]
    charges = world.his.charges(m.ZHANG, "I1", "I", m.INPATIENT_ITEMS)
    assert (await world.tell(charges)).code == "AA"
    assert (
        await world.post_fhir(path, stay(world, "I1", "finished", **ended), "PUT")
    ).status == 200
    payment = await world.tell(world.his.payment(m.ZHANG, "I1", "I", "1720.00"))
    assert payment.code == "AA"
    refused = await world.post_fhir(path, stay(world, "I1", **opened), "PUT")
    assert refused.status == 422, refused.body
    assert await world.requests("2405") == ["2405"]


async def test_an_encounter_needs_its_number(world: Any) -> None:
    """T-035: an Encounter without the hospital's visit number is 422 at its identifier."""
    encounter = stay(world, "I1")
    del encounter["identifier"]
    answer = await world.post_fhir("Encounter", encounter)
    assert answer.status == 422
    places = [place for issue in answer.body["issue"] for place in issue.get("expression", [])]
    assert "Encounter.identifier" in places
    assert await world.requests() == []


async def test_a_predetermination_settles_nothing(world: Any) -> None:
    """X-039: use predetermination makes 2206 and never 2207; the claim then settles its lines."""
    asked = world.client.claim(m.LI, "F1", (world.ct,), "240.00", "predetermination")
    answer = await world.fhir.post("Claim", asked)
    assert (answer.status, answer.resource["outcome"]) == (201, "complete")
    assert answer.total("benefit") == Decimal("108.00")
    assert await world.requests() == ["1101", "2201", "2203", "2204", "2206"]
    claim = await world.fhir.post("Claim", world.client.claim(m.LI, "F1", (world.ct,), "240.00"))
    assert claim.total("benefit") == Decimal("108.00")
    assert await world.requests("2204") == ["2204"]
    assert len(await world.settled("F1")) == 1


async def test_a_claim_is_cancelled_once(world: Any) -> None:
    """X-048: the Task sends 2208 once; another Task for the claim sends nothing."""
    answer = await world.post_fhir("Claim", world.client.claim(m.LI, "F1", (world.ct,), "240.00"))
    claim_id = answer.body["request"]["reference"].rpartition("/")[2]
    tasks = [await world.post_fhir("Task", world.client.cancellation(claim_id)) for _ in range(2)]
    assert [task.body["status"] for task in tasks] == ["completed", "completed"]
    assert await world.requests("2208") == ["2208"]
    assert await world.settled("F1") == []


async def test_an_unmapped_item_is_named_by_its_path(world: Any) -> None:
    """X-004, X-053: 422, an issue whose expression is the item; nothing is sent."""
    items = (world.ct, m.UNMAPPED_ITEM)
    answer = await world.post_fhir("Claim", world.client.claim(m.LI, "F1", items, "249.90"))
    assert answer.status == 422
    places = [place for issue in answer.body["issue"] for place in issue["expression"]]
    assert any(place.startswith("Claim.item[1].productOrService") for place in places)
    assert await world.requests() == []


async def test_a_refused_claim_is_an_answer(world: Any) -> None:
    """X-037: refused by the platform is 201 with outcome error, the words in disposition."""
    await world.admin.fault("refuse", "2207", message="基金结算窗口未开放")
    answer = await world.post_fhir("Claim", world.client.claim(m.LI, "F1", (world.ct,), "240.00"))
    assert (answer.status, answer.body["outcome"]) == (201, "error")
    assert "基金结算窗口未开放" in answer.body["disposition"]
    assert await world.settled("F1") == []
