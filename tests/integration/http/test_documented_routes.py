"""Every route that a gateway offers stands in docs/reference/routes.md."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.app import build_adapters
from gateway.backoffice import BackOffice
from gateway.clock import SystemClock
from gateway.fhir.forms import Forms
from gateway.fhir.guide import GUIDE_TYPES
from gateway.fhir.release import R4
from gateway.fhir.stored import NothingAnswered
from gateway.inbound.fhir import fhir_mount
from gateway.inbound.fhir_guide import canonical_mounts
from gateway.inbound.fhir_jobs import Ledger
from gateway.inbound.fhir_speech import Speech
from gateway.inbound.hl7_http import hl7_mount
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.http import HTTPServer
from gateway.inbound.http_mounts import published_guides
from gateway.inbound.http_routes import Permission, Route
from gateway.inbound.national_routes import national_mount
from gateway.inbound.operator import operator_mount
from gateway.inbound.operator_office import office_routes
from gateway.inbound.peers import PeerDirectory
from gateway.inbound.smart import BackendServices
from gateway.inbound.smart_routes import smart_mount
from gateway.settings import Settings
from gateway.settlement.deciding import Decider
from gateway.telemetry import Metrics, get_logger

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "routes.md"
TYPES = (
    "AuditEvent",
    "Claim",
    "ClaimResponse",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Encounter",
    "Organization",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Subscription",
    "Task",
)

SETTINGS = Settings.model_validate(
    {
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "changsha",
            }
        ],
        "channels": [{"name": "changsha", "url": "http://127.0.0.1:1"}],
        "peers": [{"name": "HIS", "institutions": ["H43010000001"]}],
    }
)


@pytest.fixture
def routes(port: Any) -> list[Route]:
    """The routes of a port with every protocol."""
    clock = SystemClock()
    adapters = build_adapters(SETTINGS, clock, NothingAnswered())
    guides, names = published_guides(SETTINGS), adapters.fhir.names
    mounts = [
        fhir_mount(
            port.pipeline,
            adapters.fhir,
            cast("Ledger", None),
            page_size=50,
            software_version="1",
            token_url="https://gateway.example/oauth/token",
            guide=guides[0],
        ),
        *canonical_mounts(guides[:1], [Speech(names, Forms(R4), 32)], names),
        hl7_mount(port.pipeline, adapters.hl7v2, Limits([], SystemClock())),
        national_mount(port.pipeline, clock),
        operator_mount(
            cast("Decider", None),
            office_routes(
                cast("BackOffice", SimpleNamespace(schedule=None, clearing={}, lists={}))
            ),
        ),
        smart_mount(cast("BackendServices", None), Metrics(), get_logger()),
    ]
    peers = PeerDirectory(SETTINGS.peers)
    server = HTTPServer(SETTINGS.http, peers, mounts, metrics=Metrics(), log=get_logger())
    return server.all_routes()


def test_every_route_is_documented(routes: list[Route]) -> None:
    """Method and path of each route, of the FHIR types by their common template."""
    documented = {
        (method, path)
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ") and "`/" in line
        for method in line.split("|")[1].split(",")
        for path in _spelled_out(line.split("`")[1])
        for method in [method.strip()]
    }
    assert {(route.method, route.path) for route in routes} == documented


def test_only_what_says_nothing_of_patients_needs_no_proof(routes: list[Route]) -> None:
    """Everything else is refused by default; a new open route has to be added here."""
    tokens = (Permission.PEER, Permission.OPERATOR)
    without = {(route.method, route.path) for route in routes if route.permission not in tokens}
    guide = {
        (method, f"{base}/{name}{rest}")
        for method in ("GET", "HEAD")
        for base in ("/fhir", "/fhir/r4")
        for name in GUIDE_TYPES
        for rest in ("", "/{id}")
    }
    expand = ("/fhir/r4/ValueSet/$expand", "/fhir/r4/ValueSet/{id}/$expand")
    guide |= {(method, path) for method in ("GET", "POST") for path in expand}
    assert without - guide == {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/fhir/r4/metadata"),
        ("HEAD", "/fhir/r4/metadata"),
        ("GET", "/fhir/r4/.well-known/smart-configuration"),
        ("POST", "/oauth/token"),
    }


def _spelled_out(path: str) -> list[str]:
    if "/GUIDE" in path:
        return [path.replace("/GUIDE", f"/{name}") for name in GUIDE_TYPES]
    if "/TYPE" not in path:
        return [path]
    return [path.replace("/TYPE", f"/{name}") for name in TYPES]


def test_only_deciding_needs_an_operator(routes: list[Route]) -> None:
    """An operator's token opens nothing that a peer's opens, and the other way round."""
    paths = {route.path for route in routes if route.permission is Permission.OPERATOR}
    assert paths == {
        "/operator/unknown",
        "/operator/unknown/{msgid}",
        "/operator/reconciliations",
        "/operator/clearing",
        "/operator/settlement-lists",
    }
