"""The composition root: the only place that builds concrete parts and ties them together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple, Self

from gateway.backoffice import BackOffice
from gateway.clock import Clock, SystemClock
from gateway.errors import GatewayError, JournalError
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.stored import NothingAnswered, ResourceReader
from gateway.fsi.channel import Channel
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.late import LateReplies
from gateway.fsi.profiles import load_profile
from gateway.fsi.signin import SignIn
from gateway.fsi.transport import HTTPTransport
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.fhir_audit import AuditEvents
from gateway.inbound.fhir_payments import Payments
from gateway.inbound.hl7_later import LaterMessages
from gateway.inbound.hl7_ports import HL7Ports
from gateway.inbound.http import HTTPServer
from gateway.inbound.http_mounts import all_mounts
from gateway.inbound.national import NationalAdapter
from gateway.inbound.operator_office import office_routes
from gateway.inbound.peers import PeerDirectory
from gateway.inbound.smart_routes import backend_services
from gateway.intents import Answer
from gateway.journal import Journal, open_journal
from gateway.journal.heads import HeadExporter
from gateway.pipeline import Adapter, Pipeline, explain
from gateway.routing import Router
from gateway.settings import PeerSettings, Settings
from gateway.settlement.carrying import Carrier
from gateway.settlement.coding import Coder
from gateway.settlement.conducting import Conductor
from gateway.settlement.deciding import Decider
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.ending import resolution
from gateway.settlement.explaining import Explainer, Explanation
from gateway.settlement.filling import Filler
from gateway.settlement.inputs import Site
from gateway.settlement.preparing import Stations, unwatched
from gateway.settlement.sites import Sites
from gateway.telemetry import Metrics, get_logger
from gateway.watching import Watch
from mappings.codes import CodeBook
from mappings.regions import RegionTable

TAKE_UP_SECONDS = 15.0
"""Seconds between looks for the messages of a gateway that died."""

HEALTH_SECONDS = 0.5
"""Seconds between looks at whether the journal still takes writes."""

DRAIN_SECONDS = 30.0
"""Seconds that messages in work have at a stop."""


def build_sites(settings: Settings, *, stations: Stations = unwatched) -> Sites:
    """The institutions with their profiles, definitions, checks and code tables.

    Raises:
        ConfigurationError: a profile or a code table is wrong.
    """
    profiles = {channel.name: load_profile(channel.profile) for channel in settings.channels}
    tolerance = Decimal(settings.limits.amount_tolerance)
    sites: dict[str, Site] = {}
    shared: dict[str, tuple[Definitions, Filler, Checker]] = {}
    coders: dict[str, Coder] = {}
    for institution in settings.institutions:
        profile = profiles[institution.channel]
        if profile.name not in shared:
            definitions = Definitions.load(profile.edition)
            checker = Checker(definitions, profile, amount_tolerance=tolerance)
            shared[profile.name] = (definitions, Filler(definitions), checker)
        if institution.catalogue not in coders:
            book = CodeBook.load(settings.codes.directories, institution.catalogue)
            coders[institution.catalogue] = Coder(book)
        definitions, filler, checker = shared[profile.name]
        sites[institution.fixmedins_code] = Site(
            institution, profile, definitions, filler, checker, coders[institution.catalogue]
        )
    return Sites(
        sites,
        tolerance=tolerance,
        max_charge_lines=settings.limits.max_charge_lines,
        ahead=timedelta(seconds=settings.limits.fee_time_ahead),
        stations=stations,
    )


class Adapters(NamedTuple):
    """The languages of the gateway."""

    hl7v2: HL7Adapter
    fhir: FHIRAdapter
    fsi: NationalAdapter

    def by_protocol(self) -> dict[str, Adapter]:
        """Protocol name to adapter."""
        every: tuple[Adapter, ...] = (self.hl7v2, self.fhir, self.fsi)
        return {adapter.protocol: adapter for adapter in every}


def build_adapters(settings: Settings, clock: Clock, resources: ResourceReader) -> Adapters:
    """The languages of the gateway; `resources` is what was answered before.

    Raises:
        ConfigurationError: a message map or an overlay is wrong.
    """
    return Adapters(
        HL7Adapter(settings, clock, kept=resources),
        FHIRAdapter(settings, resources, clock.now),
        NationalAdapter(Definitions.load().infnos(), clock),
    )


async def explain_offline(
    settings: Settings,
    protocol: str,
    raw: bytes,
    peer: PeerSettings,
    meta: Mapping[str, str],
    *,
    clock: Clock | None = None,
) -> Explanation:
    """What a gateway of these settings would send for a message; opens nothing, sends nothing.

    Raises:
        ConfigurationError: a setting, profile, map or table is wrong.
        MessageError: the message cannot be read.
    """
    clock = clock or SystemClock()
    adapter = build_adapters(settings, clock, NothingAnswered()).by_protocol()[protocol]
    return await explain(adapter, Explainer(build_sites(settings), clock), raw, peer, meta)


class Gateway:
    """One running gateway.

    `start` opens the journal, repairs what a crash left behind, and opens the ports; `stop`
    finishes what is in work and closes everything.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        """Check everything that can be checked without opening anything.

        Raises:
            ConfigurationError: a setting, profile, map or table is wrong.
        """
        self.settings = settings
        self.metrics = Metrics()
        self._clock = clock or SystemClock()
        self._watch = Watch(get_logger(), self.metrics)
        self._sites = build_sites(settings, stations=self._watch.station)
        self._router = Router(RegionTable.load(settings.regions.files), settings)
        self._journal: Journal | None = None
        self._exporter: HeadExporter | None = None
        self._transport: HTTPTransport | None = None
        self._late = LateReplies(self._watch)
        self._pipeline: Pipeline | None = None
        self._decider: Decider | None = None
        self._office: BackOffice | None = None
        self._later = LaterMessages(settings)
        self._hl7: HL7Ports | None = None
        self._http: HTTPServer | None = None
        self._background: list[asyncio.Task[None]] = []
        self.failed = asyncio.Event()
        """Set when the journal takes no more writes: this process can only be started anew."""

    @property
    def journal(self) -> Journal:
        """The journal of a started gateway."""
        assert self._journal is not None
        return self._journal

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of a started gateway."""
        assert self._pipeline is not None
        return self._pipeline

    @property
    def office(self) -> BackOffice:
        """The work beside the messages of a started gateway."""
        assert self._office is not None
        return self._office

    @property
    def mllp_address(self) -> tuple[str, int]:
        """Host and port of the HL7 v2 port."""
        assert self._hl7 is not None
        return self.settings.mllp.host, self._hl7.port

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port of the HTTP port."""
        assert self._http is not None
        return self._http.address

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the journal and the ports.

        Raises:
            ConfigurationError: a key cannot be read, or a port cannot be listened on.
            JournalError: the journal is in use or damaged.
        """
        settings, clock = self.settings, self._clock
        self._journal = await open_journal(settings.journal, clock=clock)
        try:
            await self._journal.recover()
            await self._open_ports(self._assemble(self._journal))
            self._background.append(asyncio.create_task(self._take_up()))
            self._exporter = HeadExporter(self._journal, settings.audit, clock, self._watch)
            self._background.append(asyncio.create_task(self._exporter.run()))
            self._background.append(asyncio.create_task(self._look_after(self._journal)))
        except BaseException:
            await self.stop()
            raise

    def _assemble(self, journal: Journal) -> Adapters:
        settings, clock, watch = self.settings, self._clock, self._watch
        self._transport = HTTPTransport()
        channels = {
            channel.name: Channel(
                channel, load_profile(channel.profile), self._transport, clock, late=self._late
            )
            for channel in settings.channels
        }
        dispatcher = Dispatcher(
            journal=journal,
            router=self._router,
            channels=channels,
            institutions=settings.institutions,
            clock=clock,
            observer=watch,
        )
        dispatcher.sign_in = SignIn(transact=dispatcher.sign_in_call, store=journal, clock=clock)
        conductor = Conductor(
            sites=self._sites, journal=journal, dispatcher=dispatcher, clock=clock
        )
        carrier = Carrier(
            sites=self._sites,
            journal=journal,
            dispatcher=dispatcher,
            locks=conductor.locks,
            clock=clock,
        )
        adapters = build_adapters(settings, clock, journal)
        payments = partial(Payments, journal, adapters.fhir.names, clock.now)
        adapters.fhir.made["PaymentReconciliation"] = payments
        audit = partial(AuditEvents, journal, adapters.fhir.names, clock.now)
        adapters.fhir.made["AuditEvent"] = audit
        self._pipeline = Pipeline(
            adapters=adapters.by_protocol(),
            journal=journal,
            conductor=conductor,
            carrier=carrier,
            clock=clock,
            watcher=watch,
            max_in_flight=settings.limits.max_messages_in_flight,
        )
        self._office = BackOffice(
            settings=settings,
            sites=self._sites,
            journal=journal,
            dispatcher=dispatcher,
            router=self._router,
            clock=clock,
            watch=watch,
            closed=self._later.closed,
        )
        self._background += self._office.start()
        ending = resolution(
            settings=settings,
            sites=self._sites,
            journal=journal,
            dispatcher=dispatcher,
            conductor=conductor,
            replace=partial(self._pipeline.replace, tell=self._later.resolved),
            clock=clock,
            watcher=watch,
            late=self._late,
            books=self._office.reader if settings.reconciliation.enabled else None,
        )
        self._decider = ending.decider
        self._background.append(asyncio.create_task(ending.resolver.run()))
        return adapters

    async def _open_ports(self, adapters: Adapters) -> None:
        settings, decider = self.settings, self._decider
        assert decider is not None
        self._hl7 = HL7Ports(
            settings,
            self.pipeline,
            adapters.hl7v2,
            self._clock,
            store=self.journal,
            watch=self._watch,
        )
        await self._hl7.start()
        self._later.open(self._hl7, self.journal)
        if settings.http.enabled:
            services = backend_services(settings, self.journal, self._clock)
            mounts = all_mounts(
                settings,
                self.pipeline,
                self._hl7.intake,
                self._hl7.limits,
                self.journal,
                fhir=adapters.fhir,
                hl7v2=adapters.hl7v2,
                decider=decider,
                office=office_routes(self.office),
                services=services,
                clock=self._clock,
                metrics=self.metrics,
            )
            self._http = HTTPServer(
                settings.http,
                PeerDirectory(settings.peers),
                mounts,
                metrics=self.metrics,
                log=get_logger(),
                ready=self._readiness,
                operators=settings.operator.token_sha256,
                tokens=services,
            )
            await self._http.start()

    async def _take_up(self) -> None:
        """Finish what a process that is gone had accepted and not answered, until cancelled."""
        peers = {peer.name: peer for peer in self.settings.peers}
        while True:
            try:
                await self.pipeline.take_up(peers, self._deliver)
            except GatewayError as error:
                self._watch.failed(error)
            await asyncio.sleep(TAKE_UP_SECONDS)

    async def _look_after(self, journal: Journal) -> None:
        """Wait until the journal takes no more writes, which nothing here can repair."""
        while not (failure := journal.health().failure):  # noqa: ASYNC110 - a thread may be the first to know
            await asyncio.sleep(HEALTH_SECONDS)
        self._watch.failed(JournalError(failure))
        self.failed.set()

    async def _deliver(self, protocol: str, peer: PeerSettings, answer: Answer) -> None:
        if protocol == HL7Adapter.protocol and self._hl7 is not None:
            await self._hl7.deliver(peer, answer)

    def _readiness(self) -> Mapping[str, bool]:
        parts = {"journal": False} if self._journal is None else self._journal.health().parts
        return {**parts, "pipeline": self._pipeline is not None}

    async def stop(self) -> None:
        """Take no more messages, finish those in work, close everything."""
        if self._hl7 is not None:
            await self._hl7.stop(DRAIN_SECONDS)
        if self._http is not None:
            await self._http.stop(DRAIN_SECONDS)
        if self._pipeline is not None:
            await self._pipeline.drain()
        for task in self._background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._late.close()
        if self._transport is not None:
            await self._transport.close()
        if self._exporter is not None:
            await self._exporter.export()
        if self._journal is not None:
            await self._journal.close()
        self._hl7 = self._http = self._pipeline = None
        self._transport = self._journal = self._exporter = None
        self._background = []
