"""PaymentReconciliations for the clients of the institutions: the kept reports of each day.

They are read and searched; no platform is asked. A report is written by the daily reconciliation
(`[reconciliation]`) or by `gateway reconcile run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from gateway.fhir.building import instant, kept, stamped
from gateway.fhir.names import Names
from gateway.fhir.payment_reconciliation import payment_reconciliation
from gateway.fhir.release import R4
from gateway.fhir.stored import has_tokens
from gateway.intents import Resource
from gateway.journal import Journal
from gateway.settings import PeerSettings
from gateway.settlement.reconciling import Report
from gateway.settlement.reconciling.stored import report_of, reports_of

SEARCHED_DAYS = 92
"""Days back that a search goes; an older one is read by its id, CODE-DAY."""
CODE_LENGTH = 12


class Payments:
    """The reports that a peer may see, as resources in the inner form."""

    def __init__(
        self, journal: Journal, names: Names, now: Callable[[], datetime], peer: PeerSettings
    ) -> None:
        self._journal = journal
        self._names = names
        self._now = now
        self._peer = peer

    async def one(self, identity: str) -> Resource | None:
        """The reconciliation of an institution of the peer and a day: `CODE-yyyy-mm-dd`."""
        code, text = identity[:CODE_LENGTH], identity[CODE_LENGTH + 1 :]
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        if code not in self._peer.institutions or identity != f"{code}-{day.isoformat()}":
            return None
        report = await report_of(self._journal, code, day)
        return None if report is None else self._resource(report)

    async def page(
        self, tokens: Mapping[str, Sequence[str]], limit: int, offset: int
    ) -> tuple[int, list[Resource]]:
        """Those of the last days that have the tokens, newest first."""
        since = self._now().date() - timedelta(days=SEARCHED_DAYS)
        reports = [
            report
            for code in self._peer.institutions
            for report in await reports_of(self._journal, code, since)
        ]
        reports.sort(key=lambda one: one.begin, reverse=True)
        resources = [self._resource(report) for report in reports]
        found = [one for one in resources if has_tokens(one, tokens)]
        return len(found), found[offset : offset + limit]

    def _resource(self, report: Report) -> Resource:
        tree = payment_reconciliation(report, self._names, R4)
        created = tree["created"]
        made = created if "T" in created else f"{created}T00:00:00+08:00"
        stamp = stamped(tree, instant(datetime.fromisoformat(made)))
        tokens = {
            "identifier": [tree["id"]],
            "outcome": [tree["outcome"]],
            "status": [tree["status"]],
            "period": [report.begin.isoformat()],
        }
        return kept(stamp, self._peer.name, tokens)
