"""Every FHIR answer that a server of the tests gives is held to the models of its release.

The answers are looked at where they leave the HTTP port, whatever made them: JSON by the models,
XML by its own rules and then by the models. An answer in JSON is also written as XML and has to
read back as the same tree. A model that refuses an answer does not change what the client gets: it
is told when the test ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from gateway.fhir.decode import decode_own, encode
from gateway.fhir.shapes import Shapes
from gateway.fhir.xml import encode_xml
from gateway.inbound.http import HTTPServer
from tests.fhir_paths import points_into
from tests.fhir_xml import model_of, read_xml, same

BASE = re.compile(r"/fhir/(r4|r4b|r5)(?:/(?!\.well-known/)|$)")
"""A base of a release; the SMART configuration below it is no resource."""
FHIR_TYPE = re.compile(r"\b(json|xml)$")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MODELS = {"r4": "R4B", "r4b": "R4B", "r5": "R5"}
SHAPES = {models: Shapes(models) for models in MODELS.values()}
"""Apart from the tables that the product keeps, which a test may not fill."""


def faults(segment: str, status: int, raw: bytes, media_type: str) -> Iterator[str]:
    """What is wrong with an answer at the base of a release."""
    models = MODELS[segment]
    if "xml" in media_type:
        tree, wrong = read_xml(models, raw)
        yield from wrong
    else:
        tree = decode_own(raw)
        yield from _faults_as_xml(models, tree)
    kind = str(tree.get("resourceType"))
    try:
        model_of(models, kind).model_validate(json.loads(encode(tree)))
    except (ValueError, KeyError) as error:
        yield str(error)
    for found in SHAPES[models].check(tree, kind):
        yield f"{found.place}: {found.en}"
    if status >= 400:
        yield from _unclear(tree)


def _faults_as_xml(models: str, tree: dict[str, Any]) -> Iterator[str]:
    """Whether the same answer could have been given in XML."""
    if SHAPES[models].check(tree, str(tree.get("resourceType"))):
        return  # told by the caller
    again, wrong = read_xml(models, encode_xml(tree, SHAPES[models]))
    yield from wrong
    if not same(again, tree):
        yield f"{tree['resourceType']}: XML says something else than JSON"


def _unclear(tree: dict[str, Any]) -> Iterator[str]:
    """A refusal says what is wrong in Chinese and in English."""
    if tree["resourceType"] not in {"OperationOutcome", "ClaimResponse", "Task"}:
        yield f"a refusal as {tree['resourceType']}"
    for issue in tree.get("issue", []):
        if not CHINESE.search(issue.get("details", {}).get("text", "")):
            yield f"no Chinese text: {issue}"
        if not issue.get("diagnostics", "").strip("-"):
            yield f"no English text: {issue}"


def _pointless(
    segment: str, sent: bytes, body: bytes, request: web.Request, response: web.Response
) -> Iterator[str]:
    """The expressions of a refusal that lead to nothing in the resource that was sent."""
    answer = _tree(segment, body, response.content_type)
    asked = _tree(segment, sent, request.content_type)
    if not asked or not answer or answer["resourceType"] != "OperationOutcome":
        return
    for issue in answer["issue"]:
        for one in issue.get("expression", []):
            if not points_into(asked, one):
                yield f"{request.method} {request.path}: {one} leads to nothing: {issue['details']}"


def _tree(segment: str, raw: bytes, media_type: str) -> dict[str, Any]:
    """A body as a tree; empty where it is no resource."""
    try:
        tree = read_xml(MODELS[segment], raw)[0] if "xml" in media_type else json.loads(raw)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) and isinstance(tree.get("resourceType"), str) else {}


@pytest.fixture(autouse=True)
def fhir_answers_are_valid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at every answer below a FHIR base, and fail the test for one that is not valid."""
    found: list[str] = []
    answered = HTTPServer._answer

    async def answer(server: HTTPServer, request: web.Request, handler: Any) -> Any:
        response = await answered(server, request, handler)
        base = BASE.match(request.path)
        body = response.body if isinstance(response, web.Response) else None
        if base and isinstance(body, bytes) and body and FHIR_TYPE.search(response.content_type):
            told = faults(base[1], response.status, body, response.content_type)
            found.extend(f"{request.method} {request.path}: {one}" for one in told)
            sent = request._read_bytes or b""  # as far as the server read it
            found.extend(_pointless(base[1], sent, body, request, response))
        return response

    monkeypatch.setattr(HTTPServer, "_answer", answer)
    yield
    assert not found, "\n".join(found[:5])
