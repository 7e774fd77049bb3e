"""Questions that are answered later: `Prefer: respond-async` (https://hl7.org/fhir/R5/async.html).

A question is durable before its client is told 202. What it comes to is kept with the resource
that answers it, as of every question, and a refusal, which leaves no resource, under the same id.
Which exchange a job is stands in the journal, so that every gateway that shares it knows of the
job: while its exchange has no answer it is in work, whoever works on it, and one that was released
sent nothing and may be asked anew. To give a job up stops nothing that was begun: what was sent has
an outcome, and the outcome is recorded (X-034).

What the journal has of a job is how to find its exchange, or that it was given up. It stands among
what ends by itself, and is gone `KEPT` after the job began or was given up: by then the answer is
read as the resource that it is. The exchange and the key of its message stay for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.intents import Answer, Status
from gateway.journal import ExchangeRow

PREFIX = "fhir-job/"
"""Begins the keys under which the journal has jobs: how one stands, and the id of its exchange."""
KEPT = timedelta(days=30)
"""How long the journal has a job."""
MAX_KEPT = 1_000
"""Answers of finished jobs that are kept at most; the oldest goes."""


class Standing(StrEnum):
    """How a job stands."""

    UNKNOWN = "unknown"
    """There is no such job."""
    BEGUN = "begun"
    RELEASED = "released"
    """Nothing was sent; it may be asked anew."""
    ANSWERED = "answered"
    GIVEN_UP = "given-up"


class Ledger(Protocol):
    """The part of the journal that knows of jobs."""

    async def session_get(self, key: str) -> str | None:
        """What is kept under a key and has not ended."""
        ...

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        """Keep it until `expires`."""
        ...

    async def exchange(self, exchange_id: str) -> ExchangeRow | None:
        """The exchange of this id."""
        ...


class Jobs:
    """The jobs of one release, by the name under which they are asked for."""

    def __init__(self, journal: Ledger, now: Callable[[], datetime]) -> None:
        self._journal = journal
        self._now = now
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._done: OrderedDict[str, Answer] = OrderedDict()

    async def begin(self, name: str, exchange_id: str, work: Coroutine[Any, Any, Answer]) -> None:
        """Start the work of a job; asked again, it begins anew."""
        self._done.pop(name, None)
        task = asyncio.create_task(work)
        self._running[name] = task
        task.add_done_callback(lambda _: self._finish(name, task))
        await self._put(name, Standing.BEGUN, exchange_id)

    async def standing(self, name: str) -> Standing:
        """How a job stands, here or at another gateway of the same journal."""
        kept = await self._journal.session_get(PREFIX + name) or ""
        state, _, exchange_id = kept.partition(" ")
        if state == Standing.GIVEN_UP:
            return Standing.GIVEN_UP
        if name in self._running:
            return Standing.BEGUN
        row = await self._journal.exchange(exchange_id) if exchange_id else None
        if row is None:
            return Standing.UNKNOWN
        if row.status != "open":
            return Standing.ANSWERED
        return Standing.BEGUN if row.held else Standing.RELEASED

    def answer(self, name: str, standing: Standing) -> Answer | None:
        """The answer of a job that was finished here, unless another gateway has carried it on."""
        found = self._done.get(name)
        if found is not None and found.outcome is Status.NOT_SENT:
            return found if standing is Standing.RELEASED else None
        return found

    async def give_up(self, name: str) -> None:
        """Show nothing of this job any more."""
        self._done.pop(name, None)
        await self._put(name, Standing.GIVEN_UP)

    async def _put(self, name: str, state: Standing, exchange_id: str = "") -> None:
        """Keep how a job stands."""
        ends = self._now() + KEPT
        await self._journal.session_put(PREFIX + name, f"{state.value} {exchange_id}", ends)

    def _finish(self, name: str, task: asyncio.Task[Answer]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        if task.cancelled() or task.exception() is not None:
            return
        self._done[name] = task.result()
        if len(self._done) > MAX_KEPT:
            self._done.popitem(last=False)


def batch_of(body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The result of an asynchronous question as R5 has it: a batch-response of one entry."""
    response = {
        "status": "200",
        "etag": headers["ETag"],
        "lastModified": body["meta"]["lastUpdated"],
    }
    return {
        "resourceType": "Bundle",
        "type": "batch-response",
        "entry": [{"resource": body, "response": response}],
    }


def working() -> Problem:
    """The question is in work: its outcome is not unknown, there is none yet."""
    return Problem(
        kind=ProblemKind.LOCKED,
        code=ProblemCode.IN_PROGRESS,
        severity=Severity.INFORMATION,
        zh="已受理，正在处理，请稍后查询",
        en="accepted and being worked on: ask at Content-Location",
    )


def waiting() -> Problem:
    """The outcome is not known."""
    return Problem(
        kind=ProblemKind.UNKNOWN,
        code=ProblemCode.FSI_UNKNOWN,
        severity=Severity.INFORMATION,
        zh="结果尚不明确，请勿重复提交",
        en="the outcome is not known yet: do not repeat",
    )


def released() -> Problem:
    """Nothing was sent, and nothing is in work."""
    return Problem(
        kind=ProblemKind.NOT_SENT,
        code=ProblemCode.FSI_NOTSENT,
        zh="请求未发送到医保平台",
        en="nothing was sent to the platform",
        remedy_zh="请重新提交同一请求",
        remedy_en="send the same request again",
    )
