"""Every FHIR answer that a server of the tests gives is held to the models of its release.

The answers are looked at where they leave the HTTP port, whatever made them. A model that refuses
one does not change what the client gets: it is told when the test ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model

from gateway.fhir.decode import decode_own
from gateway.fhir.shapes import Shapes
from gateway.inbound.http import HTTPServer

BASE = re.compile(r"/fhir/(r4|r4b|r5)(?:/(?!\.well-known/)|$)")
"""A base of a release; the SMART configuration below it is no resource."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SHAPES = {"r4": Shapes("R4B"), "r4b": Shapes("R4B"), "r5": Shapes("R5")}


def faults(segment: str, status: int, raw: bytes) -> Iterator[str]:
    """What is wrong with the JSON of an answer at the base of a release."""
    tree = json.loads(raw)
    kind = str(tree.get("resourceType"))
    model = r5_model if segment == "r5" else r4_model
    try:
        model(kind).model_validate(tree)
    except (ValueError, KeyError) as error:
        yield str(error)
    for found in SHAPES[segment].check(decode_own(raw), kind):
        yield f"{found.place}: {found.en}"
    if status >= 400:
        yield from _unclear(tree)


def _unclear(tree: dict[str, Any]) -> Iterator[str]:
    """A refusal says what is wrong in Chinese and in English."""
    if tree["resourceType"] not in {"OperationOutcome", "ClaimResponse", "Task"}:
        yield f"a refusal as {tree['resourceType']}"
    for issue in tree.get("issue", []):
        if not CHINESE.search(issue.get("details", {}).get("text", "")):
            yield f"no Chinese text: {issue}"
        if not issue.get("diagnostics", "").strip("-"):
            yield f"no English text: {issue}"


@pytest.fixture(autouse=True)
def fhir_answers_are_valid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at every answer below a FHIR base, and fail the test for one that is not valid."""
    found: list[str] = []
    answered = HTTPServer._answer

    async def answer(server: HTTPServer, request: web.Request, handler: Any) -> Any:
        response = await answered(server, request, handler)
        base = BASE.match(request.path)
        body = response.body if isinstance(response, web.Response) else None
        if base and isinstance(body, bytes) and body and "json" in response.content_type:
            told = faults(base[1], response.status, body)
            found.extend(f"{request.method} {request.path}: {one}" for one in told)
        return response

    monkeypatch.setattr(HTTPServer, "_answer", answer)
    yield
    assert not found, "\n".join(found[:5])
