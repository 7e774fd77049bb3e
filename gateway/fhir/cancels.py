"""Cancelling: from a Task (or a Claim set to cancelled) to what was answered to the claim."""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.forms import Forms
from gateway.fhir.references import local_name
from gateway.fhir.stored import PeerStore


async def claim_of(task: dict[str, Any], store: PeerStore) -> str:
    """The id of the Claim in focus, by reference or by identifier; empty when not known."""
    focus = task.get("focus", {})
    type_name, _, identity = local_name(str(focus.get("reference", ""))).partition("/")
    if type_name in {"Claim", "ClaimResponse"} and identity:
        return identity if await store.resource("Claim", identity) is not None else ""
    identifier = focus.get("identifier", {})
    if not isinstance(identifier.get("value"), str):
        return ""
    token = "|".join(part for part in (identifier.get("system"), identifier["value"]) if part)
    total, found = await store.search("Claim", {"identifier": [token]}, 2)
    return found[0].id if total == 1 else ""


_OF_THE_COPY = frozenset({"meta", "status", "text"})
"""Elements that may differ between a resource as it was sent and as it is sent back."""


def changed_elements(sent: dict[str, Any], kept: dict[str, Any], forms: Forms) -> list[str]:
    """The elements in which a Claim that is put differs from the one that is kept.

    What a release has no form for is not compared: its client cannot have sent it.
    """
    ours, theirs = forms.outward(kept) or {}, forms.outward(sent) or {}
    names = dict.fromkeys([*theirs, *ours])
    return [n for n in names if n not in _OF_THE_COPY and theirs.get(n) != ours.get(n)]


def cancel_step(response: dict[str, Any] | None, place: str) -> tuple[str, list[Problem]]:
    """The map for cancelling what was answered: `cancel`, `refund`, `withdraw` or `again`.

    `again` means that it is cancelled already: nothing is sent (X-048).
    """
    if response is None:
        return "", [unknown_settlement(place)]
    if response.get("status") == "cancelled":
        return "again", []
    if response.get("outcome") == "queued":
        return "", [
            Problem(
                kind=ProblemKind.LOCKED,
                code=ProblemCode.VISIT_HELD,
                place=place,
                zh="结算结果尚不明确，结果明确之前不能撤销",
                en="the outcome of the settlement is not known yet: it cannot be cancelled before",
                remedy_zh="请稍后查询结算结果",
                remedy_en="ask for the outcome later",
            )
        ]
    if response.get("outcome") == "error":
        return "", [unknown_settlement(place)]
    return {"predetermination": "refund", "preauthorization": "withdraw"}.get(
        str(response.get("use")), "cancel"
    ), []


def unknown_settlement(place: str) -> Problem:
    """Nothing is known that was answered to the claim."""
    return problems.not_found(
        place,
        ProblemCode.SETTLEMENT_UNKNOWN,
        "没有可查询或撤销的结算",
        "there is no settlement of this claim",
    )
