"""Preauthorizations, what has to be authorised, and purchases in a pharmacy, over FHIR."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fhir.decode import encode
from tests.acceptance.asking import SHOP

BASE = "https://fsi-gateway.example/fhir"
FILING = f"{BASE}/CodeSystem/filing"
SHOP_TOKEN = "t-9c1e5b7a3d2f4860"
PHARMACY = "P43010000001"
TEXTS = {
    "mdtrtarea_admdvs": "440300",
    "refl_type": "3",
    "refl_rea": "本地不能治疗",
    "refl_opnn": "同意转院",
}


def preauthorization(world: Any, kind: str, **changes: Any) -> dict[str, Any]:
    """A Claim that files something until the end of 2099."""
    claim = world.client.claim(m.ZHANG, "", (), "0.00", "preauthorization")
    for name in ("item", "total", "extension"):
        del claim[name]
    claim["contained"] = claim["contained"][:2]
    return {
        **claim,
        "subType": {"coding": [{"system": FILING, "code": kind}]},
        "billablePeriod": {"start": "2026-11-01", "end": "2099-12-31"},
        **changes,
    }


def chronic(world: Any) -> dict[str, Any]:
    """High blood pressure."""
    coding = {"code": "M03900", "display": "高血压"}
    provider = {"identifier": world.client.identifier("physician", "1001"), "display": "陈医生"}
    return preauthorization(
        world,
        "chronic",
        diagnosis=[{"sequence": 1, "diagnosisCodeableConcept": {"coding": [coding]}}],
        careTeam=[{"sequence": 1, "provider": provider}],
    )


def transfer(world: Any) -> dict[str, Any]:
    """To a hospital in Shenzhen."""
    info = [
        {
            "sequence": number,
            "category": {"coding": [{"code": code}]},
            "valueString": text,
        }
        for number, (code, text) in enumerate(TEXTS.items(), start=1)
    ]
    coding = {"code": "K35.900", "display": "急性阑尾炎"}
    facility = {
        "identifier": world.client.identifier("fixmedins", "H44030000001"),
        "display": "深圳示范医院",
    }
    return preauthorization(
        world,
        "transfer",
        diagnosis=[{"sequence": 1, "diagnosisCodeableConcept": {"coding": [coding]}}],
        supportingInfo=info,
        facility=facility,
    )


def designation(world: Any) -> dict[str, Any]:
    """The hospital itself, as the first institution of treatment."""
    facility = {
        "identifier": world.client.identifier("fixmedins", "H43010000001"),
        "display": "长沙示范医院",
    }
    return preauthorization(world, "designation", facility=facility)


MAKE = {"chronic": chronic, "transfer": transfer, "designation": designation}
NUMBERS = {
    "chronic": ("2503", "2504"),
    "transfer": ("2501", "2502"),
    "designation": ("2505", "2506"),
}


@pytest.mark.parametrize("kind", MAKE)
async def test_a_preauthorization_files_and_a_task_withdraws(world: Any, kind: str) -> None:
    """Matrix 2.1: preAuthRef is the number of the filing; the same Claim again files nothing."""
    claim = MAKE[kind](world)
    filed = await world.post_fhir("Claim", claim)
    again = await world.post_fhir("Claim", claim)
    (row,) = await world.admin.rows("filings")
    claim_id = filed.body["request"]["reference"].rpartition("/")[2]
    task = await world.post_fhir("Task", world.client.cancellation(claim_id))
    (gone,) = await world.admin.rows("filings")
    response = await world.post(f"/fhir/r4/ClaimResponse/{claim_id}", b"", method="GET")
    filing_no, withdrawing_no = NUMBERS[kind]

    assert (filed.status, filed.body["outcome"]) == (201, "complete"), filed.body
    assert (filed.body["use"], filed.body["disposition"]) == ("preauthorization", "备案完成")
    assert filed.body["preAuthRef"] == row["trt_dcla_detl_sn"]
    assert filed.body["preAuthPeriod"] == {"start": "2026-11-01", "end": "2099-12-31"}
    assert again.raw == filed.raw
    assert (task.status, task.body["status"]) == (201, "completed"), task.body
    assert (gone["state"], response.body["status"]) == ("withdrawn", "cancelled")
    assert await world.requests() == ["1101", filing_no, "1101", withdrawing_no]


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_an_entitlement_is_asked_for_and_nothing_is_filed(world: Any, release: str) -> None:
    """Matrix 2.1, "2001 entitlement only": each benefit is an adjudication; no preAuthRef."""
    claim = preauthorization(world, "entitlement")
    if release == "r5":
        claim["contained"][1] |= {"kind": "insurance", "insurer": {"display": "医保"}}
        del claim["contained"][1]["payor"]
    answered = await world.post(
        f"/fhir/{release}/Claim", encode(claim), **{"Content-Type": "application/fhir+json"}
    )
    claim_id = answered.body["request"]["reference"].rpartition("/")[2]
    task = await world.post_fhir("Task", world.client.cancellation(claim_id))
    (part,) = answered.body["adjudication"]

    assert (answered.status, answered.body["outcome"]) == (201, "complete"), answered.body
    assert answered.body["disposition"] == "可以享受待遇"
    assert "preAuthRef" not in answered.body
    assert part["category"]["coding"][0]["code"] == "310100"
    assert part["reason"]["coding"][0]["code"] == "1"
    assert answered.body["preAuthPeriod"]["start"] == "2003-07-01"
    assert ("decision" in answered.body) == (release == "r5")
    assert (task.status, task.body["status"]) == (201, "rejected"), task.body
    assert await world.requests() == ["1101", "2001"]


async def test_a_preauthorization_of_another_kind_is_not_supported(world: Any) -> None:
    """X-040: 422 not-supported, with the place; nothing is sent."""
    refused = await world.post_fhir("Claim", preauthorization(world, "surgery"))
    issue = refused.body["issue"][0]

    assert (refused.status, issue["code"]) == (422, "not-supported")
    assert issue["expression"] == ["Claim.subType"]
    assert await world.requests() == []


async def test_what_is_filed_needs_no_authorization_any_more(world: Any) -> None:
    """X-045: of chronic diseases, designations and transfers, what is filed and what is missing."""
    filed = await world.post_fhir("Claim", chronic(world))
    request = world.client.eligibility(m.ZHANG) | {"purpose": ["auth-requirements"]}
    answered = await world.post_fhir("CoverageEligibilityRequest", request)
    items = [
        (item["category"]["coding"][0]["code"], item["name"], item["authorizationRequired"])
        for insurance in answered.body["insurance"][:1]
        for item in insurance["item"]
        if item["category"]["coding"][0]["system"] == FILING
    ]

    assert filed.status == 201
    assert items == [
        ("chronic", "高血压", False),
        ("designation", "定点备案", True),
        ("transfer", "转院备案", True),
    ]
    assert (await world.requests())[2:] == ["1101", "2001", "5301", "5302", "5304"]


async def test_benefits_come_with_what_was_used_up(world: Any) -> None:
    """Matrix 2.1: 1101, 2001 and the totals of 5206 as usedMoney."""
    await world.post_fhir("Claim", world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00"))
    before = len(await world.requests())
    answered = await world.post_fhir(
        "CoverageEligibilityRequest", world.client.eligibility(m.ZHANG)
    )
    used = [
        item["benefit"][0]["usedMoney"]
        for insurance in answered.body["insurance"]
        for item in insurance["item"]
        if item["category"]["coding"][0]["system"] == f"{BASE}/CodeSystem/cum-type"
    ]

    assert answered.body["outcome"] == "complete"
    assert used
    assert all(amount["currency"] == "CNY" for amount in used)
    assert (await world.requests())[before:] == ["1101", "2001", "5206"]


async def test_a_pharmacy_claim_is_a_purchase(
    open_world: Callable[..., Awaitable[Any]],
) -> None:
    """Matrix 2.1: predetermination 2101, claim 2102, Task cancel 2103; the kind of institution
    decides and not what the Claim calls itself.
    """
    digest = hashlib.sha256(SHOP_TOKEN.encode()).hexdigest()
    world = await open_world(limits=f'{SHOP}token_sha256 = ["{digest}"]\n')
    headers = {
        "Content-Type": "application/fhir+json",
        "Authorization": f"Bearer {SHOP_TOKEN}",
    }

    async def post(kind: str, resource: dict[str, Any]) -> Any:
        return await world.post(f"/fhir/r4/{kind}", encode(resource), **headers)

    def claim(use: str) -> dict[str, Any]:
        made = world.client.claim(m.ZHANG, "S1", (world.bottle,), "12.60", use)
        made["provider"] = {"identifier": world.client.identifier("fixmedins", PHARMACY)}
        made["type"]["coding"][0]["code"] = "pharmacy"
        return dict(made)

    computed = await post("Claim", claim("predetermination"))
    sold = await post("Claim", claim("claim"))
    task = await post("Task", world.client.cancellation(sold.body["id"]))

    assert (computed.status, computed.body["outcome"]) == (201, "complete"), computed.body
    assert (sold.status, sold.body["outcome"]) == (201, "complete"), sold.body
    (item,) = sold.body["item"]
    assert item["adjudication"][0]["amount"]["value"] == Decimal("12.60")
    assert (task.status, task.body["status"]) == (201, "completed"), task.body
    asked = ["1101", "2101", "1101", "2101", "2102", "2103"]
    assert await world.requests() == asked
