"""The OpenAPI document of a gateway with every port route, for the documentation."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.app import build_adapters
from gateway.clock import SystemClock
from gateway.fhir.stored import NothingAnswered
from gateway.inbound.http import HTTPServer
from gateway.inbound.http_mounts import all_mounts
from gateway.inbound.operator_office import office_routes
from gateway.inbound.peers import PeerDirectory
from gateway.inbound.smart import BackendServices
from gateway.settings import Settings
from gateway.telemetry import Metrics, get_logger

SETTINGS = Settings.model_validate(
    {
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "-",
                "mdtrtarea_admvs": "430100",
                "channel": "-",
            }
        ],
        "channels": [{"name": "-", "url": "http://127.0.0.1:1"}],
        "peers": [{"name": "-", "institutions": ["H43010000001"]}],
    }
)


class Nobody:
    """Stands for everything behind the routes, which nobody calls here."""

    def __getattr__(self, name: str) -> Any:
        return self


def documented_server() -> HTTPServer:
    """A port with every route, which is never opened."""
    nothing: Any = Nobody()
    clock, metrics = SystemClock(), Metrics()
    adapters = build_adapters(SETTINGS, clock, NothingAnswered())
    services = BackendServices(
        [], nothing, clock, audience="https://gateway.example/oauth/token", seconds=300
    )
    mounts = all_mounts(
        SETTINGS,
        nothing,
        nothing,
        nothing,
        nothing,
        fhir=adapters.fhir,
        hl7v2=adapters.hl7v2,
        decider=nothing,
        office=office_routes(nothing),
        services=services,
        clock=clock,
        metrics=metrics,
    )
    peers = PeerDirectory(SETTINGS.peers)
    return HTTPServer(SETTINGS.http, peers, mounts, metrics=metrics, log=get_logger())


def openapi_json() -> str:
    """The document."""
    document = documented_server().document()
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"
