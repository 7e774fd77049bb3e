"""A gateway's FHIR side with a store in memory, and messages to ask it with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from gateway.clock import CHINA
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.shapes import Shapes
from gateway.intents import Answer, Intent, Record, Resource, Result, Settlement, Status, Verb
from gateway.settings import PeerSettings, Settings

BASE = "https://fsi-gateway.example/fhir"
NOW = datetime(2026, 3, 2, 10, 30, 0, tzinfo=CHINA)


class MemoryStore:
    """Keeps the resources of answers, newest first, as the journal does."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str], Resource] = {}

    def keep(self, answer: Answer) -> Answer:
        for resource in answer.resources:
            self.resources.pop((resource.type, resource.id), None)
            self.resources[resource.type, resource.id] = resource
        return answer

    async def book(self, kind: str, key: str) -> None:
        """No longer work is done."""

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - the journal's names
        return self.resources.get((type, id))

    async def search_resources(
        self,
        type: str,  # noqa: A002 - the journal's names
        params: Mapping[str, Sequence[str]],
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, list[Resource]]:
        found = [
            resource
            for resource in reversed(self.resources.values())
            if resource.type == type
            and all(
                set(values) & set({**resource.search, "_id": [resource.id]}.get(name, []))
                for name, values in params.items()
            )
        ]
        return len(found), found[offset : offset + limit]


@pytest.fixture
def settings() -> Settings:
    """One institution, one channel, two peers."""
    return Settings.model_validate(
        {
            "institutions": [
                {
                    "fixmedins_code": "H43010000001",
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": "bureau",
                }
            ],
            "channels": [{"name": "bureau", "url": "http://127.0.0.1:1/"}],
            "peers": [
                {"name": "his", "institutions": ["H43010000001"]},
                {"name": "other", "institutions": ["H43010000001"]},
            ],
        }
    )


@pytest.fixture
def peer(settings: Settings) -> PeerSettings:
    """The sender."""
    return settings.peers[0]


@pytest.fixture
def store() -> MemoryStore:
    """What was answered."""
    return MemoryStore()


@pytest.fixture
def adapter(settings: Settings, store: MemoryStore) -> FHIRAdapter:
    """The adapter with the standard maps, at half past ten on 2 March 2026."""
    return FHIRAdapter(settings, store, lambda: NOW)


def _patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            {"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"},
            {"system": f"{BASE}/id/resident-id", "value": "43019919800101001x"},
        ],
        "name": [{"family": "张", "given": ["伟示"]}],
        "gender": "male",
        "birthDate": "1980-01-01",
    }


def _item(sequence: int, code: str, name: str, *amounts: str) -> Any:
    price, quantity, net = amounts
    return {
        "sequence": sequence,
        "productOrService": {
            "coding": [{"system": "urn:his:items", "code": code, "display": name}]
        },
        "servicedDate": "2026-03-02",
        "quantity": {"value": Decimal(quantity)},
        "unitPrice": {"value": Decimal(price), "currency": "CNY"},
        "net": {"value": Decimal(net), "currency": "CNY"},
    }


@pytest.fixture
def make_claim() -> Callable[..., dict[str, Any]]:
    """A claim of two lines, 2 x 12.50 and 1 x 7.00, 32.00 in all; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        claim: dict[str, Any] = {
            "resourceType": "Claim",
            "contained": [_patient()],
            "extension": [
                {
                    "url": f"{BASE}/StructureDefinition/encounter",
                    "valueReference": {
                        "identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}
                    },
                }
            ],
            "identifier": [{"system": "urn:his:claims", "value": "C-1"}],
            "status": "active",
            "type": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/claim-type",
                        "code": "professional",
                    }
                ]
            },
            "use": "claim",
            "patient": {"reference": "#p1"},
            "created": "2026-03-02T10:00:00+08:00",
            "provider": {"identifier": {"system": f"{BASE}/id/fixmedins", "value": "H43010000001"}},
            "priority": {"coding": [{"code": "normal"}]},
            "billablePeriod": {"start": "2026-03-02T09:15:00+08:00"},
            "diagnosis": [
                {
                    "sequence": 1,
                    "diagnosisCodeableConcept": {
                        "coding": [
                            {"system": "urn:his:icd", "code": "J06.900", "display": "上呼吸道感染"}
                        ]
                    },
                }
            ],
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "职工医保"}}],
            "item": [
                _item(1, "YP001", "阿莫西林片", "12.50", "2", "25.00"),
                _item(2, "SF001", "普通门诊诊查费", "7.00", "1", "7.00"),
            ],
            "total": {"value": Decimal("32.00"), "currency": "CNY"},
        }
        claim |= changes
        return {name: value for name, value in claim.items() if value is not None}

    return make


@pytest.fixture
def make_encounter() -> Callable[..., dict[str, Any]]:
    """An outpatient visit in progress; keywords replace elements (`class_` for class)."""

    def make(**changes: Any) -> dict[str, Any]:
        encounter: dict[str, Any] = {
            "resourceType": "Encounter",
            "contained": [
                _patient(),
                {
                    "resourceType": "Condition",
                    "id": "c1",
                    "subject": {"reference": "#p1"},
                    "code": {
                        "coding": [
                            {"system": "urn:his:icd", "code": "J06.900", "display": "上呼吸道感染"}
                        ]
                    },
                },
            ],
            "identifier": [{"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}],
            "status": "in-progress",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
            },
            "subject": {"reference": "#p1"},
            "period": {"start": "2026-03-02T09:15:00+08:00"},
            "diagnosis": [{"condition": {"reference": "#c1"}, "rank": 1}],
            "serviceProvider": {
                "identifier": {"system": f"{BASE}/id/fixmedins", "value": "H43010000001"}
            },
        }
        encounter |= {name.rstrip("_"): value for name, value in changes.items()}
        return {name: value for name, value in encounter.items() if value is not None}

    return make


@pytest.fixture
def make_request() -> Callable[..., dict[str, Any]]:
    """An eligibility request, purpose validation; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "resourceType": "CoverageEligibilityRequest",
            "contained": [_patient()],
            "identifier": [{"system": "urn:his:eligibility", "value": "E-1"}],
            "status": "active",
            "purpose": ["validation"],
            "patient": {"reference": "#p1"},
            "created": "2026-03-02",
            "provider": {"identifier": {"system": f"{BASE}/id/fixmedins", "value": "H43010000001"}},
            "insurer": {"display": "医保中心"},
        }
        return request | changes

    return make


@pytest.fixture
def make_task() -> Callable[..., dict[str, Any]]:
    """A task to cancel a claim; keywords replace elements."""

    def make(focus: str, **changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Task",
            "identifier": [{"system": "urn:his:tasks", "value": "T-1"}],
            "status": "requested",
            "intent": "order",
            "code": {
                "coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "cancel"}]
            },
            "focus": {"reference": focus},
        } | changes

    return make


@pytest.fixture
def ask(adapter: FHIRAdapter, peer: PeerSettings) -> Callable[..., Any]:
    """Read and understand a resource: gives message, intent and problems."""

    async def run(resource: dict[str, Any], interaction: str = "", **meta: str) -> Any:
        if interaction:
            meta |= {"interaction": interaction, "type": resource["resourceType"]}
        meta["base"] = "http://gateway.test/fhir/r4"
        message = await adapter.read(encode(resource), peer, meta)
        intent, problems = await adapter.understand(message, peer)
        return message, intent, problems

    return run


@pytest.fixture
def body() -> Callable[[Answer], dict[str, Any]]:
    """The tree of an answer; decimals keep their digits."""
    return lambda answer: decode_own(answer.body)


@pytest.fixture
def assert_valid() -> Callable[[bytes], None]:
    """Holds an answer to the models of fhir.resources, and its status codes to their lists."""

    def check(text: bytes) -> None:
        tree = json.loads(text)
        get_fhir_model_class(tree["resourceType"]).model_validate(tree)
        assert Shapes("R4B").check(decode_own(text), tree["resourceType"]) == []

    return check


def _settlement(**changes: str) -> Settlement:
    info = {
        "mdtrt_id": "M-1",
        "setl_id": "S-1",
        "psn_no": "43010000000000000001",
        "setl_time": "2026-03-02 10:30:05",
        "medins_setl_id": "H43010000001202603021030050001",
        "medfee_sumamt": "32.00",
        "fulamt_ownpay_amt": "0.00",
        "overlmt_selfpay": "0.00",
        "preselfpay_amt": "2.50",
        "inscp_scp_amt": "29.50",
        "act_pay_dedc": "0.00",
        "hifp_pay": "20.65",
        "pool_prop_selfpay": "0.7000",
        "cvlserv_pay": "0.00",
        "hifes_pay": "0.00",
        "hifmi_pay": "0.00",
        "hifob_pay": "0.00",
        "hifdm_pay": "0.00",
        "maf_pay": "0.00",
        "oth_pay": "0.00",
        "fund_pay_sumamt": "20.65",
        "psn_part_amt": "11.35",
        "acct_pay": "11.35",
        "acct_mulaid_pay": "0.00",
        "psn_cash_pay": "0.00",
        "hosp_part_amt": "0.00",
        "balc": "988.65",
        "clr_optins": "430100",
        "clr_way": "1",
        "clr_type": "11",
    } | changes
    fund = {
        "fund_pay_type": "310100",
        "fund_pay_type_name": "基本医疗保险统筹基金",
        "fund_payamt": "20.65",
        "inscp_scp_amt": "29.50",
        "crt_payb_lmt_amt": "20.65",
        "setl_proc_info": "按70%支付",
    }
    return Settlement(
        infno="2207",
        msgid="H43010000001202603021030050001",
        info=Record({code: value for code, value in info.items() if value}),
        funds=[Record(fund)],
        chrg_bchno="B-1",
    )


@pytest.fixture
def make_settlement() -> Callable[..., Settlement]:
    """A settlement of 32.00: 29.50 in scope, 70% of it (20.65) from the pool, 11.35 from the account.

    Keywords replace amounts; an empty one takes the amount away.
    """
    return _settlement


@pytest.fixture
def settled() -> Callable[..., Result]:
    """What the pipeline gives after the platform took everything of this intent."""

    def make(intent: Intent, status: Status = Status.DONE, **parts: Any) -> Result:
        for number, charge in enumerate(intent.charges, start=900_000_000_001):
            charge.values["feedetl_key"] = charge.get("feedetl_sn")
            charge.values["feedetl_sn"] = str(number)
        intent.visit.values["mdtrt_id"] = "M-1"
        rows = [
            Record(
                {
                    "feedetl_sn": "900000000001",
                    "det_item_fee_sumamt": "25.00",
                    "inscp_scp_amt": "22.50",
                    "preselfpay_amt": "2.50",
                    "selfpay_prop": "0.1000",
                    "chrgitm_lv": "02",
                    "memo": "乙类先行自付10%",
                }
            ),
            Record(
                {
                    "feedetl_sn": "900000000002",
                    "det_item_fee_sumamt": "7.00",
                    "inscp_scp_amt": "7.00",
                    "chrgitm_lv": "01",
                }
            ),
        ]
        if status is Status.DONE and intent.verb is Verb.SETTLE:
            parts = {"settlements": [_settlement()], "charge_results": rows} | parts
        if status is Status.DONE and intent.verb is Verb.PRESETTLE:
            parts = {
                "presettlement": _settlement(setl_id=""),
                "charge_results": rows,
            } | parts
        return Result(status=status, intent=intent, **parts)

    return make
