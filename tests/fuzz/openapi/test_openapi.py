"""Requests made from the OpenAPI document: each is answered as the document says, never by a fault.

A few examples of every operation here; `SCHEMATHESIS_EXAMPLES=100` in the environment makes more.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from certs.clients import make_client_pair
from gateway.app import Gateway
from gateway.cli.openapi_page import documented_server
from gateway.settings import Settings

TOKEN, OPERATOR = "t-7f3a9b2c4d5e6f708192", "t-0a1b2c3d4e5f"
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "2"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
DOCUMENT = documented_server().document()
SAME = ("/fhir/r4b/",)
"""Bases whose routes are those of another, and which are left out here."""


schemathesis.serializer.alias(["application/hl7-v2", "application/hl7-v2+xml"], "text/plain")


@cache
def operations() -> dict[str, Any]:
    """The operations of the document, by method and path."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = (result.ok() for result in schema.get_all_operations())
    return {one.label: one for one in found if not one.path.startswith(SAME)}


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A gateway without a platform on a thread of its own; its base URL."""
    made = Settings.model_validate(
        {
            "mllp": {"enabled": False},
            "http": {"port": 0, "public_url": "https://gateway.example"},
            "journal": {"path": folder / "journal.db"},
            "operator": {"token_sha256": [hashlib.sha256(OPERATOR.encode()).hexdigest()]},
            "institutions": [
                {
                    "fixmedins_code": "H43010000001",
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": "bureau",
                }
            ],
            "channels": [{"name": "bureau", "url": "http://127.0.0.1:1/"}],
            "peers": [
                {
                    "name": "his",
                    "institutions": ["H43010000001"],
                    "token_sha256": [hashlib.sha256(TOKEN.encode()).hexdigest()],
                },
                {
                    "name": "app",
                    "institutions": ["H43010000001"],
                    "jwks_file": make_client_pair(folder, "app").public,
                },
            ],
        }
    )
    loop, gateway = asyncio.new_event_loop(), Gateway(made)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(gateway.start(), loop).result(60)
        host, port = gateway.http_address
        yield f"http://{host}:{port}"
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a gateway that all operations are asked of."""
    with running(tmp_path_factory.mktemp("gateway")) as url:
        yield url


def test_the_document_names_every_route_and_no_other() -> None:
    """Method and path of each route of the port."""
    routes = {(route.method.lower(), route.path) for route in documented_server().all_routes()}
    named = {(method, path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert named == routes


def test_a_route_without_security_is_one_that_anyone_may_use() -> None:
    """The permission of each route is what the document says of it."""
    for route in documented_server().all_routes():
        said = DOCUMENT["paths"][route.path][route.method.lower()]["security"]
        wanted = {"anyone": [], "local": [{}, {"peer": []}]}
        assert said == wanted.get(route.permission.value, [{route.permission.value: []}])


@pytest.mark.parametrize("label", sorted(operations()))
def test_an_operation_answers_as_the_document_says(label: str, port: str) -> None:
    """Status, content type and schema of the answer; no fault of ours."""
    operation = operations()[label]
    statuses: list[int] = []
    token = OPERATOR if operation.path.startswith("/operator") else TOKEN

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=port, headers={"Authorization": f"Bearer {token}"})
        statuses.append(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    ask()
    assert statuses, "nothing was asked"
    assert max(statuses) < 500
