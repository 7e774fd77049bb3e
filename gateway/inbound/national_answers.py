"""Answers of the national JSON side, in the form of the platform's reply.

| what happened | HTTP | infcode |
|---|---|---|
| accepted by the platform | 200 | 0 |
| refused by the platform | 200 | -1, `err_msg` of the platform |
| refused by us, nothing was sent | 400, 403, 409, 422 | -1, place and reason, `problems` |
| not sent, may be tried again | 503 with Retry-After | -1 |
| outcome unknown, not to be repeated | 504 | -1 |
| was unknown and has been undone | 200 | -1 |

`err_msg` has at most 200 characters, as the envelope table of the specification says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.clock import CHINA
from gateway.errors import (
    DuplicateError,
    MessageError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnknownOutcomeError,
    UnreadableError,
)
from gateway.inbound.national_envelope import encode
from gateway.intents import Answer, Result, Status

MAX_ERR_MSG = 200
"""Characters of `err_msg`."""

MEDIA_TYPE = "application/json; charset=utf-8"

FILE_TYPE = "application/octet-stream"
"""Media type of a file (9102)."""

RETRY_AFTER = 5
"""Seconds after which a client may try again when nothing better is known."""

ACCEPTED, REFUSED = 0, -1
"""Values of `infcode`."""

UNKNOWN_TEXT = (
    "结果未知，请勿重复提交！交易已发出，但未收到可信的答复；核实后以原msgid可查询最终结果。"
    "用原 msgid 再次提交同一报文只会取得结果，不会重复结算。"
)
REVERSED_TEXT = "原结果未知的交易已被冲正，未发生结算。如需办理，请用新的 msgid 重新提交。"
NOT_SENT_TEXT = "交易未发出，请稍后用原 msgid 重试。"
INTERNAL_TEXT = "网关内部错误，结果未知，请勿重复提交，请联系管理员。"

_STATUS_OF_KIND = {
    ProblemKind.STRUCTURE: 400,
    ProblemKind.FORBIDDEN: 403,
    ProblemKind.DUPLICATE: 409,
    ProblemKind.INTERNAL: 500,
    ProblemKind.NOT_SENT: 503,
    ProblemKind.UNKNOWN: 504,
}


def moment(now: datetime) -> str:
    """The reply's time form, yyyyMMddHHmmssSSS in China Standard Time.

    >>> moment(datetime(2026, 3, 1, 9, 5, 7, 42000, tzinfo=CHINA))
    '20260301090507042'
    """
    local = now.astimezone(CHINA)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"


def from_result(context: dict[str, Any], result: Result, now: str) -> Answer:
    """What became of a transaction that was carried."""
    reply, problems = result.reply, result.problems
    if reply is not None and reply.content:
        return Answer(body=reply.content, content_type=FILE_TYPE, outcome=result.status)
    if result.status is Status.DONE:
        infcode, status, text = ACCEPTED, 200, ""
    elif result.status is Status.REJECTED:
        infcode, status = REFUSED, 200
        text = (reply.err_msg if reply is not None else "") or in_words(problems)
    elif result.status is Status.UNKNOWN:
        infcode, status, text = REFUSED, 504, UNKNOWN_TEXT
    elif result.status is Status.REVERSED:
        infcode, status, text = REFUSED, 200, REVERSED_TEXT
    elif result.status is Status.NOT_SENT:
        infcode, status, text = REFUSED, 503, NOT_SENT_TEXT + in_words(problems)
    else:
        infcode, status, text = REFUSED, status_of(problems), in_words(problems)
    body = _body(context, now, infcode, text)
    if reply is not None:
        body |= {"inf_refmsgid": reply.inf_refmsgid, "warn_msg": reply.warn_msg}
    if infcode == ACCEPTED:  # a confirmed transaction has an output and no reply of its own
        body["output"] = (reply.output if reply is not None else {}) or result.output
    answer = _answer(body, status, problems)
    if status == 503:
        answer.headers = {"Retry-After": str(result.retry_after or RETRY_AFTER)}
    answer.outcome = result.status
    answer.final = result.status is not Status.UNKNOWN
    return answer


def from_error(context: dict[str, Any], error: Exception, now: str) -> Answer:
    """A message that was not carried out."""
    problems: Sequence[Problem] = ()
    outcome, retry_after = Status.INVALID, RETRY_AFTER
    if isinstance(error, MessageError):
        problems = error.problems
        text, status = in_words(problems), status_of(problems)
        if isinstance(error, UnreadableError):
            status = 400
        elif isinstance(error, DuplicateError):
            status = 409
    elif isinstance(error, NotSentError):
        text, status, outcome = NOT_SENT_TEXT, 503, Status.NOT_SENT
        retry_after = error.retry_after
        problems = [_problem(ProblemKind.NOT_SENT, ProblemCode.FSI_NOTSENT, text, "not sent")]
    elif isinstance(error, UnknownOutcomeError):
        text, status, outcome = UNKNOWN_TEXT, 504, Status.UNKNOWN
        english = "outcome unknown: do not repeat"
        problems = [_problem(ProblemKind.UNKNOWN, ProblemCode.FSI_UNKNOWN, text, english)]
    else:
        text, status, outcome = INTERNAL_TEXT, 500, Status.UNKNOWN
        english = "the gateway failed: do not repeat, ask its operator"
        problems = [_problem(ProblemKind.INTERNAL, ProblemCode.INTERNAL, text, english)]
    answer = _answer(_body(context, now, REFUSED, text), status, problems)
    if status == 503:
        answer.headers = {"Retry-After": str(retry_after)}
    answer.outcome = outcome
    answer.final = outcome is not Status.UNKNOWN
    return answer


def refusal_body(problems: Sequence[Problem], now: str) -> bytes:
    """The reply to a request that never reached the adapter (no token, too long ...)."""
    return _answer(_body({}, now, REFUSED, in_words(problems)), 400, problems).body


def in_words(problems: Sequence[Problem]) -> str:
    """`place：reason` of every problem that stops, as far as 200 characters reach."""
    stopping = [problem for problem in problems if problem.stops] or list(problems)
    parts = [f"{item.place}：{item.zh}" if item.place else item.zh for item in stopping]
    return "；".join(parts)[:MAX_ERR_MSG]


def status_of(problems: Sequence[Problem]) -> int:
    """The HTTP status of a refusal of ours: the first problem decides."""
    for problem in problems:
        if problem.stops:
            if problem.code is ProblemCode.LIMIT_BUSY:
                return 503
            return _STATUS_OF_KIND.get(problem.kind, 422)
    return 422


def _body(context: dict[str, Any], now: str, infcode: int, text: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "infcode": infcode,
        "inf_refmsgid": "",
        "refmsg_time": context.get("received", now),
        "respond_time": now,
        "err_msg": text[:MAX_ERR_MSG],
        "output": {} if infcode == ACCEPTED else None,
        "warn_msg": "",
    }
    if "infno" in context:
        body |= {"infno": context["infno"], "msgid": context.get("msgid", "")}
    return body


def _answer(body: dict[str, Any], status: int, problems: Sequence[Problem]) -> Answer:
    if problems:
        body["problems"] = list(problems)
    return Answer(body=encode(body), content_type=MEDIA_TYPE, status=status)


def _problem(kind: ProblemKind, code: ProblemCode, zh: str, en: str) -> Problem:
    return Problem(kind=kind, code=code, zh=zh, en=en)
