"""Tasks about claims: cancel one, ask how one stands, collect answers that came later.

The codes are those of http://terminology.hl7.org/CodeSystem/financialtaskcode (mapping matrix 2.1).
`poll` looks at what was answered and never asks a platform; `status` does too, and reads a
settlement back besides (`gateway.fhir.settled`).
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.building import is_waiting, kept
from gateway.fhir.names import FINANCIAL_TASK, TASK_CODE
from gateway.fhir.references import as_list
from gateway.fhir.stored import LATER, LATER_TYPE, PeerStore
from gateway.intents import Resource

CANCEL, STATUS, POLL = "cancel", "status", "poll"
CODES = frozenset({CANCEL, STATUS, POLL})
LIVE_STATUSES = frozenset({"requested", "received", "accepted", "ready", "in-progress"})
MAX_POLLED = 100
"""Answers that one poll gives at most; the next poll gives the others."""
LOOKED_THROUGH = 1_000
"""Marks that one poll looks through at most, the oldest first."""


def task_code(task: dict[str, Any]) -> str:
    """What a Task asks for; empty when it is nothing that is served."""
    for coding in as_list(task.get("code", {}).get("coding")):
        code, system = coding.get("code"), coding.get("system", FINANCIAL_TASK)
        if code in CODES and system in {FINANCIAL_TASK, TASK_CODE}:
            return str(code)
    return ""


def check_task(task: dict[str, Any]) -> list[Problem]:
    """What is wrong with a Task, apart from what it is about."""
    found = []
    code = task_code(task)
    if not code:
        found.append(
            problems.not_supported(
                "Task.code",
                "只支持代码cancel、status、poll",
                "only the codes cancel, status and poll are served",
            )
        )
    if task.get("status") not in LIVE_STATUSES:
        found.append(
            problems.wrong_value(
                "Task.status", "该状态的任务不执行", "a task of this status is not carried out"
            )
        )
    if code in {CANCEL, STATUS} and not task.get("focus"):
        found.append(
            problems.required(
                "Task.focus", "缺少任务所指的Claim", "the Claim that the task is about is missing"
            )
        )
    return found


def later(resource: Resource, peer: str) -> Resource:
    """The mark of an answer that its client has to come back for: a poll gives it once."""
    name = {"resourceType": resource.type, "id": f"{resource.type}-{resource.id}"}
    mark = kept(name, peer, {LATER: ["due"]})
    return Resource(type=LATER_TYPE, id=mark.id, body=mark.body, search=mark.search)


def polled(name: str, peer: str) -> Resource:
    """The mark of an answer (`Type/id`) that was given."""
    type_name, _, identity = name.partition("/")
    given = later(Resource(type=type_name, id=identity, body=b""), peer)
    del given.search[LATER]
    return given


async def due(store: PeerStore) -> list[str]:
    """The answers (`Type/id`) that are known now and were not polled yet, oldest first."""
    wanted = {LATER: ["due"]}
    total, _ = await store.search(LATER_TYPE, wanted, 1)
    _, marks = await store.search(
        LATER_TYPE, wanted, LOOKED_THROUGH, max(0, total - LOOKED_THROUGH)
    )
    found: list[str] = []
    for mark in reversed(marks):
        type_name, _, identity = mark.id.partition("-")
        body = await store.body(type_name, identity)
        if body is not None and not is_waiting(body):
            found.append(f"{type_name}/{identity}")
        if len(found) == MAX_POLLED:
            break
    return found
