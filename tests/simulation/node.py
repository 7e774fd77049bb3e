"""One process of the gateway: the real parts, tied together as the composition root does it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.clock import Clock
from gateway.fsi.channel import Channel
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.late import LateReplies
from gateway.fsi.profiles import Profile, load_profile
from gateway.fsi.signin import SignIn
from gateway.fsi.transport import Transport
from gateway.intents import Answer
from gateway.journal import Journal
from gateway.pipeline import Pipeline
from gateway.routing import Router
from gateway.settings import PeerSettings, Settings, UnknownPolicy
from gateway.settlement.carrying import Carrier
from gateway.settlement.coding import Coder
from gateway.settlement.conducting import Conductor
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.ending import resolution
from gateway.settlement.filling import Filler
from gateway.settlement.inputs import Site
from gateway.settlement.reconciling import ReadBack
from gateway.settlement.sites import Sites
from gateway.telemetry import StationLine
from mappings.codes import Translation
from mappings.codes.translation import Method
from mappings.regions import RegionTable
from tests.simulation.speech import Speech

TIMEOUT = 15.0
"""Seconds that a channel waits for a reply."""

CODE = "H43010000001"
SHOP = "P43010000001"
"""The hospital's pharmacy, which is an institution of its own."""

_SETTINGS = {
    "institutions": [
        {
            "fixmedins_code": CODE,
            "fixmedins_name": "长沙示范医院",
            "mdtrtarea_admvs": "430100",
            "channel": "own",
        },
        {
            "fixmedins_code": SHOP,
            "fixmedins_name": "长沙示范大药房",
            "mdtrtarea_admvs": "430100",
            "channel": "own",
        },
    ],
    "channels": [{"name": "own", "url": "http://platform.example/fsi", "timeout": TIMEOUT}],
    "peers": [
        {"name": "his", "institutions": [CODE]},
        {"name": "shop", "institutions": [SHOP]},
    ],
}


class SameCodes:
    """Code tables in which every item is one national item and everything else stays itself."""

    def translate(
        self, kind: str, code: str, *, on: date, name: str = "", system: str = ""
    ) -> Translation:
        """The translation."""
        found = "XJ01CAA040A001010405611" if kind == "item" else code
        return Translation(code=found, name=name, method=Method.SITE)


class _Shared(NamedTuple):
    settings: Settings
    profile: Profile
    sites: Sites
    regions: RegionTable


@cache
def _shared(after_refusal: Literal["keep", "undo"]) -> _Shared:
    """What never changes and takes long to load."""
    settings = Settings.model_validate(_SETTINGS)
    profile = msgspec.structs.replace(load_profile("generic"), after_refusal=after_refusal)
    definitions = Definitions.load(profile.edition)
    checker = Checker(definitions, profile, amount_tolerance=Decimal("0.01"))
    filler, coder = Filler(definitions), Coder(SameCodes())
    found = {
        each.fixmedins_code: Site(each, profile, definitions, filler, checker, coder)
        for each in settings.institutions
    }
    sites = Sites(found, tolerance=Decimal("0.01"), max_charge_lines=2_000)
    return _Shared(settings, profile, sites, RegionTable.load())


class Silent:
    """A watcher, observer and resolver's watcher that only remembers what broke."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self.failed = failed

    def station(self, name: str, **fields: Any) -> AbstractContextManager[StationLine]:
        return nullcontext(StationLine())

    def exchange(self, exchange_id: str, message: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def refused(self, protocol: str, peer: str, error: Any) -> None: ...
    def accepted(self, exchange_id: str, message: Any, kind: str) -> None: ...
    def answered(self, message: Any, result: Any, seconds: float) -> None: ...
    def called(self, report: Any) -> None: ...
    def unknown_open(self, by_infno: Any) -> None: ...
    def resolved(self, msgid: str, infno: str, how: str) -> None: ...
    def late_reply(self, msgid: str, infno: str, outcome: str) -> None: ...


class Node:
    """A gateway from its start to its crash."""

    def __init__(
        self,
        journal: Journal,
        transport: Transport,
        *,
        clock: Clock,
        policy: UnknownPolicy,
        failed: Callable[[Exception], None],
        deliver: Callable[[str, PeerSettings, Answer], Awaitable[None]],
        chance: random.Random,
        books: ReadBack | None,
        undoes: bool,
    ) -> None:
        shared = _shared("undo" if undoes else "keep")
        self.alive = True
        self.ready = False
        self.journal, self._deliver, self._failed = journal, deliver, failed
        self.peers = {peer.name: peer for peer in shared.settings.peers}
        self._tasks: list[asyncio.Task[Any]] = []
        settings, silent = shared.settings, Silent(failed)
        late = LateReplies(silent)
        channel = Channel(
            settings.channels[0],
            shared.profile,
            transport,
            clock,
            nonce=lambda: "nonce",
            late=late,
        )
        dispatcher = Dispatcher(
            journal=journal,
            router=Router(shared.regions, settings),
            channels={"own": channel},
            institutions=settings.institutions,
            clock=clock,
            observer=silent,
        )
        dispatcher.sign_in = SignIn(transact=dispatcher.sign_in_call, store=journal, clock=clock)
        conductor = Conductor(
            sites=shared.sites, journal=journal, dispatcher=dispatcher, clock=clock
        )
        carrier = Carrier(
            sites=shared.sites,
            journal=journal,
            dispatcher=dispatcher,
            locks=conductor.locks,
            clock=clock,
        )
        self.pipeline = Pipeline(
            adapters={Speech.protocol: Speech()},
            journal=journal,
            conductor=conductor,
            carrier=carrier,
            clock=clock,
            watcher=silent,
            max_in_flight=32,
        )
        chosen = settings.resolver.model_copy(update={"policy": policy, "interval": 15.0})
        self.resolver, self.decider = resolution(
            settings=settings.model_copy(update={"resolver": chosen}),
            sites=shared.sites,
            journal=journal,
            dispatcher=dispatcher,
            conductor=conductor,
            replace=self.pipeline.replace,
            clock=clock,
            watcher=silent,
            late=late,
            books=books,
        )

    def started(self, task: asyncio.Task[Any]) -> None:
        """A task of this process was made."""
        self._tasks.append(task)

    async def start(self) -> None:
        """As the composition root starts: recover first, then everything else."""
        await self.journal.recover()
        self.ready = True
        self.spawn(self.resolver.run())
        await self.pipeline.take_up(self.peers, self._deliver)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in this process."""
        return asyncio.get_running_loop().create_task(work)

    def crash(self) -> None:
        """Everything in memory is gone; no task does anything more."""
        self.alive = self.ready = False
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
