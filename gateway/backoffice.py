"""The gateway's own work beside the messages: what is built for it, and what runs by itself."""

from __future__ import annotations

import asyncio
from datetime import date
from functools import partial

from gateway.clock import Clock
from gateway.errors import InvalidError
from gateway.fhir.names import Names
from gateway.fsi.files.transfer import PATIENCE, Patience
from gateway.fsi.profiles import Profile
from gateway.inbound.fhir_hooks import Hooks
from gateway.inbound.fhir_notifier import Notifier
from gateway.journal import Journal
from gateway.journal.stamps import new_id
from gateway.routing import Router
from gateway.settings import InstitutionSettings, Settings
from gateway.settlement.clearing.running import Clearing
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.inputs import Site
from gateway.settlement.lines import JournalLine
from gateway.settlement.listing.composing import Habits
from gateway.settlement.listing.running import SettlementLists
from gateway.settlement.reconciling import Reconciler
from gateway.settlement.reconciling.own import Own
from gateway.settlement.reconciling.reading import CentreReader
from gateway.settlement.reconciling.scheduling import Closed, Schedule
from gateway.settlement.sites import Sites
from gateway.watching import Watch
from mappings.codes import CodeBook

ONLY = "only"
"""The name of a process that has its journal for itself."""


class BackOffice:
    """Reconciliation, clearing and settlement lists of every institution; notifications."""

    def __init__(
        self,
        *,
        settings: Settings,
        sites: Sites,
        journal: Journal,
        dispatcher: Dispatcher,
        router: Router,
        clock: Clock,
        watch: Watch,
        closed: Closed,
        patience: Patience = PATIENCE,
    ) -> None:
        self._settings = settings
        self._books: dict[str, CodeBook] = {}
        self.lines = {
            institution.fixmedins_code: JournalLine(
                institution, dispatcher=dispatcher, journal=journal, clock=clock
            )
            for institution in settings.institutions
        }
        # Nobody else can have a journal in a file: what a dead process held is ours at once.
        node = new_id() if settings.journal.dsn_file else ONLY
        self._notifier = _notifier_of(settings, journal, clock, watch, node)
        self.clearing: dict[str, Clearing] = {}
        self.lists: dict[str, SettlementLists] = {}
        reconcilers = {}
        for code, line in self.lines.items():
            site = sites.get(code)
            assert site is not None
            reconcilers[code] = Reconciler(
                line=line,
                place=site,
                journal=journal,
                folder=settings.reconciliation.folder / code,
                clock=clock,
                patience=patience,
            )
            abroad = partial(
                _pool_abroad, router, site.institution, settings.clearing.cross_province
            )
            self.clearing[code] = Clearing(
                line=line,
                checker=site.checker,
                journal=journal,
                clock=clock,
                pool_of=abroad,
                node=node,
                account_counts=settings.clearing.account_in_payment,
            )
            self.lists[code] = self._lists_of(site, line, journal, clock)
        self.schedule = Schedule(
            settings=settings.reconciliation,
            reconcilers=reconcilers,
            journal=journal,
            clock=clock,
            watcher=watch,
            node=node,
            closed=closed,
        )
        self.reader = CentreReader(
            reconcilers=reconcilers, kinds=self.schedule, journal=journal, clock=clock
        )

    def _lists_of(
        self, site: Site, line: JournalLine, journal: Journal, clock: Clock
    ) -> SettlementLists:
        settings = self._settings.settlement_list
        return SettlementLists(
            line=line,
            place=site,
            codes=partial(self._codes, site.institution.catalogue),
            journal=journal,
            clock=clock,
            infno=settings.infno,
            habits=Habits(
                additions=settings.additions,
                intensive_care=settings.intensive_care,
                nursing=settings.nursing,
                ventilation=settings.ventilation,
            ),
            med_types=_med_types_of_stays(site.profile),
        )

    def _codes(self, catalogue: str) -> CodeBook:
        """The code tables of a catalogue, read when they are first asked for."""
        if catalogue not in self._books:
            self._books[catalogue] = CodeBook.load(self._settings.codes.directories, catalogue)
        return self._books[catalogue]

    def start(self) -> list[asyncio.Task[None]]:
        """What runs by itself, as far as the settings ask for it."""
        tasks = [asyncio.create_task(self._notifying(), name="subscriptions")]
        if self._settings.reconciliation.enabled:
            tasks.append(asyncio.create_task(self.schedule.run(), name="reconciliation"))
        return tasks

    async def _notifying(self) -> None:
        """Tell FHIR subscribers until cancelled."""
        hooks = Hooks()
        try:
            await self._notifier(send=hooks).run()
        finally:
            await hooks.close()


def _notifier_of(
    settings: Settings, journal: Journal, clock: Clock, watch: Watch, node: str
) -> partial[Notifier]:
    """Makes the notifier of FHIR subscribers, once there is something to send with."""
    return partial(
        Notifier,
        settings=settings.subscriptions,
        peers={peer.name: peer for peer in settings.peers},
        names=Names(settings.fhir.canonical_base),
        journal=journal,
        clock=clock,
        watcher=watch,
        node=node,
    )


def _med_types_of_stays(profile: Profile) -> str:
    """The medical categories of stays, as 4105 takes them."""
    kinds = ("inpatient", "maternity")
    return ",".join(profile.med_types[kind] for kind in kinds if kind in profile.med_types)


def _pool_abroad(
    router: Router,
    institution: InstitutionSettings,
    cross_province: bool,  # noqa: FBT001 - a setting, bound once
    own: Own,
) -> str:
    """The insured pooling region of a settlement that is cleared as out-of-area; "" for others."""
    try:
        route = router.route(
            own.insuplc_admdvs,
            institution,
            insutype=own.insutype,
            on=date.fromisoformat(own.setl_time[:10]),
        )
    except InvalidError:
        return ""  # an empty region was sent as local
    expected = {"in-province", "cross-province"} if cross_province else {"in-province"}
    return route.pooling_region if route.route_class in expected else ""
