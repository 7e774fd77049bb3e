"""Subscriptions: what a client wants to hear of, and whether it may be told there.

R4 and R4B name it by `criteria` and a `rest-hook` channel; R5 by a topic of ours and `filterBy`.
Sources: https://hl7.org/fhir/R4/subscription.html, https://hl7.org/fhir/R5/subscription.html.

An endpoint is taken only at an origin that the settings list for the peer: nobody can make the
gateway speak to any other host, and none means that there are no subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gateway.errors import Problem, ProblemCode
from gateway.fhir import problems
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.fhir.search import PARAMETERS, parse_search
from gateway.fhir.stored import has_tokens
from gateway.intents import Resource

REST_HOOK = "rest-hook"
EMPTY, ID_ONLY, FULL = "empty", "id-only", "full-resource"
REQUESTED, ACTIVE, ERROR, OFF = "requested", "active", "error", "off"

TOPICS = {
    "claim-response": "ClaimResponse",
    "coverage": "Coverage",
    "coverage-eligibility-response": "CoverageEligibilityResponse",
    "encounter": "Encounter",
    "task": "Task",
}
"""Topic (last part of its URL) -> the type whose creation and change it is about."""
NOTIFIED_TYPES = frozenset(TOPICS.values())

MAX_SUBSCRIPTIONS = 50
"""Subscriptions of one peer at most."""
MAX_HEADERS = 10
MAX_EVENTS = 100
"""Events of one notification at most."""
DEFAULT_EVENTS = 20
RESERVED_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding"}
)
_MIMES = {
    "": "",
    "application/fhir+json": "application/fhir+json",
    "application/json": "application/fhir+json",
    "application/fhir+xml": "application/fhir+xml",
    "application/xml": "application/fhir+xml",
}


class Wish(msgspec.Struct, kw_only=True):
    """A subscription in the words of none of the releases."""

    type_name: str = ""
    """The type that it is about."""
    tokens: dict[str, list[str]] = {}
    """What a resource has to have one of, as a search by the same parameters."""
    endpoint: str = ""
    headers: list[tuple[str, str]] = []
    mime: str = ""
    """Form of what is sent; empty in R4 for a notification without content."""
    content: str = FULL
    topic: str = ""
    """R5: canonical URL of the topic."""
    heartbeat: int = 0
    """R5: seconds of silence after which a heartbeat is sent; 0 for none."""
    timeout: int = 0
    """R5: seconds that the client wants an attempt to last at most; 0 leaves it to us."""
    most: int = 1
    """Events of one notification at most."""

    def wants(self, resource: Resource) -> bool:
        """True for a resource that a search by the criteria would find."""
        return has_tokens(resource, self.tokens)


def topic_url(names: Names, slug: str) -> str:
    """The canonical URL of a topic."""
    return f"{names.base}/SubscriptionTopic/{slug}"


def read_wish(
    names: Names, resource: dict[str, Any], origins: Iterable[str]
) -> tuple[Wish, list[Problem]]:
    """What a Subscription asks for, and everything for which it cannot be had."""
    wish = Wish()
    found = _read_r5(names, resource, wish) if "topic" in resource else _read_r4(resource, wish)
    place = "Subscription.endpoint" if "topic" in resource else "Subscription.channel.endpoint"
    if not wish.endpoint:
        found.append(problems.required(place, "缺少通知地址", "the endpoint is missing"))
    elif origin_of(wish.endpoint) not in {origin_of(one) for one in origins}:
        found.append(
            problems.not_supported(
                place,
                "通知地址不在该发送方允许的来源之内（设置 [[peers]] subscription_origins）",
                "the endpoint is at no origin that is allowed for this peer "
                "([[peers]] subscription_origins)",
            )
        )
    if resource.get("status") not in {REQUESTED, ACTIVE, OFF}:
        found.append(
            problems.wrong_value(
                "Subscription.status", "状态应为requested或off", "status has to be requested or off"
            )
        )
    return wish, found


def origin_of(url: str) -> str:
    """Scheme, host and port of an address; empty when it is none that is notified.

    >>> origin_of("HTTPS://His.example:443/hook?x=1"), origin_of("https://u:p@his.example/")
    ('https://his.example:443', '')
    >>> origin_of("file:///etc/passwd"), origin_of("http://127.0.0.1:8000/")
    ('', 'http://127.0.0.1:8000')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if scheme not in {"http", "https"} or not host or "@" in parts.netloc or not plain:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port or (443 if scheme == 'https' else 80)}"


def _read_r4(resource: dict[str, Any], wish: Wish) -> list[Problem]:
    found: list[Problem] = []
    type_name, _, query = str(resource.get("criteria", "")).partition("?")
    channel = resource.get("channel", {})
    _read_criteria(type_name, parse_qsl(query, keep_blank_values=True), wish, found, "criteria")
    if channel.get("type") != REST_HOOK:
        found.append(_only_rest_hook("Subscription.channel.type"))
    wish.endpoint = str(channel.get("endpoint", ""))
    _read_mime(channel.get("payload", ""), wish, found, "Subscription.channel.payload")
    wish.content = FULL if wish.mime else EMPTY
    rows = [str(row).partition(":") for row in as_list(channel.get("header"))]
    _read_headers([(n, v.strip()) for n, _, v in rows], wish, found, "Subscription.channel.header")
    return found


def _read_r5(names: Names, resource: dict[str, Any], wish: Wish) -> list[Problem]:
    found: list[Problem] = []
    wish.topic = str(resource["topic"]).partition("|")[0]
    base, _, slug = wish.topic.rpartition("/")
    if slug not in TOPICS or f"{base}/{slug}" != topic_url(names, slug):
        found.append(
            problems.not_found(
                "Subscription.topic",
                ProblemCode.NOT_FOUND,
                "没有这个主题，见SubscriptionTopic",
                "there is no such topic: see SubscriptionTopic",
            )
        )
        return found
    pairs = []
    for index, row in enumerate(as_list(resource.get("filterBy"))):
        place = f"Subscription.filterBy[{index}]"
        pairs.append((str(row.get("filterParameter", "")), str(row.get("value", ""))))
        if row.get("comparator", "eq") != "eq" or "modifier" in row:
            found.append(
                problems.not_supported(place, "只支持相等的条件", "only equality is served")
            )
        if row.get("resourceType", TOPICS[slug]).rpartition("/")[2] != TOPICS[slug]:
            found.append(
                problems.wrong_value(
                    f"{place}.resourceType", "与主题的资源类型不符", "not the type of the topic"
                )
            )
    _read_criteria(TOPICS[slug], pairs, wish, found, "filterBy")
    if resource.get("channelType", {}).get("code") != REST_HOOK:
        found.append(_only_rest_hook("Subscription.channelType"))
    wish.endpoint = str(resource.get("endpoint", ""))
    stated = resource.get("contentType", "application/fhir+json")
    _read_mime(stated, wish, found, "Subscription.contentType")
    wish.content = str(resource.get("content", EMPTY))
    rows = [(str(r.get("name")), str(r.get("value"))) for r in as_list(resource.get("parameter"))]
    _read_headers(rows, wish, found, "Subscription.parameter")
    wish.heartbeat = int(resource.get("heartbeatPeriod", 0))
    wish.timeout = int(resource.get("timeout", 0))
    wish.most = min(int(resource.get("maxCount", DEFAULT_EVENTS)), MAX_EVENTS)
    return found


def _read_criteria(
    type_name: str,
    pairs: list[tuple[str, str]],
    wish: Wish,
    found: list[Problem],
    element: str,
) -> None:
    place = f"Subscription.{element}"
    if type_name not in NOTIFIED_TYPES or type_name not in PARAMETERS:
        served = "、".join(sorted(NOTIFIED_TYPES))
        found.append(
            problems.not_supported(
                place, f"只支持：{served}", f"served are: {', '.join(sorted(NOTIFIED_TYPES))}"
            )
        )
        return
    search, refused = parse_search(type_name, pairs, page_size=1, strict=True)
    wish.type_name, wish.tokens = type_name, search.tokens
    found += [problem.at(place) for problem in refused]


def _read_mime(stated: Any, wish: Wish, found: list[Problem], place: str) -> None:
    mime = _MIMES.get(str(stated).partition(";")[0].strip())
    if mime is None:
        found.append(
            problems.not_supported(place, "只支持FHIR的JSON或XML", "only FHIR JSON or XML")
        )
    wish.mime = mime or ""


def _read_headers(
    rows: list[tuple[str, str]], wish: Wish, found: list[Problem], place: str
) -> None:
    fine = len(rows) <= MAX_HEADERS and all(
        name.replace("-", "").isalnum()
        and name.isascii()
        and name.lower() not in RESERVED_HEADERS
        and value.isascii()
        and value.isprintable()
        for name, value in rows
    )
    if not fine:
        found.append(
            problems.wrong_value(
                place, "请求头无效或不允许", "a header that is not valid, or not allowed"
            )
        )
    wish.headers = rows if fine else []


def _only_rest_hook(place: str) -> Problem:
    return problems.not_supported(place, "只支持rest-hook", "only rest-hook is served")


def topic(names: Names, slug: str) -> dict[str, Any]:
    """The SubscriptionTopic (R5) of a type."""
    type_name = TOPICS[slug]
    definition = f"http://hl7.org/fhir/StructureDefinition/{type_name}"
    return {
        "resourceType": "SubscriptionTopic",
        "id": slug,
        "url": topic_url(names, slug),
        "version": "1",
        "name": f"{type_name}Changes",
        "title": f"{type_name} created or changed",
        "status": "active",
        "description": f"A {type_name} of the subscriber was made, or a later answer changed it.",
        "resourceTrigger": [
            {
                "description": f"A {type_name} is created or updated.",
                "resource": definition,
                "supportedInteraction": ["create", "update"],
            }
        ],
        "canFilterBy": [
            {"resource": type_name, "filterParameter": name, "comparator": ["eq"]}
            for name in sorted(PARAMETERS[type_name])
        ],
        "notificationShape": [{"resource": definition}],
    }
