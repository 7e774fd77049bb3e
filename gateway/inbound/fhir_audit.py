"""AuditEvents for the clients: what the audit has of the messages of a peer.

Each row of the chain is one AuditEvent (`gateway.fhir.audit_events`), `audit-{row}`. A peer sees
the rows of its own messages and nothing else, and of them what concerns it: no operator's name or
note, no name of a channel. `gateway audit export` writes the whole chain.
A search by `date` or `exchange` reaches any time; one without either goes back `SEARCHED_DAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.clock import stamp
from gateway.fhir.audit_events import OUTCOMES, audit_event, outcome_of
from gateway.fhir.building import kept, stamped
from gateway.fhir.dates import span
from gateway.fhir.names import Names
from gateway.intents import Resource
from gateway.journal import AuditRow, AuditSearch, Journal
from gateway.settings import PeerSettings

SEARCHED_DAYS = 92
"""Days back that a search without date goes."""
PREFIX = "audit-"
MAX_DIGITS = 18
_FOREVER = "9999"


class AuditEvents:
    """The rows that a peer may see, as resources in the inner form."""

    def __init__(
        self, journal: Journal, names: Names, now: Callable[[], datetime], peer: PeerSettings
    ) -> None:
        self._journal = journal
        self._names = names
        self._now = now
        self._peer = peer

    async def one(self, identity: str) -> Resource | None:
        """The row of this number: `audit-17`."""
        number = identity.removeprefix(PREFIX)
        if identity != f"{PREFIX}{number}" or not number.isascii() or not number.isdigit():
            return None
        if number.startswith("0") or len(number) > MAX_DIGITS:
            return None
        rows = await self._journal.audit_rows(int(number) - 1, 1)
        if not rows or rows[0].seq != int(number) or not rows[0].exchange_id:
            return None
        exchange = await self._journal.exchange(rows[0].exchange_id)
        if exchange is None or exchange.peer != self._peer.name:
            return None
        return self._resource(rows[0], exchange.kind)

    async def page(
        self, tokens: Mapping[str, Sequence[str]], limit: int, offset: int
    ) -> tuple[int, list[Resource]]:
        """How many rows fit, and a page of them, newest first."""
        if "_id" in tokens:
            every = [await self.one(identity) for identity in dict.fromkeys(tokens["_id"])]
            fitting = [one for one in every if one is not None and _fits(one, tokens)]
            return len(fitting), fitting[offset : offset + limit]
        begin, end = self._span(tokens)
        outcomes = "".join(sorted({*tokens.get("outcome", OUTCOMES)} & {*OUTCOMES}))
        if "exchange" in tokens:
            found = await self._of_exchanges(tokens["exchange"], (begin, end), outcomes)
            return len(found), found[offset : offset + limit]
        search = AuditSearch(
            peer=self._peer.name,
            after=await self._last_before(begin),
            until=await self._last_before(end),
            begin=begin,
            end=end,
            outcomes=outcomes,
            limit=limit,
            offset=offset,
        )
        total, rows = await self._journal.audit_found(search)
        kinds = {row.exchange_id: "" for row in rows}
        for exchange_id in kinds:
            exchange = await self._journal.exchange(exchange_id)
            kinds[exchange_id] = exchange.kind if exchange is not None else ""
        return total, [self._resource(row, kinds[row.exchange_id]) for row in rows]

    async def _of_exchanges(
        self, wanted: Sequence[str], times: tuple[str, str], outcomes: str
    ) -> list[Resource]:
        found: list[Resource] = []
        for exchange_id in dict.fromkeys(wanted):
            exchange = await self._journal.exchange(exchange_id)
            if exchange is None or exchange.peer != self._peer.name:
                continue
            found += [
                self._resource(row, exchange.kind)
                for row in await self._journal.audit_trail(exchange_id)
                if times[0] <= row.time < times[1] and outcome_of(row.detail) in outcomes
            ]
        found.sort(key=lambda one: int(one.id.removeprefix(PREFIX)), reverse=True)
        return found

    def _span(self, tokens: Mapping[str, Sequence[str]]) -> tuple[str, str]:
        """From when to before when; every value of `date` has to hold."""
        begin = ""
        if not {"date", "exchange"} & tokens.keys():
            begin = stamp(self._now() - timedelta(days=SEARCHED_DAYS))
        spans = [found for text in tokens.get("date", ()) if (found := span(text)) is not None]
        begins, ends = [begin, *(one.begin for one in spans)], [one.end for one in spans if one.end]
        return max(begins), min(ends, default=_FOREVER)

    async def _last_before(self, time: str) -> int:
        """The number of the last row before a time, by halving: rows stand in the order of time.

        Where the clock was set back, it is one of the rows about then.
        """
        low, high = 0, (await self._journal.audit_head()).seq
        if time in ("", _FOREVER):
            return low if not time else high
        while low < high:
            middle = (low + high + 1) // 2
            rows = await self._journal.audit_rows(middle - 1, 1)
            if rows and rows[0].time < time:
                low = middle
            else:
                high = middle - 1
        return low

    def _resource(self, row: AuditRow, kind: str) -> Resource:
        tree = audit_event(row, self._names, peer=self._peer.name, kind=kind, to_peer=True)
        tokens = {"outcome": [tree["outcome"]], "exchange": [row.exchange_id]}
        return kept(stamped(tree, tree["recorded"]), self._peer.name, tokens)


def _fits(resource: Resource, tokens: Mapping[str, Sequence[str]]) -> bool:
    return all(
        set(values) & set(resource.search.get(name, []))
        for name, values in tokens.items()
        if name in resource.search
    )
