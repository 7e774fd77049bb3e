"""Cancelling: from a Task (or a Claim set to cancelled) to what was answered to the claim."""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.names import TASK_CODE
from gateway.fhir.references import as_list, local_name
from gateway.fhir.stored import PeerStore

LIVE_STATUSES = frozenset({"requested", "received", "accepted", "ready", "in-progress"})


def check_task(task: dict[str, Any]) -> list[Problem]:
    """Only the cancelling of a Claim is served (mapping matrix 2.1)."""
    found = []
    codings = as_list(task.get("code", {}).get("coding"))
    if not any(
        coding.get("code") == "cancel" and coding.get("system", TASK_CODE) == TASK_CODE
        for coding in codings
    ):
        found.append(
            problems.not_supported(
                "Task.code", "只支持代码cancel", "only the code cancel is served"
            )
        )
    if task.get("status") not in LIVE_STATUSES:
        found.append(
            problems.wrong_value(
                "Task.status", "该状态的任务不执行", "a task of this status is not carried out"
            )
        )
    if not task.get("focus"):
        found.append(
            problems.required("Task.focus", "缺少要撤销的Claim", "the Claim to cancel is missing")
        )
    return found


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


def cancel_step(response: dict[str, Any] | None, place: str) -> tuple[str, list[Problem]]:
    """The map for cancelling what this ClaimResponse says: `cancel`, `refund` or `again`.

    `again` means that it is cancelled already: nothing is sent (X-048).
    """
    if response is None:
        return "", [_unknown(place)]
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
        return "", [_unknown(place)]
    return ("refund" if response.get("use") == "predetermination" else "cancel"), []


def _unknown(place: str) -> Problem:
    return problems.not_found(
        place,
        ProblemCode.SETTLEMENT_UNKNOWN,
        "没有可撤销的结算",
        "there is no settlement to cancel",
    )
