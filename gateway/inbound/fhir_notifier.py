"""Tells subscribers what was answered: in order, at least once, and across restarts.

Rules:

1. A resource that is stored is an event at the same moment: the order of changes in the journal is
   the list of what is to be told, so that no crash comes between the two.
2. How far a subscriber was told is stored after it took a notification. A crash between the two
   tells it again, under the same event number.
3. Events of a subscription follow one another. One that is not taken is tried again, later each
   time; after `max_attempts` failures the subscription has status error until its client asks for
   it again, and is then told from where it stopped.
4. Of several gateways with one journal, one delivers for a subscription at a time: it takes the
   book of the subscription for a minute, and gives it back after each attempt.
5. The log names subscriptions and counts, never an address or a resource.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec

from gateway.clock import CHINA, Clock, is_awaited
from gateway.errors import StateError
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.forms import Forms
from gateway.fhir.names import Names
from gateway.fhir.release import R5, RELEASES
from gateway.fhir.stored import FORM, PEER, URL
from gateway.fhir.subscribed import (
    BOOK,
    EVENTS,
    HANDSHAKE,
    HEARTBEAT,
    MAX_TOLD,
    Event,
    State,
    notification,
    read_state,
    write_state,
)
from gateway.fhir.subscriptions import ACTIVE, ERROR, FULL, OFF, REQUESTED, Wish, read_wish
from gateway.fhir.xml import encode_xml
from gateway.inbound.fhir_hooks import NO_ANSWER, Notification
from gateway.intents import Resource
from gateway.journal import BookRow, Journal
from gateway.settings import PeerSettings, SubscriptionSettings

PAGE = 200
"""Changes that are read at a time."""
LEASE = timedelta(seconds=60)
"""How long a gateway has a subscription to itself."""

Send = Callable[[Notification], Awaitable[int]]
"""Delivers a notification: the status of the answer, or `NO_ANSWER`."""


class NotifierWatcher(Protocol):
    """Is told of notifications; is given no patient data."""

    def notified(self, subscription: str, status: int, events: int) -> None:
        """A subscriber was told so many events, and answered so."""
        ...

    def subscription_ended(self, subscription: str, peer: str, status: str) -> None:
        """A subscription has status error or off now."""
        ...

    def failed(self, error: Exception) -> None:
        """Something of ours broke; it is tried again at the next look."""
        ...


class _Work(msgspec.Struct, kw_only=True):
    """One subscription while it is worked on."""

    kept: Resource
    body: dict[str, Any]
    wish: Wish
    allowed: bool
    forms: Forms
    base: str
    book: BookRow
    state: State


class Notifier:
    """Looks for what is to be told, again and again."""

    def __init__(
        self,
        *,
        settings: SubscriptionSettings,
        peers: Mapping[str, PeerSettings],
        names: Names,
        journal: Journal,
        send: Send,
        clock: Clock,
        watcher: NotifierWatcher,
        node: str,
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._names = names
        self._journal = journal
        self._send = send
        self._clock = clock
        self._watcher = watcher
        self._node = node
        self._forms = {release.segment: Forms(release) for release in RELEASES}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._passed: dict[str, int] = {}
        """Up to where the changes were read that a subscription did not want."""

    async def run(self) -> None:
        """Look at every interval until cancelled; then end the attempts that are on their way."""
        try:
            while True:
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - the next look comes whatever broke
                    self._watcher.failed(error)
                await asyncio.sleep(self._settings.interval)
        finally:
            if self._running:
                await asyncio.wait(list(self._running.values()), timeout=self._settings.timeout)
            for task in self._running.values():
                task.cancel()

    async def look(self) -> None:
        """Begin the work on every subscription that is not worked on already."""
        after = 0
        while page := await self._journal.changes("Subscription", after, PAGE):
            after = page[-1][0]
            for place, kept in page:
                if PEER in kept.search and kept.id not in self._running:
                    task = asyncio.create_task(self._serve(place, kept))
                    self._running[kept.id] = task
                    task.add_done_callback(partial(self._done, kept.id))

    def _done(self, identity: str, _: asyncio.Task[None]) -> None:
        self._running.pop(identity, None)

    async def settle(self) -> None:
        """Wait for the work that was begun."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _serve(self, place: int, kept: Resource) -> None:
        try:
            work = await self._read(place, kept)
            while await self._step(work):
                pass
        except StateError:
            return  # another gateway has it, or its client changed it: the next look sees it anew
        except Exception as error:  # noqa: BLE001 - one subscription does not stop the others
            self._watcher.failed(error)

    async def _read(self, place: int, kept: Resource) -> _Work:
        """The subscription with its book; a version that is new begins anew where it stopped."""
        body = decode_own(kept.body)
        found = await self._journal.book(BOOK, kept.id)
        book = found or BookRow(kind=BOOK, key=kept.id, state="")
        state = read_state(book.data) if found else State(after=place)
        version = body["meta"]["versionId"]
        if state.version != version:
            status = OFF if body["status"] == OFF else REQUESTED
            state = msgspec.structs.replace(
                state, version=version, status=status, error="", turn=0, failures=0, due=""
            )
        peer = self._peers.get(kept.search[PEER][0])
        wish, problems = read_wish(self._names, body, peer.subscription_origins if peer else [])
        return _Work(
            kept=kept,
            body=body,
            wish=wish,
            allowed=peer is not None and not problems,
            forms=self._forms[kept.search[FORM][0]],
            base=kept.search[URL][0],
            book=book,
            state=state,
        )

    async def _step(self, work: _Work) -> bool:
        """Do the next thing for a subscription; True when there may be more."""
        state, now = work.state, self._clock.now()
        if state.status in {ERROR, OFF}:
            return False
        if work.body.get("end") and datetime.fromisoformat(work.body["end"]) <= now:
            return await self._become(work, OFF)
        if not work.allowed:
            return await self._become(work, ERROR, "the endpoint is not allowed any more")
        if _is_awaited(state.due, now, self._delay(state)):
            return False
        if state.owner != self._node and _is_awaited(state.until, now, LEASE):
            return False
        if state.status == REQUESTED:
            if work.wish.topic and not await self._tell(work, HANDSHAKE, []):
                return False
            return await self._become(work, ACTIVE)
        events, more = await self._events(work)
        if events:
            return await self._tell(work, EVENTS, events)
        beat = timedelta(seconds=work.wish.heartbeat)
        silent = datetime.fromisoformat(state.sent or state.changed)
        if beat and not is_awaited(silent + beat, now, beat):
            await self._tell(work, HEARTBEAT, [])
        return more

    async def _events(self, work: _Work) -> tuple[list[tuple[int, Resource]], bool]:
        """What is to be told next, each with its place; and whether more was not read yet."""
        state, wish = work.state, work.wish
        peer = work.kept.search[PEER][0]
        after = max(state.after, self._passed.get(work.kept.id, 0))
        rows = await self._journal.changes(wish.type_name, after, PAGE)
        found: list[tuple[int, Resource]] = []
        for place, resource in rows:
            if peer in resource.search.get(PEER, []) and wish.wants(resource):
                found.append((place, resource))
                if len(found) == wish.most:
                    break
            elif not found:
                self._passed[work.kept.id] = place
        return found, len(rows) == PAGE

    async def _tell(self, work: _Work, kind: str, rows: list[tuple[int, Resource]]) -> bool:
        """Deliver a notification; True when the subscriber took it."""
        state, now = work.state, self._clock.now()
        state.owner, state.until = self._node, _text(now + LEASE)
        await self._save(work)
        told = [Event(state.events + n, one) for n, (_, one) in enumerate(rows, start=1)]
        request = self._request(work, kind, told)
        status = await self._send(request)
        state.until = ""
        self._watcher.notified(work.kept.id, status, len(rows))
        if not 200 <= status < 300:
            await self._failed(work, status)
            return False
        state.failures, state.due, state.sent = 0, "", _text(self._clock.now())
        if rows:
            state.after, state.events = rows[-1][0], state.events + len(rows)
            state.told = [*state.told, *(one.remembered() for one in told)][-MAX_TOLD:]
        await self._save(work)
        return True

    def _request(self, work: _Work, kind: str, events: list[Event]) -> Notification:
        wish, settings = work.wish, self._settings
        request = Notification(
            method="POST",
            url=wish.endpoint,
            headers=dict(wish.headers),
            timeout=min(settings.timeout, wish.timeout or settings.timeout),
        )
        if work.forms.release is R5:
            tree = notification(
                names=self._names,
                base=work.base,
                identity_=work.kept.id,
                wish=wish,
                state=work.state,
                kind=kind,
                now=self._clock.now(),
                events=events,
            )
        elif wish.content == FULL:
            # R4: with a payload, the notification is an update at the endpoint as base.
            resource = events[0].resource
            assert resource is not None  # what is told for the first time is there
            tree = decode_own(resource.body)
            request.method = "PUT"
            request.url = _below(wish.endpoint, resource)
        else:
            return request
        outer = work.forms.outward(tree)
        if outer is not None:
            is_xml = wish.mime.endswith("xml")
            request.body = encode_xml(outer, work.forms.shapes) if is_xml else encode(outer)
            request.headers["Content-Type"] = f"{wish.mime}; charset=utf-8"
        return request

    async def _failed(self, work: _Work, status: int) -> None:
        state, settings = work.state, self._settings
        state.failures += 1
        if state.failures >= settings.max_attempts:
            said = "no answer" if status == NO_ANSWER else f"HTTP status {status}"
            await self._become(work, ERROR, f"{state.failures} attempts failed, the last: {said}")
            return
        state.due = _text(self._clock.now() + self._delay(state))
        await self._save(work)

    def _delay(self, state: State) -> timedelta:
        """How long the next attempt waits after so many failures."""
        settings = self._settings
        seconds = settings.first_delay * 2 ** max(0, state.failures - 1)
        return timedelta(seconds=min(seconds, settings.longest_delay))

    async def _become(self, work: _Work, status: str, error: str = "") -> bool:
        """Change the status; True when there may be more to do."""
        state = work.state
        state.status, state.error, state.turn = status, error, state.turn + 1
        state.changed = _text(self._clock.now())
        await self._save(work)
        if status in {ERROR, OFF}:
            self._watcher.subscription_ended(work.kept.id, work.kept.search[PEER][0], status)
        return status == ACTIVE

    async def _save(self, work: _Work) -> None:
        book = msgspec.structs.replace(
            work.book, state=work.state.status, data=write_state(work.state)
        )
        work.book = await self._journal.put_book(book)


def _below(endpoint: str, resource: Resource) -> str:
    """The address of a resource at an endpoint, which may have a query."""
    parts = urlsplit(endpoint)
    path = f"{parts.path.rstrip('/')}/{resource.type}/{resource.id}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _text(moment: datetime) -> str:
    """A time as the book has it: such texts are ordered as the times are."""
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def _is_awaited(text: str, now: datetime, longest: timedelta) -> bool:
    """True while a time of the book, set at most `longest` ahead, has not come."""
    return bool(text) and is_awaited(datetime.fromisoformat(text), now, longest)
