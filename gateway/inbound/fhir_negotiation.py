"""Content negotiation of FHIR (https://hl7.org/fhir/R4/http.html#mime-type).

JSON and XML are spoken. `_format` overrides Accept; the `fhirVersion` parameter may repeat the
release of the base path and may not contradict it (X-015 to X-020).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.inbound.http_routes import Refusal, Wish


class Format(StrEnum):
    """The two forms of a resource on the wire."""

    JSON = "json"
    XML = "xml"

    @property
    def media_type(self) -> str:
        """The value of Content-Type."""
        return f"application/fhir+{self.value}; charset=utf-8"


TYPES: Mapping[str, Format] = {
    "application/fhir+json": Format.JSON,
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "application/fhir+xml": Format.XML,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
}
ANY_TYPES = frozenset({"*/*", "application/*", "text/*"})
"""Ranges for which JSON is taken."""
FORMATS: Mapping[str, Format] = {
    **TYPES,
    "json": Format.JSON,
    "application/fhir json": Format.JSON,
    "xml": Format.XML,
    "application/fhir xml": Format.XML,
}
"""Values of `_format`; an unescaped `+` arrives as a blank."""


def wanted_format(request: web.Request, version: str) -> Format:
    """The form in which this client takes an answer, by `_format`, else by Accept.

    Raises:
        Refusal: 406, it takes nothing of what is spoken.
    """
    accept = request.headers.getall("Accept", [])
    return _chosen(request.query.get("_format"), ", ".join(accept), version)


def refusal_format(wish: Wish, version: str) -> Format:
    """The form for a refusal: the wanted one, and JSON for a client that takes none of ours."""
    pairs = dict(parse_qsl(wish.target.partition("?")[2]))
    try:
        return _chosen(pairs.get("_format"), wish.accept, version)
    except Refusal:
        return Format.JSON


def _chosen(asked: str | None, accept: str, version: str) -> Format:
    if asked is not None:
        kind, parameters = _parsed(asked)
        found = FORMATS.get(kind)
        if found is None or parameters.get("fhirversion", version) != version:
            raise Refusal(406, _problem("只支持JSON和XML格式", "Only JSON and XML are offered"))
        return found
    best: tuple[float, Format] | None = None
    for part in (accept or "*/*").split(","):
        kind, parameters = _parsed(part)
        weight = _weight(parameters.get("q", "1"))
        form = TYPES.get(kind) or (Format.JSON if kind in ANY_TYPES else None)
        if form is None or not weight or parameters.get("fhirversion", version) != version:
            continue
        if best is None or weight > best[0]:
            best = weight, form
    if best is None:
        raise Refusal(
            406,
            _problem(
                "只支持本版本的JSON和XML格式", "Only JSON and XML of this FHIR release are offered"
            ),
        )
    return best[1]


def content_format(request: web.Request, version: str) -> Format:
    """The form of the body.

    Raises:
        Refusal: 415, it is not JSON or XML of this release in UTF-8.
    """
    kind, parameters = _parsed(request.headers.get("Content-Type", ""))
    found = TYPES.get(kind)
    if found is None:
        raise Refusal(
            415,
            _problem(
                "内容必须是application/fhir+json或application/fhir+xml",
                "The body has to be JSON or XML",
            ),
        )
    if parameters.get("charset", "utf-8").lower() != "utf-8":
        raise Refusal(415, _problem("字符集必须是UTF-8", "The charset has to be UTF-8"))
    if parameters.get("fhirversion", version) != version:
        raise Refusal(
            415, _problem("内容的FHIR版本与地址不符", "The fhirVersion is not that of the path")
        )
    return found


def preferences(request: web.Request) -> dict[str, str]:
    """The Prefer header: `return`, `handling`, `respond-async`."""
    found: dict[str, str] = {}
    for part in ",".join(request.headers.getall("Prefer", [])).replace(";", ",").split(","):
        name, _, value = part.partition("=")
        if name.strip():
            found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return found


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    kind, *rest = text.split(";")
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return kind.strip().lower(), parameters


def _problem(zh: str, en: str) -> Problem:
    return Problem(kind=ProblemKind.UNSUPPORTED_TYPE, code=ProblemCode.NOT_SUPPORTED, zh=zh, en=en)
