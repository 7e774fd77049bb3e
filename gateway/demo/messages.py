"""The messages of the demonstration: what a hospital system really sends, with made-up people.

The persons are those of the reference platform; their identity numbers carry county prefixes that
do not exist. Times are the moment of sending, in China Standard Time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from gateway.clock import CHINA


class Person(NamedTuple):
    """A made-up person."""

    name: str
    certno: str
    sex: str
    birth: str
    region: str = ""
    """Insured region, stated when it is not the hospital's own."""
    insutype: str = ""


ZHANG = Person("张伟示", "430199198001010010", "M", "19800101", "", "310")
LI = Person("李娜范", "430199199105120243", "F", "19910512", "", "390")
WANG = Person("王芳跨", "440399197503200429", "F", "19750320", "440300", "310")
RARE = Person("㐂龘𠮷", "430199198808080562", "F", "19880808", "", "310")


class Item(NamedTuple):
    """A charge line: local code, name, quantity, price and amount in yuan."""

    code: str
    name: str
    quantity: str
    price: str
    amount: str


OUTPATIENT_ITEMS = (
    Item("SF001", "普通门诊诊查费", "1", "15.00", "15.00"),
    Item("YP001", "阿莫西林片", "2", "12.60", "25.20"),
    Item("YP002", "地喹氯铵含片", "3", "12.50", "37.50"),
    Item("JC001", "常规心电图检查", "1", "22.00", "22.00"),
    Item("SF002", "静脉输液", "2", "9.00", "18.00"),
)
"""117.70 yuan: classes A and B, and an infusion that costs one yuan more than its ceiling."""

INPATIENT_ITEMS = (
    Item("HL001", "Ⅰ级护理", "5", "28.00", "140.00"),
    Item("CT001", "X线计算机体层(CT)平扫", "1", "240.00", "240.00"),
    Item("SF002", "静脉输液", "10", "8.00", "80.00"),
    Item("YP001", "阿莫西林片", "100", "12.60", "1260.00"),
)
"""1,720.00 yuan."""

UNMAPPED_ITEM = Item("YP999", "未对照药品", "1", "9.90", "9.90")


class HIS:
    """A hospital information system that speaks HL7 v2."""

    def __init__(self, charset: str, encoding: str) -> None:
        self._charset = charset
        self._encoding = encoding
        self._numbers = count(1)
        self._run = datetime.now(CHINA).strftime("%m%d%H%M%S")

    def message(self, event: str, *segments: str) -> bytes:
        """A message with a fresh control id, in the charset that MSH-18 states."""
        now = _now()
        head = (
            f"MSH|^~\\&|HIS|H43010000001|FSI|GATEWAY|{now}||{event}|"
            f"D{self._run}{next(self._numbers):04d}|P|2.5.1||||||{self._charset}"
        )
        return ("\r".join((head, *segments)) + "\r").encode(self._encoding)

    def visit(self, event: str, person: Person, number: str, setting: str, *more: str) -> bytes:
        """An ADT message of a visit."""
        structure = {"A01": "ADT_A01", "A03": "ADT_A03", "A04": "ADT_A01"}[event]
        return self.message(
            f"ADT^{event}^{structure}",
            f"EVN||{_now()}|||1001^陈医生",
            _pid(person),
            _pv1(number, setting, discharged=event == "A03"),
            *more,
        )

    def diagnosis(self, code: str, name: str, kind: str) -> str:
        """A DG1 segment; kind is A for admission, F for final."""
        return f"DG1|1||{code}^{name}^国临2.0||{_now()}|{kind}|||||||||1|1001^陈医生"

    def insurance(self, person: Person) -> str:
        """An IN1 segment with plan type and, out of the region, the insured place."""
        return f"IN1|1|{person.insutype}|{person.region}||||||||||||{person.insutype}"

    def charges(
        self, person: Person, number: str, setting: str, items: Sequence[Item], first: int = 1
    ) -> bytes:
        """A DFT^P03 with one FT1 an item, numbered from `first` on."""
        lines = [
            f"FT1|{index}|{first + index - 1}||{_now()}||CG|{item.code}^{item.name}|||"
            f"{item.quantity}|{item.amount}&CNY|{item.price}&CNY||||NK|||||1001^陈医生"
            for index, item in enumerate(items, 1)
        ]
        return self.message(
            "DFT^P03^DFT_P03",
            f"EVN||{_now()}",
            _pid(person),
            _pv1(number, setting),
            *lines,
        )

    def payment(self, person: Person, number: str, setting: str, total: str) -> bytes:
        """A DFT^P03 with a payment line: settle what is open, which has to be `total`."""
        line = f"FT1|1|||{_now()}||PY|||||{total}&CNY"
        return self.message(
            "DFT^P03^DFT_P03", f"EVN||{_now()}", _pid(person), _pv1(number, setting), line
        )


def _now() -> str:
    return datetime.now(CHINA).strftime("%Y%m%d%H%M%S")


def _pid(person: Person) -> str:
    return (
        f"PID|1||{person.certno}^^^MPS^NNCHN~P{person.certno[-6:]}^^^HIS^MR||"
        f"{person.name[0]}^{person.name[1:]}||{person.birth}|{person.sex}"
    )


def _pv1(number: str, setting: str, *, discharged: bool = False) -> str:
    fields = [""] * 46
    fields[0:4] = ["PV1", "1", setting, "NK^^08床" if setting == "I" else "NK"]
    fields[7] = "1001^陈医生"
    fields[19] = number
    fields[44] = _now()
    if discharged:
        fields[36], fields[45] = "01", _now()
    return "|".join(fields)


class FHIRClient:
    """The resources a FHIR client sends; `base` is the canonical base of the gateway.

    Amounts are `Decimal`: they are written as JSON numbers with all their digits.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._run = datetime.now(CHINA).strftime("%m%d%H%M%S")
        self._numbers = count(1)

    def identifier(self, name: str, value: str) -> dict[str, str]:
        """An identifier of one of the gateway's systems."""
        return {"system": f"{self._base}/id/{name}", "value": value}

    def key(self, kind: str) -> dict[str, str]:
        """A fresh identifier of the hospital's own."""
        return {
            "system": "https://hospital.example/fhir/id",
            "value": f"{kind}-{self._run}-{next(self._numbers)}",
        }

    def patient(self, person: Person) -> dict[str, Any]:
        """A contained Patient."""
        return {
            "resourceType": "Patient",
            "id": "patient",
            "identifier": [self.identifier("resident-id", person.certno)],
            "name": [{"text": person.name}],
            "gender": "male" if person.sex == "M" else "female",
            "birthDate": f"{person.birth[:4]}-{person.birth[4:6]}-{person.birth[6:]}",
        }

    def coverage(self, person: Person) -> dict[str, Any]:
        """A contained Coverage that names the insurance type."""
        return {
            "resourceType": "Coverage",
            "id": "coverage",
            "status": "active",
            "type": {
                "coding": [{"system": f"{self._base}/CodeSystem/insutype", "code": person.insutype}]
            },
            "beneficiary": {"reference": "#patient"},
            "payor": [{"display": "医保"}],
        }

    def encounter(self, number: str) -> dict[str, Any]:
        """A contained outpatient Encounter with department and physician."""
        return {
            "resourceType": "Encounter",
            "id": "encounter",
            "identifier": [self.identifier("ipt-otp-no", number)],
            "status": "in-progress",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
            },
            "subject": {"reference": "#patient"},
            "participant": [{"individual": {"identifier": self.identifier("physician", "1001")}}],
            "location": [{"location": {"identifier": self.identifier("department", "NK")}}],
            "period": {"start": _instant()},
        }

    def provider(self) -> dict[str, Any]:
        """A reference to the hospital."""
        return {"identifier": self.identifier("fixmedins", "H43010000001")}

    def eligibility(self, person: Person) -> dict[str, Any]:
        """Is this person insured, and which benefits has it?"""
        return {
            "resourceType": "CoverageEligibilityRequest",
            "contained": [self.patient(person), self.coverage(person)],
            "identifier": [self.key("elig")],
            "status": "active",
            "purpose": ["validation", "benefits"],
            "patient": {"reference": "#patient"},
            "created": _instant()[:10],
            "provider": self.provider(),
            "insurer": {"display": "医保"},
            "insurance": [{"focal": True, "coverage": {"reference": "#coverage"}}],
        }

    def claim(
        self, person: Person, number: str, items: Sequence[Item], total: str, use: str = "claim"
    ) -> dict[str, Any]:
        """An outpatient Claim."""
        return {
            "resourceType": "Claim",
            "contained": [self.patient(person), self.coverage(person), self.encounter(number)],
            "extension": [
                {
                    "url": f"{self._base}/StructureDefinition/encounter",
                    "valueReference": {"reference": "#encounter"},
                }
            ],
            "identifier": [self.key(use)],
            "status": "active",
            "type": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/claim-type",
                        "code": "professional",
                    }
                ]
            },
            "use": use,
            "patient": {"reference": "#patient"},
            "created": _instant(),
            "provider": self.provider(),
            "priority": {"coding": [{"code": "normal"}]},
            "careTeam": [
                {
                    "sequence": 1,
                    "provider": {"identifier": self.identifier("physician", "1001")},
                    "role": {"coding": [{"code": "primary"}]},
                }
            ],
            "diagnosis": [
                {
                    "sequence": 1,
                    "diagnosisCodeableConcept": {
                        "coding": [{"code": "J06.900", "display": "急性上呼吸道感染"}]
                    },
                    "type": [{"coding": [{"code": "principal"}]}],
                }
            ],
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "#coverage"}}],
            "item": [_item(index, item) for index, item in enumerate(items, 1)],
            "total": {"value": Decimal(total), "currency": "CNY"},
        }

    def cancellation(self, claim_id: str) -> dict[str, Any]:
        """A Task that asks to cancel a Claim."""
        return {
            "resourceType": "Task",
            "identifier": [self.key("cancel")],
            "status": "requested",
            "intent": "order",
            "code": {
                "coding": [
                    {
                        "system": "http://hl7.org/fhir/CodeSystem/task-code",
                        "code": "cancel",
                    }
                ]
            },
            "focus": {"reference": f"Claim/{claim_id}"},
            "authoredOn": _instant(),
        }


def _instant() -> str:
    return datetime.now(CHINA).isoformat(timespec="seconds")


def _item(sequence: int, item: Item) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "productOrService": {
            "coding": [
                {
                    "system": "https://hospital.example/fhir/items",
                    "code": item.code,
                    "display": item.name,
                }
            ]
        },
        "servicedDate": _instant()[:10],
        "quantity": {"value": Decimal(item.quantity)},
        "unitPrice": {"value": Decimal(item.price), "currency": "CNY"},
        "net": {"value": Decimal(item.amount), "currency": "CNY"},
    }
