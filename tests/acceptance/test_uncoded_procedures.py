"""A procedure without a national code is told when it comes, not when the settlement list is made."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.settlement.listing.stays import read as read_stay
from gateway.settlement.visits import decode_visit
from tests.acceptance.releases import RELEASES, post

PROCEDURE = "PR1|1||47.0100^腹腔镜下阑尾切除术||20260301100000||||1||1001^陈医生|||1"
UNCODED = "PR1|2||SS999^院内手术||20260301110000||||1||8888^外聘医生|||2"


def told(answer: Any) -> list[tuple[str, str]]:
    """Location and code of each problem of an answer."""
    errors = [fields for fields in answer.segments if fields[0] == "ERR"]
    return [(fields[2], fields[5].partition("^")[0]) for fields in errors]


async def kept(world: Any) -> list[str]:
    """The codes of the procedures that are kept for the list of the stay."""
    (row,) = await world.gateway.journal.visits()
    _, stay = await read_stay(world.gateway.journal, decode_visit(row.data, row.version))
    return [one.get("oprn_oprt_code") for one in stay.procedures]


@pytest.mark.parametrize("event", ["A03", "A08", "P01", "P05", "P12"])
async def test_a_message_with_an_uncoded_procedure_is_refused_at_it(world: Any, event: str) -> None:
    """F-025, the same for PR1-3 and PR1-11: an AE with both places; nothing is sent or kept."""
    await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
    before = await world.requests()
    diagnosis = world.his.diagnosis("K35.900", "急性阑尾炎", "F")

    answer = await world.tell(message(world, event, diagnosis, PROCEDURE, UNCODED))

    assert (answer.code, told(answer)) == (
        "AE",
        [("PR1^2^3^1^1", "MAP-NO-CODE"), ("PR1^2^11^1^1", "MAP-NO-CODE")],
    )
    assert (await world.requests(), await kept(world)) == (before, [])

    again = await world.tell(message(world, event, diagnosis, PROCEDURE))
    assert (again.code, await kept(world)) == ("AA", ["47.0100"])


def message(world: Any, event: str, *segments: str) -> bytes:
    """A message of the stay; BAR has the segments of ADT^A08."""
    made: bytes
    if event == "A03":
        made = world.his.visit(event, m.ZHANG, "I1", "I", *segments)
    else:
        made = world.event("A08", m.ZHANG, "I1", "I", *segments)
    return made.replace(b"ADT^A08^ADT_A01", KINDS.get(event, b"ADT^A08^ADT_A01"))


KINDS = {event: f"BAR^{event}^BAR_{event}".encode() for event in ("P01", "P05", "P12")}


def operated(world: Any, code: str, *, referred: bool) -> dict[str, Any]:
    """A claim of an outpatient with one procedure, stated in it or in a Procedure."""
    claim: dict[str, Any] = world.client.claim(m.ZHANG, "U1", (m.OUTPATIENT_ITEMS[0],), "15.00")
    concept = {"coding": [{"code": code, "display": "手术"}]}
    row: dict[str, Any] = {"sequence": 1, "procedureCodeableConcept": concept}
    if referred:
        row = {"sequence": 1, "procedureReference": {"reference": "#operation"}}
        subject = {"reference": "#patient"}
        done = {"resourceType": "Procedure", "id": "operation", "status": "completed"}
        claim["contained"].append(done | {"code": concept, "subject": subject})
    claim["procedure"] = [row]
    return claim


PLACES = {
    False: "Claim.procedure[0].procedure.coding[0].code",
    True: "Claim.contained[3].code.coding[0].code",
}


def problems(answer: Any) -> list[tuple[str, str, list[str]]]:
    """Severity, code and expression of each issue of an OperationOutcome."""
    return [
        (issue["severity"], issue["code"], issue["expression"]) for issue in answer.body["issue"]
    ]


@pytest.mark.parametrize("referred", [False, True])
@pytest.mark.parametrize("release", RELEASES)
async def test_a_claim_with_an_uncoded_procedure_is_refused_at_it(
    world: Any, release: str, *, referred: bool
) -> None:
    """F-025: 422 at the code, whatever asks; nothing is sent. With a code the claim is settled."""
    claim = operated(world, "SS999", referred=referred)
    made = await post(world, release, "Claim", claim)
    submitted = await post(world, release, "Claim/$submit", claim)
    checked = await post(world, release, "Claim/$validate", claim)
    estimate = operated(world, "SS999", referred=referred) | {"use": "predetermination"}
    estimated = await post(world, release, "Claim", estimate)

    wanted = [("error", "code-invalid", [PLACES[referred]])]
    assert [one.status for one in (made, submitted, checked, estimated)] == [422, 422, 200, 422]
    assert [problems(one) for one in (made, submitted, checked, estimated)] == [wanted] * 4
    assert "SS999" in made.body["issue"][0]["diagnostics"] + str(made.body["issue"][0]["details"])
    assert await world.requests() == []

    right = await post(world, release, "Claim", operated(world, "47.0100", referred=referred))
    assert right.status == 201
