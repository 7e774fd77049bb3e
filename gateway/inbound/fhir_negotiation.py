"""Content negotiation of FHIR (https://hl7.org/fhir/R4/http.html#mime-type).

Only JSON is spoken. `_format` overrides Accept; the `fhirVersion` parameter may repeat the release
of the base path and may not contradict it (X-015 to X-020).
"""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.inbound.http_routes import Refusal

JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json"})
ANY_TYPES = frozenset({"*/*", "application/*", "text/*"})
FORMATS = JSON_TYPES | {"json", "application/fhir json"}
"""Values of `_format`; an unescaped `+` arrives as a blank."""


def check_accept(request: web.Request, version: str) -> None:
    """Refuse a client that takes nothing of what is spoken.

    Raises:
        Refusal: 406.
    """
    asked = request.query.get("_format")
    if asked is not None:
        if asked.partition(";")[0].strip() not in FORMATS:
            raise Refusal(406, _problem("只支持JSON格式", "Only JSON is offered"))
        return
    ranges = ", ".join(request.headers.getall("Accept", [])) or "*/*"
    if not any(_takes(part, version) for part in ranges.split(",")):
        raise Refusal(
            406, _problem("只支持本版本的JSON格式", "Only JSON of this FHIR release is offered")
        )


def check_content_type(request: web.Request, version: str) -> None:
    """Refuse a body that is not JSON of this release in UTF-8.

    Raises:
        Refusal: 415.
    """
    kind, parameters = _parsed(request.headers.get("Content-Type", ""))
    if kind not in JSON_TYPES:
        raise Refusal(415, _problem("内容必须是application/fhir+json", "The body has to be JSON"))
    if parameters.get("charset", "utf-8").lower() != "utf-8":
        raise Refusal(415, _problem("字符集必须是UTF-8", "The charset has to be UTF-8"))
    if parameters.get("fhirversion", version) != version:
        raise Refusal(
            415, _problem("内容的FHIR版本与地址不符", "The fhirVersion is not that of the path")
        )


def preferences(request: web.Request) -> dict[str, str]:
    """The Prefer header: `return`, `handling`, `respond-async`."""
    found: dict[str, str] = {}
    for part in ",".join(request.headers.getall("Prefer", [])).replace(";", ",").split(","):
        name, _, value = part.partition("=")
        if name.strip():
            found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return found


def _takes(media_range: str, version: str) -> bool:
    kind, parameters = _parsed(media_range)
    return (
        kind in JSON_TYPES | ANY_TYPES
        and parameters.get("q", "1").strip("0.") != ""
        and parameters.get("fhirversion", version) == version
    )


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    kind, *rest = text.split(";")
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return kind.strip().lower(), parameters


def _problem(zh: str, en: str) -> Problem:
    return Problem(kind=ProblemKind.UNSUPPORTED_TYPE, code=ProblemCode.NOT_SUPPORTED, zh=zh, en=en)
