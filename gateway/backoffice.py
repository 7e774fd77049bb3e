"""The gateway's own work beside the messages: what is built for it, and what runs by itself."""

from __future__ import annotations

import asyncio

from gateway.clock import Clock
from gateway.fsi.files.transfer import PATIENCE, Patience
from gateway.journal import Journal
from gateway.journal.stamps import new_id
from gateway.settings import Settings
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.lines import JournalLine
from gateway.settlement.reconciling import Reconciler
from gateway.settlement.reconciling.reading import CentreReader
from gateway.settlement.reconciling.scheduling import Schedule
from gateway.settlement.sites import Sites
from gateway.watching import Watch


class BackOffice:
    """Reconciliation of every institution of the settings."""

    def __init__(
        self,
        *,
        settings: Settings,
        sites: Sites,
        journal: Journal,
        dispatcher: Dispatcher,
        clock: Clock,
        watch: Watch,
        patience: Patience = PATIENCE,
    ) -> None:
        self._settings = settings
        self.lines = {
            institution.fixmedins_code: JournalLine(
                institution, dispatcher=dispatcher, journal=journal, clock=clock
            )
            for institution in settings.institutions
        }
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
        self.schedule = Schedule(
            settings=settings.reconciliation,
            reconcilers=reconcilers,
            journal=journal,
            clock=clock,
            watcher=watch,
            node=new_id(),
        )
        self.reader = CentreReader(
            reconcilers=reconcilers, kinds=self.schedule, journal=journal, clock=clock
        )

    def start(self) -> list[asyncio.Task[None]]:
        """What runs by itself, as far as the settings ask for it."""
        if not self._settings.reconciliation.enabled:
            return []
        return [asyncio.create_task(self.schedule.run(), name="reconciliation")]
