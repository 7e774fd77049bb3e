"""Ties together the parts that end unknown outcomes: for the composition root and for tests."""

from __future__ import annotations

from typing import NamedTuple

from gateway.clock import Clock
from gateway.fsi.late import LateReplies
from gateway.journal import Journal
from gateway.settings import Settings
from gateway.settlement.arriving import Arrivals
from gateway.settlement.closing import Closer, Replace
from gateway.settlement.conducting import Conductor
from gateway.settlement.confirming import Confirmer
from gateway.settlement.deciding import Decider
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.evidence import Evidence
from gateway.settlement.proving import Prover
from gateway.settlement.reconciling import ReadBack
from gateway.settlement.resolving import Resolver, ResolverWatcher
from gateway.settlement.sites import Sites


class Resolution(NamedTuple):
    """Who ends unknown outcomes: by itself, and on an operator's word."""

    resolver: Resolver
    decider: Decider


def resolution(
    *,
    settings: Settings,
    sites: Sites,
    journal: Journal,
    dispatcher: Dispatcher,
    conductor: Conductor,
    replace: Replace,
    clock: Clock,
    watcher: ResolverWatcher,
    late: LateReplies,
    books: ReadBack | None = None,
) -> Resolution:
    """The parts for one gateway; `books` reads the centre's books, where somebody can."""
    peers = {peer.name: peer for peer in settings.peers}
    prover = Prover(dispatcher)
    closer = Closer(
        settings=settings.resolver,
        sites=sites,
        peers=peers,
        journal=journal,
        conductor=conductor,
        replace=replace,
        clock=clock,
    )
    confirmer = Confirmer(sites=sites, peers=peers, journal=journal, prover=prover, closer=closer)
    resolver = Resolver(
        settings=settings.resolver,
        sites=sites,
        journal=journal,
        dispatcher=dispatcher,
        conductor=conductor,
        closer=closer,
        confirmer=confirmer,
        evidence=Evidence(sites=sites, journal=journal, prover=prover, books=books),
        arrivals=Arrivals(journal=journal, confirmer=confirmer, closer=closer),
        late=late,
        clock=clock,
        watcher=watcher,
    )
    decider = Decider(journal=journal, resolver=resolver, confirmer=confirmer, closer=closer)
    return Resolution(resolver, decider)
