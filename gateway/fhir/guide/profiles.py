"""The profiles: what the gateway checks beside the definitions of the resources.

A profile says what is checked, and nothing stands in one that no code looks at. Each goes into the
guide with the extensions of its elements.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.fhir.guide.frame import Frame
from gateway.fhir.names import CURRENCY
from gateway.fhir.published import PROFILES

MONEY: Final = {"patternMoney": {"currency": CURRENCY}}


class Rule(NamedTuple):
    """A constraint upon one element."""

    path: str
    constraint: dict[str, Any]


class Profile(NamedTuple):
    """A profile, and what it says of the elements of its type, in their order."""

    name: str
    zh: str
    en: str
    rules: tuple[Rule, ...]

    @property
    def type(self) -> str:
        """Its resource type."""
        return PROFILES[self.name]


def profiles_of(frame: Frame, max_items: int) -> tuple[Profile, ...]:
    """The profiles; `max_items` is the setting of the gateway."""
    return (
        *_claims(frame, max_items),
        *_insurances(frame),
        *_visits(frame),
        *_tasks(),
    )


def _claims(frame: Frame, max_items: int) -> tuple[Profile, ...]:
    """Claims of each use, and their answer."""
    return (
        Profile(
            "fsi-claim",
            "医保结算申请",
            "A Claim that is settled",
            _claim_rules(frame, "claim", max_items),
        ),
        Profile(
            "fsi-claim-predetermination",
            "医保预结算申请",
            "A Claim that is computed and not settled",
            _claim_rules(frame, "predetermination", max_items),
        ),
        Profile(
            "fsi-claim-preauthorization",
            "医保备案申请",
            "A Claim that files (transfer, chronic, designation) or asks for an entitlement",
            (
                Rule("Claim.status", {"fixedCode": "active"}),
                Rule("Claim.subType", {"min": 1, **bound(frame, "filing")}),
                Rule("Claim.use", {"fixedCode": "preauthorization"}),
                Rule("Claim.provider", {"min": 1}),
            ),
        ),
        Profile(
            "fsi-claim-response",
            "医保结算结果",
            "The answer to a Claim",
            (
                Rule("ClaimResponse.total.amount", MONEY),
                Rule("ClaimResponse.payment.amount", MONEY),
            ),
        ),
    )


def _claim_rules(frame: Frame, use: str, max_items: int) -> tuple[Rule, ...]:
    return (
        Rule("Claim.status", {"fixedCode": "active"}),
        Rule("Claim.type", bound(frame, "claim-type")),
        Rule("Claim.use", {"fixedCode": use}),
        Rule("Claim.provider", {"min": 1}),
        Rule("Claim.item", {"max": str(max_items)}),
        Rule("Claim.item.unitPrice", MONEY),
        Rule("Claim.item.factor", {"fixedDecimal": 1}),
        Rule("Claim.item.net", MONEY),
        Rule("Claim.item.detail", {"max": "0"}),
        Rule("Claim.total", MONEY),
    )


def _insurances(frame: Frame) -> tuple[Profile, ...]:
    """How a person is insured, and which benefits there are."""
    return (
        Profile(
            "fsi-coverage",
            "参保信息",
            "One insurance of a person as the platform said it",
            (Rule("Coverage.type", {"min": 1, **bound(frame, "insutype")}),),
        ),
        Profile(
            "fsi-eligibility-request",
            "参保与待遇查询",
            "Who is this, how insured, and which benefits are there",
            (Rule("CoverageEligibilityRequest.status", {"fixedCode": "active"}),),
        ),
        Profile(
            "fsi-eligibility-response",
            "参保与待遇结果",
            "Insurances and benefits of a person",
            (),
        ),
    )


def _visits(frame: Frame) -> tuple[Profile, ...]:
    """Visits and stays."""
    return (
        Profile(
            "fsi-encounter",
            "就诊登记",
            "A visit that is registered, or a stay from admission to discharge",
            (
                Rule("Encounter.identifier", {"min": 1}),
                Rule("Encounter.class", bound(frame, "encounter-class")),
                Rule("Encounter.subject", {"min": 1}),
            ),
        ),
    )


def _tasks() -> tuple[Profile, ...]:
    """What is asked about a Claim."""
    return (
        Profile(
            "fsi-task-cancel",
            "撤销结算申请",
            "The settlement of a Claim is to be cancelled",
            (
                Rule("Task.code", {"min": 1}),
                Rule("Task.code.coding.code", {"fixedCode": "cancel"}),
                Rule("Task.focus", {"min": 1}),
            ),
        ),
    )


def bound(frame: Frame, name: str) -> dict[str, Any]:
    """The binding of an element to a value set of the guide."""
    return {"binding": {"strength": "extensible", "valueSet": frame.names.value_set(name)}}
