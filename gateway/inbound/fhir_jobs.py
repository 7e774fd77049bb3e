"""Questions that are answered later: `Prefer: respond-async` (https://hl7.org/fhir/R5/async.html).

A question is durable before its client is told 202. What it comes to is kept with the resource
that answers it, as of every question, and a refusal, which leaves no resource, under the same id.
What is kept here for as long as the process lives is what may be asked anew: that nothing was
sent. To give a job up stops nothing that was begun: what was sent has an
outcome, and the outcome is recorded (X-034).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.intents import Answer

MAX_KEPT = 1_000
"""Answers of finished jobs, and names of jobs that were given up, at most; the oldest goes."""


class Jobs:
    """The jobs of one release, by the name under which they are asked for."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._done: OrderedDict[str, Answer] = OrderedDict()
        self._given_up: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str, work: Coroutine[Any, Any, Answer]) -> None:
        """Start the work of a job; asked again, it begins anew."""
        self._given_up.pop(name, None)
        self._done.pop(name, None)
        task = asyncio.create_task(work)
        self._running[name] = task
        task.add_done_callback(lambda _: self._finish(name, task))

    def is_running(self, name: str) -> bool:
        """True while the job has no answer."""
        return name in self._running

    def answer(self, name: str) -> Answer | None:
        """The answer of a finished job that is still kept."""
        return self._done.get(name)

    def give_up(self, name: str) -> None:
        """Show nothing of this job any more."""
        self._done.pop(name, None)
        self._given_up[name] = None
        if len(self._given_up) > MAX_KEPT:
            self._given_up.popitem(last=False)

    def is_given_up(self, name: str) -> bool:
        """True for a job whose client wants nothing of it."""
        return name in self._given_up

    def _finish(self, name: str, task: asyncio.Task[Answer]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        if task.cancelled() or task.exception() is not None or name in self._given_up:
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
