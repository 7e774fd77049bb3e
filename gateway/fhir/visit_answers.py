"""The answers to an Encounter (its echo, with the platform's visit number) and to a Task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.fhir.building import Exchange, concept, first_stop
from gateway.fhir.decode import decode_own
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.fhir.settled import settlement_outputs
from gateway.intents import Result, Status, Verb

SYSTEM = "mdtrt-id"
OUTCOMES = frozenset({"queued", "complete", "partial", "error"})
"""ClaimResponse.outcome, as a Task that asks for it is told."""


def encounter_echo(
    names: Names, exchange: Exchange, encounter: dict[str, Any], result: Result
) -> dict[str, Any]:
    """The Encounter as it was sent, with our id and the mdtrt_id among its identifiers."""
    system = names.identifier(SYSTEM)
    others = [one for one in as_list(encounter.get("identifier")) if one.get("system") != system]
    number = result.intent.visit.get("mdtrt_id") or _stated(encounter, system)
    if number:
        others.append({"use": "secondary", "system": system, "value": number})
    return {**encounter, "id": exchange.id, "identifier": others}


def _stated(encounter: dict[str, Any], system: str) -> str:
    for one in as_list(encounter.get("identifier")):
        if one.get("system") == system:
            return str(one.get("value", ""))
    return ""


def task_answer(
    names: Names, exchange: Exchange, task: dict[str, Any], result: Result, told: Sequence[str]
) -> dict[str, Any]:
    """The Task with what became of it (X-049).

    `completed` with the reversal as output, `failed` when the platform refused, `rejected` when
    it may not be done now, `in-progress` while the outcome is not known. `told` are the resources
    (`Type/id`) that are its output: what was undone, or what was asked for; then comes what the
    platform showed of a settlement.
    """
    status = {
        Status.DONE: "completed",
        Status.UNKNOWN: "in-progress",
        Status.INVALID: "rejected",
    }.get(result.status, "failed")
    answered = {
        name: value
        for name, value in task.items()
        if name not in {"status", "statusReason", "output", "lastModified"}
    }
    answered |= {"id": exchange.id, "status": status, "lastModified": exchange.received}
    problem = first_stop(result.problems)
    if status == "in-progress":
        answered["statusReason"] = {"text": "撤销结果尚不明确，请勿重复提交，请稍后查询本任务"}
    elif problem is not None and status != "completed":
        system = names.code_system("fsi-gateway-error")
        answered["statusReason"] = {
            **concept(system, problem.code.value),
            "text": problem.zh,
        }
    output: list[dict[str, Any]] = [
        {"type": {"text": name.partition("/")[0]}, "valueReference": {"reference": name}}
        for name in told
    ]
    if exchange.step in OUTCOMES:
        output.append({"type": {"text": "outcome"}, "valueCode": exchange.step})
    if result.intent.verb is Verb.READ_SETTLEMENT and result.settlements:
        response = decode_own(exchange.response)
        output += settlement_outputs(names, response, result.settlements)
    if status != "completed":
        output = _taken_back(names, result)
    if output:
        answered["output"] = output
    return answered


def _taken_back(names: Names, result: Result) -> list[dict[str, Any]]:
    """The settlements of a claim that were cancelled before the cancellation stopped."""
    system = names.identifier("setl-id")
    return [
        {
            "type": {"text": "cancelled"},
            "valueIdentifier": {"system": system, "value": settlement.cancels},
        }
        for settlement in result.settlements
        if settlement.cancels
    ]
