"""Code systems and value sets of the guide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.errors import ProblemCode
from gateway.fhir.amounts import ITEM_AMOUNTS, LABELS
from gateway.fhir.filings import FILINGS
from gateway.fhir.guide.catalogue import CODES, Codes
from gateway.fhir.guide.frame import Frame
from gateway.fhir.message_events import MESSAGE_EVENTS
from gateway.intents import VisitClass
from mappings.codes.kinds import KINDS, system_name

Dictionaries = Mapping[str, Mapping[str, str]]
"""National dictionary -> code -> label."""

OTHER_AMOUNTS: Final = {
    "cum": "累计值",
    "pool_prop_selfpay": "基本医疗保险统筹基金支付比例",
    "selfpay_prop": "自付比例",
    "chrgitm_lv": "收费项目等级",
    "acct-balance": "个人账户余额",
    "crt_payb_lmt_amt": "本次可支付限额金额",
}
"""Codes of `fsi-amount` that are no total: ratios, and what stands in a reason."""

YES_NO: Final = {"0": "否", "1": "是"}
VISIT_CLASSES: Final = {one.value: one.value for one in VisitClass}

STANDARD_SETS: Final = {
    "claim-type": (
        "http://terminology.hl7.org/CodeSystem/claim-type",
        ("institutional", "oral", "pharmacy", "professional", "vision"),
        "Types of claims that are taken",
    ),
    "encounter-class": (
        "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        ("AMB", "EMER", "VR", "IMP", "ACUTE", "NONAC"),
        "Classes of encounters that are taken",
    ),
}
"""Value sets over code systems of others: system, codes, title."""


def concepts_of(codes: Codes, dictionaries: Dictionaries) -> Mapping[str, str]:
    """The codes of a system with their labels."""
    if codes.dictionary:
        return dictionaries[codes.dictionary]
    own: dict[str, Mapping[str, str]] = {
        "fsi-amount": {
            **LABELS,
            **{name: label for name, (_, label) in ITEM_AMOUNTS.items()},
            **OTHER_AMOUNTS,
        },
        "fsi-gateway-error": {
            code.value: code.value.replace("-", " ").lower() for code in ProblemCode
        },
        "visit-class": VISIT_CLASSES,
        "filing": FILINGS,
        "message-event": MESSAGE_EVENTS,
        "rx-circ-flag": YES_NO,
        "etip-flag": YES_NO,
        "dscg-tkdrug-flag": YES_NO,
        "matn-fee-flag": YES_NO,
    }
    return own.get(codes.name, {})


def code_systems(frame: Frame, dictionaries: Dictionaries) -> list[dict[str, Any]]:
    """Every code system of ours."""
    found = []
    for codes in CODES:
        concepts = concepts_of(codes, dictionaries)
        resource = frame.canonical("CodeSystem", codes.name, codes.zh, codes.en) | {
            "caseSensitive": True,
            "valueSet": frame.names.value_set(codes.name),
            "content": codes.content,
        }
        if concepts:
            resource["count"] = len(concepts)
            resource["concept"] = [{"code": c, "display": text} for c, text in concepts.items()]
        found.append(resource)
    return found


def value_sets(frame: Frame) -> list[dict[str, Any]]:
    """A value set of all codes of each system, and the ones over systems of others."""
    found = [
        frame.canonical("ValueSet", codes.name, codes.zh, codes.en)
        | {"compose": {"include": [{"system": frame.names.code_system(codes.name)}]}}
        for codes in CODES
    ]
    for kind, word in KINDS.items():
        systems = [system_name(module).replace("_", "-") for module in word.systems]
        resource = frame.canonical("ValueSet", f"national-{kind}", word.zh, word.en)
        include = [{"system": frame.names.code_system(name)} for name in systems]
        if kind == "item":
            include = [{"system": frame.names.code_system("med-list")}]
        found.append(resource | {"compose": {"include": include}})
    for name, (system, codes, title) in STANDARD_SETS.items():
        listed = {"system": system, "concept": [{"code": code} for code in codes]}
        resource = frame.canonical("ValueSet", name, title, title)
        found.append(resource | {"compose": {"include": [listed]}})
    return found
