"""FHIR REST: `/fhir/r4`, `/fhir/r4b`, `/fhir/r5` and what lies below them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.errors import MessageError
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.forms import Forms
from gateway.fhir.guide import Guide
from gateway.fhir.release import OTHER_RELEASES, R4, RELEASES, Release
from gateway.inbound.clients import CLIENT
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_asked import HTTPAsked, Work
from gateway.inbound.fhir_guide import canonical_mounts
from gateway.inbound.fhir_interactions import NOBODY, Ask, Handles, Interactions
from gateway.inbound.fhir_jobs import Ledger
from gateway.inbound.fhir_negotiation import preferences, wanted_format
from gateway.inbound.fhir_refusing import refusing_mount
from gateway.inbound.fhir_routes import Tables
from gateway.inbound.fhir_speech import Speech
from gateway.inbound.http_routes import (
    DENIED,
    PEER,
    Handler,
    Mount,
    Permission,
    Refusal,
    Route,
)
from gateway.inbound.scopes import ALL
from gateway.inbound.smart_routes import WELL_KNOWN, configuration


def fhir_mounts(
    pipeline: Handles,
    adapter: FHIRAdapter,
    ledger: Ledger,
    *,
    page_size: int,
    software_version: str,
    token_url: str = "",
    guides: Sequence[Guide] = (),
) -> list[Mount]:
    """The mounts of every release that is served, and of those that are refused.

    `ledger` knows of the questions that are answered later; `token_url` is where a system asks for
    a token, where one does; `guides` is the published guide in every release.
    """
    by_release = {guide.release.segment: guide for guide in guides}
    mounts = [
        fhir_mount(
            pipeline,
            adapter,
            ledger,
            release=release,
            page_size=page_size,
            software_version=software_version,
            token_url=token_url,
            guide=by_release.get(release.segment),
        )
        for release in RELEASES
    ]
    speeches = [Speech(adapter.names, Forms(one.release), adapter.max_depth) for one in guides]
    published = canonical_mounts(guides, speeches, adapter.names) if guides else []
    refusing = [refusing_mount(adapter, segment) for segment in OTHER_RELEASES]
    return [*mounts, *refusing, *published]


def fhir_mount(
    pipeline: Handles,
    adapter: FHIRAdapter,
    ledger: Ledger,
    *,
    page_size: int,
    software_version: str,
    release: Release = R4,
    token_url: str = "",
    guide: Guide | None = None,
) -> Mount:
    """The mount of one FHIR release; `page_size` is the most entries of a search page."""
    speech = Speech(adapter.names, Forms(release), adapter.max_depth)
    interactions = Interactions(pipeline, adapter, speech, page_size, ledger)
    tables = Tables(interactions, speech, software_version, token_url, guide)
    return _Server(speech, tables, token_url).mount()


class _Server:
    """One release: its tables of routes, and what all of them have in common."""

    def __init__(self, speech: Speech, tables: Tables, token_url: str) -> None:
        self._speech = speech
        self._tables = tables
        self._token_url = token_url
        self._release = speech.forms.release
        self._prefix = f"/fhir/{self._release.segment}"

    def mount(self) -> Mount:
        routes = [
            Route(
                method=row.method,
                path=row.path,
                handler=self._handler(row.work),
                permission=row.permission,
                summary=row.summary,
            )
            for row in self._tables.rows()
        ]
        if self._token_url:
            routes.append(
                Route(
                    method="GET",
                    path=WELL_KNOWN,
                    handler=configuration(self._token_url),
                    permission=Permission.ANYONE,
                    summary="Where a system asks for a token.",
                )
            )
        return Mount(
            prefix=self._prefix,
            protocol="fhir",
            routes=tuple(routes),
            refuse=self._speech.refuse,
            scoped=True,
        )

    def _handler(self, work: Work) -> Handler:
        """Everything around the work: what the client takes, and how it is told."""

        async def handler(request: web.Request) -> web.StreamResponse:
            form = wanted_format(request, self._release.mime_version)
            ask = self._ask(request)
            try:
                require(ask.scopes, request.method, self._below(request))
                asked = HTTPAsked(request, self._speech)
                return self._speech.response(await work(asked, ask), form)
            except MessageError as error:
                return self._speech.response(self._speech.refused(error), form)
            except Refusal as refusal:
                told = self._speech.outcome(refusal.status, [refusal.problem])
                response = self._speech.response(told, form)
                response.headers.update(refusal.headers)
                request[DENIED] = refusal.reason
                return response

        return handler

    def _below(self, request: web.Request) -> list[str]:
        """The parts of the path below the base."""
        return [part for part in request.path.removeprefix(self._prefix).split("/") if part]

    def _ask(self, request: web.Request) -> Ask:
        headers = request.headers
        client = request.get(CLIENT)
        return Ask(
            peer=request.get(PEER, NOBODY),
            base=f"{request.scheme}://{request.host}{self._prefix}",
            pairs=list(request.query.items()),
            preferences=preferences(request),
            if_match=headers.get("If-Match"),
            if_none_match=headers.get("If-None-Match", ""),
            if_none_exist=headers.get("If-None-Exist"),
            scopes=client.scopes if client is not None else ALL,
            proof=client.proof.value if client is not None else "",
        )
