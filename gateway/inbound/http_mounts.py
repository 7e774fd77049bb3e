"""Every protocol of the HTTP port, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway import __version__
from gateway.clock import Clock
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.guide import Guide
from gateway.fhir.names import Names
from gateway.fhir.release import RELEASES
from gateway.fsi.definitions import Definitions
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.fhir import fhir_mounts
from gateway.inbound.fhir_interactions import Handles
from gateway.inbound.fhir_jobs import Ledger
from gateway.inbound.hl7_http import hl7_mount
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.http_routes import Mount, Route
from gateway.inbound.mllp_exchange import Pipeline
from gateway.inbound.national_routes import national_mount
from gateway.inbound.operator import Decides, operator_mount
from gateway.inbound.smart import BackendServices
from gateway.inbound.smart_routes import smart_mounts
from gateway.settings import Settings
from gateway.telemetry import Metrics, get_logger


def all_mounts(
    settings: Settings,
    pipeline: Handles,
    intake: Pipeline[Any],
    limits: Limits,
    ledger: Ledger,
    *,
    fhir: FHIRAdapter,
    hl7v2: HL7Adapter,
    decider: Decides,
    office: Sequence[Route],
    services: BackendServices | None,
    clock: Clock,
    metrics: Metrics,
) -> list[Mount]:
    """The mounts of a port: FHIR, HL7 v2 and national JSON, access tokens, operators.

    `intake` takes HL7 v2 within the `limits` of its peers, `pipeline` everything else; `office` are
    the operators' routes to the gateway's own work, and `services` gives access tokens out where
    somebody asks for them.
    """
    return [
        *fhir_mounts(
            pipeline,
            fhir,
            ledger,
            page_size=settings.fhir.page_size,
            software_version=__version__,
            token_url=services.audience if services is not None else "",
            guides=published_guides(settings),
        ),
        hl7_mount(intake, hl7v2, limits),
        national_mount(pipeline, clock),
        *smart_mounts(services, metrics, get_logger()),
        operator_mount(decider, office),
    ]


def published_guides(settings: Settings) -> list[Guide]:
    """The published guide in every FHIR release."""
    definitions = Definitions.load()
    dictionaries = {name: definitions.dictionary(name) for name in definitions.dictionaries()}
    names, max_items = Names(settings.fhir.canonical_base), settings.fhir.max_items
    return [
        Guide(names, release, dictionaries, version=__version__, max_items=max_items)
        for release in RELEASES
    ]
