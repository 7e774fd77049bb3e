"""Search of what was answered: parameters to tokens, and the searchset Bundle.

Source: https://hl7.org/fhir/R4/search.html. Served are token and reference parameters with exact
match. A parameter that is not served is ignored, and left out of the self link, unless the client
asks for strict handling (X-025); a modifier that is not served is always refused (search.html,
section 3.1.1.4.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir.dates import span
from gateway.fhir.decode import decode_own
from gateway.fhir.problems import wrong_value
from gateway.fhir.release import R5, Release
from gateway.intents import Resource

TOKEN, REFERENCE, URI, STRING, DATE = "token", "reference", "uri", "string", "date"

PARAMETERS: dict[str, dict[str, str]] = {
    "AuditEvent": {"date": DATE, "exchange": TOKEN, "outcome": TOKEN},
    "Claim": {"identifier": TOKEN, "patient": REFERENCE, "status": TOKEN, "use": TOKEN},
    "ClaimResponse": {
        "identifier": TOKEN,
        "outcome": TOKEN,
        "patient": REFERENCE,
        "request": REFERENCE,
        "status": TOKEN,
        "use": TOKEN,
    },
    "Coverage": {
        "beneficiary": REFERENCE,
        "identifier": TOKEN,
        "patient": REFERENCE,
        "status": TOKEN,
        "type": TOKEN,
    },
    "CoverageEligibilityRequest": {"identifier": TOKEN, "patient": REFERENCE, "status": TOKEN},
    "CoverageEligibilityResponse": {
        "identifier": TOKEN,
        "outcome": TOKEN,
        "patient": REFERENCE,
        "request": REFERENCE,
        "status": TOKEN,
    },
    "Encounter": {"identifier": TOKEN, "patient": REFERENCE, "subject": REFERENCE, "status": TOKEN},
    "Organization": {"identifier": TOKEN, "name": STRING},
    "Patient": {"identifier": TOKEN},
    "PaymentNotice": {
        "identifier": TOKEN,
        "request": REFERENCE,
        "response": REFERENCE,
        "status": TOKEN,
    },
    "PaymentReconciliation": {"outcome": TOKEN, "status": TOKEN},
    "Subscription": {},
    "SubscriptionTopic": {"status": TOKEN, "url": URI},
    "Task": {"focus": REFERENCE, "identifier": TOKEN, "status": TOKEN},
}
"""Type -> its search parameters beside `_id`; what the CapabilityStatement says."""

TARGETS: dict[str, tuple[str, ...]] = {
    "beneficiary": ("Patient",),
    "focus": ("Claim",),
    "patient": ("Patient",),
    "request": ("Claim", "CoverageEligibilityRequest"),
    "response": ("ClaimResponse",),
    "subject": ("Patient",),
}
"""Reference parameter -> the types that it may lead to here."""
ANSWERED = {"ClaimResponse": "Claim", "CoverageEligibilityResponse": "CoverageEligibilityRequest"}
"""Type -> the only type that its `request` leads to."""

_OF_MAPS = {
    "_id": "id",
    "url": "url",
    "status": "status",
    "source-code": "source-code",
    "target-code": "target-code",
}
_R4_MAPS = _OF_MAPS | {
    name: name for name in ("source", "target", "source-system", "target-system")
}
MAP_PARAMETERS: dict[str, dict[str, str]] = {
    "r4": _R4_MAPS,
    "r4b": _R4_MAPS,
    "r5": _OF_MAPS
    | {
        "source-scope": "source",
        "target-scope": "target",
        "source-group-system": "source-system",
        "target-group-system": "target-system",
    },
}
"""Release -> search parameters of ConceptMap, each with what it is called here."""
MAP_TYPES = {
    "source": REFERENCE,
    "target": REFERENCE,
    "url": URI,
    "source-system": URI,
    "target-system": URI,
}
"""What these are called here -> type; the others are tokens."""

COMMON = {"_id": TOKEN}
ONLY_R5 = frozenset({"SubscriptionTopic"})
"""Types that only R5 has."""
CONTROLS = frozenset({"_format", "_pretty", "_summary", "_elements"})
"""Parameters that say how to answer and not what."""
MAX_VALUES = 50
"""Values of one parameter, and parameters of one search, at most."""

_FAR = 10**9
"""A number of entries that is more than are kept; a larger one says no more."""
_COMMA = re.compile(r"(?<!\\),")


class Search(msgspec.Struct, kw_only=True):
    """A search that can be carried out."""

    type: str
    tokens: dict[str, list[str]]
    stated: list[tuple[str, str]]
    """The parameters that were used, as the client wrote them."""
    count: int
    offset: int
    includes: list[tuple[str, str]] = []
    """Elements whose targets come too, each with the type that is wanted, empty for any."""
    revincludes: list[tuple[str, str]] = []
    """Types that come too where they refer to what is found, each with its search parameter."""


def types_of(release: Release) -> list[str]:
    """The types that can be read and searched at a release."""
    return sorted(name for name in PARAMETERS if release is R5 or name not in ONLY_R5)


def parse_search(
    type_name: str, pairs: Iterable[tuple[str, str]], *, page_size: int, strict: bool
) -> tuple[Search, list[Problem]]:
    """The search of these parameters, and why it cannot be carried out."""
    served = PARAMETERS[type_name] | COMMON
    search = Search(type=type_name, tokens={}, stated=[], count=page_size, offset=0)
    problems: list[Problem] = []
    for name, value in list(pairs)[:MAX_VALUES]:
        if name in {"_count", "_offset"}:
            number = whole_number(value)
            if number is None:
                problems.append(_not_a_number(name))
            elif name == "_count":
                search.count = min(number, page_size)
            else:
                search.offset = number
        elif name in served:
            if served[name] == DATE:
                if span(value) is None:
                    problems.append(_wrong(name, "不是有效的日期", "is no date that is served"))
                search.tokens[name] = [*search.tokens.get(name, []), value]
                search.stated.append((name, value))
                continue
            if name in search.tokens:
                problems.append(_wrong(name, "每个参数只能出现一次", "can be stated once only"))
            search.tokens[name] = _tokens(name, served[name], value)
            search.stated.append((name, value))
        elif name == "_include":
            element = _included(type_name, value)
            if element is not None:
                search.includes.append(element)
                search.stated.append((name, value))
            elif strict:
                problems.append(_wrong(name, "不支持该引用", "the reference is not served"))
        elif name == "_revinclude":
            parts = value.split(":")
            if ":".join(parts[:2]) in revincludes_of(type_name) and parts[2:] in ([], [type_name]):
                search.revincludes.append((parts[0], parts[1]))
                search.stated.append((name, value))
            elif strict:
                problems.append(_wrong(name, "不支持该引用", "the reference is not served"))
        elif name.partition(":")[0] in served:
            problems.append(_wrong(name, "不支持该修饰符", "the modifier is not served"))
        elif strict and name not in CONTROLS:
            problems.append(_wrong(name, "不支持该搜索参数", "the parameter is not served"))
    return search, problems


def whole_number(text: str) -> int | None:
    """A number of entries, 10^9 for any larger one; None for what is no number from 0 on.

    >>> whole_number("20"), whole_number("9" * 5000), whole_number("-1"), whole_number("1e9")
    (20, 1000000000, None, None)
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return min(int(text), _FAR) if len(text) <= 10 else _FAR


def includes_of(type_name: str) -> list[str]:
    """The values of `_include` that are served, without a type of target."""
    parameters = PARAMETERS[type_name]
    return [f"{type_name}:{name}" for name, kind in sorted(parameters.items()) if kind == REFERENCE]


def revincludes_of(type_name: str) -> list[str]:
    """The values of `_revinclude` that are served, without the type that is referred to."""
    return [
        f"{source}:{name}"
        for source, parameters in sorted(PARAMETERS.items())
        for name, kind in sorted(parameters.items())
        if kind == REFERENCE and type_name in _targets(source, name)
    ]


def _targets(source: str, name: str) -> tuple[str, ...]:
    if name == "request" and source in ANSWERED:
        return (ANSWERED[source],)
    return TARGETS[name]


def _included(type_name: str, value: str) -> tuple[str, str] | None:
    """Element and wanted type of an `_include`: `ClaimResponse:request:Claim`."""
    source, _, rest = value.partition(":")
    name, _, kind = rest.partition(":")
    if source != type_name or PARAMETERS[type_name].get(name) != REFERENCE:
        return None
    return ("subject" if (type_name, name) == ("Encounter", "patient") else name), kind


def searchset(
    base: str, search: Search, total: int, resources: Sequence[Resource]
) -> dict[str, Any]:
    """The Bundle of one page, with links to itself and to the pages beside it."""
    links = [("self", search.offset)]
    if search.count and search.offset + search.count < total:
        links.append(("next", search.offset + search.count))
    if search.count and search.offset > 0:
        links.append(("previous", max(0, search.offset - search.count)))
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [
            {"relation": relation, "url": _url(base, search, offset)} for relation, offset in links
        ],
    }
    entries = [
        {
            "fullUrl": f"{base}/{resource.type}/{resource.id}",
            "resource": decode_own(resource.body),
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    if entries:
        bundle["entry"] = entries
    return bundle


def _url(base: str, search: Search, offset: int) -> str:
    pairs = [*search.stated, ("_count", str(search.count))]
    if offset:
        pairs.append(("_offset", str(offset)))
    return f"{base}/{search.type}?{urlencode(pairs)}"


def _tokens(name: str, kind: str, value: str) -> list[str]:
    """What a resource has to have one of."""
    parts = [part.replace("\\,", ",") for part in _COMMA.split(value)[:MAX_VALUES] if part]
    if kind == REFERENCE:
        return [part.partition("/_history/")[0] for part in parts]
    if name == "identifier" or kind in {URI, STRING}:
        return parts
    return [part.rpartition("|")[2] for part in parts]


def _not_a_number(name: str) -> Problem:
    return wrong_value(
        "",
        f"搜索参数 {name}：应为非负整数",
        f"search parameter {name}: a whole number that is not negative is needed",
    )


def _wrong(name: str, zh: str, en: str) -> Problem:
    shown = f" {name}" if re.fullmatch(r"[A-Za-z_:-]{1,40}", name) else ""
    return Problem(
        kind=ProblemKind.UNSUPPORTED_TYPE,
        code=ProblemCode.NOT_SUPPORTED,
        zh=f"搜索参数{shown}：{zh}",
        en=f"search parameter{shown}: {en}",
    )
