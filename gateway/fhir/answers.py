"""Results to HTTP answers: status, headers, body, and the resources to keep (mapping matrix 2.4).

| result | Claim, eligibility | Encounter | Task |
|---|---|---|---|
| done | 201, `$submit` 200 | 201, update 200 | 201 completed |
| invalid | 422 (409 for another content or a held visit) | the same | 201 rejected, or 422 |
| rejected | 201 / 200, outcome error | 422 | 201 failed |
| not sent | 503 and Retry-After | the same | the same |
| unknown | 202 and Content-Location, outcome queued | 202 | 202 in-progress |

An answer of unknown outcome is replaced later under the same ids; the sender finds it where
Content-Location says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir.building import (
    Exchange,
    instant,
    kept,
    reference_tokens,
    stamped,
    status_tokens,
    version_of,
)
from gateway.fhir.claim_response import claim_response, reversal_response
from gateway.fhir.decode import decode_own, encode_answer
from gateway.fhir.eligibility_response import coverages, eligibility_response
from gateway.fhir.local import LOCAL_TYPES, gone, local_tokens
from gateway.fhir.matching import likeness_tokens, platform_part
from gateway.fhir.names import Names
from gateway.fhir.outcome import operation_outcome, status_of
from gateway.fhir.references import as_list
from gateway.fhir.stored import (
    BASE,
    CONTENT,
    GONE,
    KEPT_TYPES,
    LINE,
    REFUSED_TYPE,
    REVISED_TYPES,
    VISIT,
    tokens_of,
    tokens_of_codes,
)
from gateway.fhir.tasks import CANCEL, POLL, later, polled, task_code
from gateway.fhir.visit_answers import encounter_echo, task_answer
from gateway.intents import Answer, Resource, Result, Status

MEDIA_TYPE = "application/fhir+json; charset=utf-8"
STATUS_PATH = "_status"
"""Where a queued answer is asked for: `[base]/_status/ClaimResponse/[id]`."""
POLL_AFTER = 5
"""Seconds after which a queued answer is worth asking for again."""

REFUSED_TASKS = frozenset(
    {
        ProblemCode.VISIT_HELD,
        ProblemCode.VISIT_STATE,
        ProblemCode.VISIT_UNKNOWN,
        ProblemCode.SETTLEMENT_UNKNOWN,
        ProblemCode.CHARGE_UNKNOWN,
    }
)
"""What a Task is answered with as rejected: the task is well-formed, only it cannot be done."""


class Answers:
    """Writes the answers of one release."""

    def __init__(self, names: Names, now: Callable[[], datetime]) -> None:
        self._names = names
        self._now = now

    def answer(self, exchange: Exchange, result: Result) -> Answer:
        """The answer to a question that was understood, or refused by a check of ours.

        A resource that a later answer will or may replace is kept as a version besides; of an
        inquiry nothing is.
        """
        answer = self._answer(exchange, result)
        if exchange.interaction == "inquire":
            return msgspec.structs.replace(answer, resources=[])
        answer.resources += [
            version_of(one, str(decode_own(one.body)["meta"]["versionId"]))
            for one in answer.resources
            if (one.type in REVISED_TYPES and GONE not in one.search)
            or (result.status is Status.UNKNOWN and one.type in KEPT_TYPES)
        ]
        if exchange.waits:
            answer.resources += _for_the_poll(exchange, answer)
        return answer

    def _answer(self, exchange: Exchange, result: Result) -> Answer:
        if result.status is Status.NOT_SENT:
            return self.not_sent(result.problems, result.retry_after)
        resource = decode_own(exchange.resource)
        if exchange.type == "Task":
            return self._task(exchange, resource, result)
        if result.status is Status.INVALID:
            return self.outcome(status_of(result.problems), result.problems, result.status)
        if exchange.interaction == "match" and result.status is Status.UNKNOWN:
            return self.outcome(503, result.problems, Status.NOT_SENT)
        if exchange.interaction == "match":
            body = encode_answer(platform_part(self._names, exchange, result))
            return Answer(body=body, content_type=MEDIA_TYPE, status=200, outcome=result.status)
        if exchange.type in LOCAL_TYPES:
            return self._local(exchange, resource, result)
        if exchange.type == "Encounter":
            return self._encounter(exchange, resource, result)
        if exchange.type == "Claim" and exchange.interaction == "update":
            return self._cancelled_claim(exchange, result)
        if exchange.type == "CoverageEligibilityRequest":
            return self._eligibility(exchange, resource, result)
        return self._claim(exchange, resource, result)

    def outcome(
        self,
        status: int,
        problems: Sequence[Problem],
        outcome: Status,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An OperationOutcome."""
        return Answer(
            body=encode_answer(operation_outcome(self._names, problems)),
            content_type=MEDIA_TYPE,
            status=status,
            headers=dict(headers or {}),
            outcome=outcome,
            final=outcome is not Status.UNKNOWN,
        )

    def not_sent(self, problems: Sequence[Problem], retry_after: int) -> Answer:
        """Nothing left for the platform: the sender may try again."""
        found = list(problems) or [
            Problem(
                kind=ProblemKind.NOT_SENT,
                code=ProblemCode.FSI_NOTSENT,
                zh="请求未发送到医保平台，可以稍后重试",
                en="nothing was sent to the platform: try again later",
            )
        ]
        headers = {"Retry-After": str(max(1, retry_after))}
        return self.outcome(503, found, Status.NOT_SENT, headers)

    def _claim(self, exchange: Exchange, claim: dict[str, Any], result: Result) -> Answer:
        response = claim_response(self._names, exchange, claim, result)
        updated = instant(self._now())
        visit = [result.intent.visit.get("ipt_otp_no")]
        lines = [
            f"{charge.get('item_sequence')}={charge.get('feedetl_key') or charge.get('feedetl_sn')}"
            for charge in result.intent.charges
        ]
        own = stamped({**claim, "id": exchange.id}, exchange.received)
        response = stamped(response, updated)
        found = {VISIT: visit, LINE: lines}
        resources = [
            self._keep(exchange, own, {VISIT: visit}, "status", "use"),
            self._keep(exchange, response, found, "status", "use", "outcome"),
        ]
        return self._made(exchange, result, own, resources, resources[1])

    def _eligibility(self, exchange: Exchange, request: dict[str, Any], result: Result) -> Answer:
        response = eligibility_response(self._names, exchange, request, result)
        own = stamped({**request, "id": exchange.id}, exchange.received)
        resources = [
            self._keep(exchange, own, {}, "status"),
            self._keep(exchange, stamped(response, instant(self._now())), {}, "status", "outcome"),
        ]
        resources += [
            self._coverage(exchange, one) for one in coverages(self._names, exchange, response)
        ]
        # An eligibility check may simply be asked again: its answer is never waited for.
        answer = self._made(exchange, result, own, resources, resources[1], waits=False)
        return msgspec.structs.replace(answer, final=True)

    def _coverage(self, exchange: Exchange, coverage: dict[str, Any]) -> Resource:
        """A snapshot of what the platform said; `meta.lastUpdated` says when."""
        search = {
            "type": tokens_of_codes(coverage["type"]),
            "beneficiary": reference_tokens(coverage["beneficiary"]),
            "patient": reference_tokens(coverage["beneficiary"]),
        }
        return self._keep(exchange, stamped(coverage, instant(self._now())), search, "status")

    def _encounter(self, exchange: Exchange, encounter: dict[str, Any], result: Result) -> Answer:
        echo = encounter_echo(self._names, exchange, encounter, result)
        if result.status is Status.REVERSED:
            echo["status"] = "cancelled"
        search = {
            VISIT: [result.intent.visit.get("ipt_otp_no")],
            CONTENT: [exchange.content],
            BASE: [str(exchange.version - 1)],
        }
        unknown = result.status is Status.UNKNOWN
        stamp = stamped(
            echo,
            instant(self._now()),
            str(exchange.version),
            waiting=self._waiting() if unknown else None,
        )
        resource = self._keep(exchange, stamp, search, "status")
        if result.status is Status.REJECTED:
            return self.outcome(422, result.problems, result.status)
        if result.status is Status.REVERSED:
            return self._with(self.outcome(422, [_reversed()], result.status), resource)
        if unknown:
            return self._later(exchange, result, resource)
        return self._made(exchange, result, stamp, [resource], resource)

    def _local(self, exchange: Exchange, resource: dict[str, Any], result: Result) -> Answer:
        """A resource that is only kept."""
        if exchange.interaction == "delete":
            left = gone(exchange, resource)
            return Answer(body=b"", status=204, outcome=result.status, resources=[left])
        own = {**resource, "id": exchange.id}
        stamp = stamped(own, instant(self._now()), str(exchange.version))
        tokens = local_tokens(exchange)
        if exchange.type == "Patient":
            tokens |= likeness_tokens(own)
        made = self._keep(exchange, stamp, tokens, "status")
        return self._made(exchange, result, stamp, [made], made)

    def _waiting(self) -> dict[str, str]:
        """The tag of a resource whose outcome is not known."""
        system = self._names.code_system("fsi-gateway-error")
        return {"system": system, "code": ProblemCode.FSI_UNKNOWN.value}

    def _later(self, exchange: Exchange, result: Result, resource: Resource) -> Answer:
        """Not known yet: nothing to show but where to ask."""
        location = exchange.url(f"{STATUS_PATH}/{resource.type}", resource.id)
        headers = {"Content-Location": location, "Retry-After": str(POLL_AFTER)}
        answer = self.outcome(202, result.problems, Status.UNKNOWN, headers)
        return self._with(answer, resource, later(resource, exchange.peer))

    def _with(self, answer: Answer, *resources: Resource) -> Answer:
        return msgspec.structs.replace(answer, resources=[*answer.resources, *resources])

    def _task(self, exchange: Exchange, task: dict[str, Any], result: Result) -> Answer:
        codes = {problem.code for problem in result.problems if problem.stops}
        if result.status is Status.INVALID and not codes <= REFUSED_TASKS:
            return self.outcome(status_of(result.problems), result.problems, result.status)
        code = task_code(task)
        others, reversal = self._cancelled(exchange, result) if code == CANCEL else ([], "")
        told = [f"ClaimResponse/{reversal}"] if reversal else exchange.found
        answered = task_answer(self._names, exchange, task, result, told)
        own = stamped(answered, instant(self._now()))
        resource = self._keep(exchange, own, {}, "status")
        if code == POLL:
            others = [polled(name, exchange.peer) for name in exchange.found]
        return self._made(exchange, result, own, [resource, *others], resource)

    def _cancelled_claim(self, exchange: Exchange, result: Result) -> Answer:
        """A Claim that was put with status cancelled."""
        unknown = result.status is Status.UNKNOWN
        resources, _ = self._cancelled(exchange, result)
        if not resources:
            claim = stamped(
                decode_own(exchange.claim),
                instant(self._now()),
                waiting=self._waiting() if unknown else None,
            )
            resources = [self._keep(exchange, claim, {}, "status", "use")]
        if unknown:
            return self._later(exchange, result, resources[0])
        if result.status in {Status.REJECTED, Status.REVERSED}:
            problems = result.problems or [_reversed()]
            return self._with(self.outcome(422, problems, result.status), resources[0])
        return self._made(exchange, result, decode_own(resources[0].body), resources, resources[0])

    def _cancelled(self, exchange: Exchange, result: Result) -> tuple[list[Resource], str]:
        """What a cancellation leaves: claim and answer set to cancelled, and the reversal."""
        if result.status is not Status.DONE or exchange.step == "again":
            return [], exchange.reversal
        updated = instant(self._now())
        claim = {**decode_own(exchange.claim), "status": "cancelled"}
        original = {**decode_own(exchange.response), "status": "cancelled"}
        reversal = reversal_response(self._names, exchange, original, result)
        visit = {VISIT: [result.intent.visit.get("ipt_otp_no")]}
        before = [decode_own(text) for text in (exchange.claim, exchange.response)]
        resources = [
            self._keep(exchange, stamped(claim, updated), visit, "status", "use"),
            self._keep(
                exchange,
                stamped(original, updated),
                visit | {LINE: exchange.lines},
                "status",
                "use",
                "outcome",
            ),
            self._keep(exchange, stamped(reversal, updated), visit, "status", "use", "outcome"),
            *(version_of(kept(b, exchange.peer, {}), b["meta"]["versionId"]) for b in before),
        ]
        return resources, reversal["id"]

    def _made(
        self,
        exchange: Exchange,
        result: Result,
        own: dict[str, Any],
        resources: list[Resource],
        body: Resource,
        *,
        waits: bool = True,
    ) -> Answer:
        """The answer with `body`, where `own` is the resource that was made or changed."""
        unknown = waits and result.status is Status.UNKNOWN
        if unknown or exchange.waits:
            resources = [*resources, later(body, exchange.peer)]
        meta = own["meta"]
        headers = {"Last-Modified": http_date(meta["lastUpdated"])}
        if exchange.interaction != "submit":
            headers["ETag"] = f'W/"{meta["versionId"]}"'
            headers["Location"] = (
                f"{exchange.url(own['resourceType'], own['id'])}/_history/{meta['versionId']}"
            )
        if unknown:
            path = f"{STATUS_PATH}/{body.type}"
            headers |= {
                "Content-Location": exchange.url(path, body.id),
                "Retry-After": str(POLL_AFTER),
            }
        return Answer(
            body=body.body,
            content_type=MEDIA_TYPE,
            status=202 if unknown else 201 if exchange.interaction == "create" else 200,
            headers=headers,
            outcome=result.status,
            resources=resources,
            final=not unknown,
        )

    def _keep(
        self,
        exchange: Exchange,
        resource: dict[str, Any],
        search: Mapping[str, Sequence[str]],
        *codes: str,
    ) -> Resource:
        tokens = {name: list(values) for name, values in search.items()}
        tokens |= status_tokens(resource, *codes)
        tokens["identifier"] = tokens_of(as_list(resource.get("identifier")))
        patient = "subject" if resource["resourceType"] == "Encounter" else "patient"
        for name in (patient, "request", "focus", "for"):
            if name in resource:
                tokens[name] = reference_tokens(resource[name])
        if "subject" in tokens:
            tokens["patient"] = tokens["subject"]
        return kept(resource, exchange.peer, {n: [v for v in vs if v] for n, vs in tokens.items()})


def _for_the_poll(exchange: Exchange, answer: Answer) -> list[Resource]:
    """The refusal of a question whose client asks later; of an update that is none, its end."""
    told: dict[str, Any] = {"resourceType": REFUSED_TYPE, "id": exchange.id}
    if 400 <= answer.status < 500:
        told |= {"status": answer.status, "outcome": decode_own(answer.body)}
    elif exchange.interaction != "update":
        return []
    return [kept(told, exchange.peer, {})]


def http_date(text: str) -> str:
    """An instant as an HTTP date.

    >>> http_date("2026-03-01T01:05:00+08:00")
    'Sat, 28 Feb 2026 17:05:00 GMT'
    """
    return format_datetime(datetime.fromisoformat(text).astimezone(UTC), usegmt=True)


def _reversed() -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REVERSED,
        zh="交易结果曾不明确，平台已冲正，交易未生效",
        en="the outcome was unknown and the platform has undone it: nothing took effect",
    )
