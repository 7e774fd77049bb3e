"""OperationOutcome from problems, and the HTTP status that goes with them (mapping matrix 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fhir.expressions import fhirpath
from gateway.fhir.names import Names

ISSUE_TYPES: dict[ProblemKind, str] = {
    ProblemKind.STRUCTURE: "structure",
    ProblemKind.REQUIRED: "required",
    ProblemKind.TYPE: "value",
    ProblemKind.VALUE: "value",
    ProblemKind.LENGTH: "too-long",
    ProblemKind.UNSUPPORTED_TYPE: "not-supported",
    ProblemKind.UNSUPPORTED_EVENT: "not-supported",
    ProblemKind.UNSUPPORTED_PROCESSING: "not-supported",
    ProblemKind.UNSUPPORTED_VERSION: "not-supported",
    ProblemKind.NOT_FOUND: "not-found",
    ProblemKind.DUPLICATE: "conflict",
    ProblemKind.LOCKED: "conflict",
    ProblemKind.NO_CODE: "code-invalid",
    ProblemKind.BUSINESS: "business-rule",
    ProblemKind.NOT_SENT: "transient",
    # `timeout` and `incomplete` are transient in the value set and would invite a repeat.
    ProblemKind.UNKNOWN: "processing",
    ProblemKind.FORBIDDEN: "forbidden",
    ProblemKind.TOO_COSTLY: "too-costly",
    ProblemKind.INTERNAL: "exception",
}
"""Kind of a problem -> issue type (https://hl7.org/fhir/R4/valueset-issue-type.html)."""

ISSUE_TYPES_OF_CODE: dict[ProblemCode, str] = {
    ProblemCode.READ_SYNTAX: "structure",
    ProblemCode.AMOUNT_MISMATCH: "business-rule",
    ProblemCode.CURRENCY: "business-rule",
    ProblemCode.LIMIT_BUSY: "throttled",
    ProblemCode.LOGIN_NEEDED: "login",
}
"""Where the code of a problem says more than its kind."""

STATUSES: dict[ProblemKind, int] = {
    ProblemKind.DUPLICATE: 409,
    ProblemKind.LOCKED: 409,
    ProblemKind.FORBIDDEN: 403,
    ProblemKind.NOT_SENT: 503,
    ProblemKind.INTERNAL: 500,
}
"""Kind of the first error -> HTTP status of a resource that was read; 422 for any other."""


def operation_outcome(names: Names, problems: Sequence[Problem]) -> dict[str, Any]:
    """The resource: one issue a problem, in Chinese (details.text) and English (diagnostics)."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(names, problem) for problem in problems]
        or [{"severity": "information", "code": "informational"}],
    }


def status_of(problems: Sequence[Problem]) -> int:
    """The HTTP status for a readable resource with these problems."""
    for problem in problems:
        if problem.stops:
            return STATUSES.get(problem.kind, 422)
    return 422


def _issue(names: Names, problem: Problem) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": problem.severity.value,
        "code": ISSUE_TYPES_OF_CODE.get(problem.code) or ISSUE_TYPES[problem.kind],
        "details": {
            "coding": [
                {"system": names.code_system("fsi-gateway-error"), "code": problem.code.value}
            ],
            "text": _joined("。", problem.zh, problem.remedy_zh),
        },
        "diagnostics": _joined("; ", problem.en, problem.remedy_en, problem.detail),
    }
    if problem.severity is Severity.INFORMATION:
        issue["code"] = "informational"
    if problem.place:
        issue["expression"] = [fhirpath(problem.place)]
    return issue


def _joined(separator: str, *texts: str) -> str:
    return separator.join(text for text in texts if text) or "-"
