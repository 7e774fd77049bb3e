"""The FHIR side for the pipeline: questions to intents, results to answers.

Keys. A Claim and a Task are known by their identifier: the same content again gets the stored
answer, other content 409. An Encounter's identifier is the hospital's visit number and stays the
same from admission to discharge, so that its key is that number, the version it changes, and the
content. A resource without an identifier is known by its content; a Task without one, also by the
version of the answer it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import (
    DuplicateError,
    InvalidError,
    MessageError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnknownOutcomeError,
    UnreadableError,
    UnsupportedError,
)
from gateway.fhir import problems
from gateway.fhir.answers import Answers
from gateway.fhir.building import Exchange, identity, instant, is_waiting
from gateway.fhir.cancels import changed_elements, claim_of
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.directory import Directory
from gateway.fhir.local import LOCAL_TYPES, local_key, not_kept
from gateway.fhir.names import Names
from gateway.fhir.outcome import status_of
from gateway.fhir.paths import FHIRPaths
from gateway.fhir.reader import Document, Reader
from gateway.fhir.references import as_list
from gateway.fhir.release import R4, R5, RELEASES
from gateway.fhir.settled import is_readable
from gateway.fhir.stored import BASE, CONTENT, LINE, Maker, PeerStore, ResourceReader, may_refer
from gateway.fhir.subscribed import BOOK, State, read_state, with_status
from gateway.fhir.tasks import POLL, STATUS, due, task_code
from gateway.fhir.terminology import Books
from gateway.fhir.tokens import redact, without_certificate
from gateway.fhir.understanding import Understanding, Work
from gateway.fhir.visits import CANCELLED_STATUSES
from gateway.intents import Answer, Intent, Message, Resource, Result, Status
from gateway.settings import PeerSettings, Settings
from mappings.messages import MapSet

MAPS = Path(__file__).parents[2] / "mappings" / "messages" / "fhir"


class FHIRAdapter:
    """Reads, understands and answers FHIR (`gateway.pipeline.Adapter`).

    Questions are read in their release; answers are written in the inner form and brought into
    the release of whoever reads them (`gateway.fhir.forms`).
    """

    protocol = "fhir"

    def __init__(
        self,
        settings: Settings,
        resources: ResourceReader,
        now: Callable[[], datetime],
    ) -> None:
        """Compile the maps, the standard ones and every peer's own.

        Raises:
            ConfigurationError: a map is wrong; says in which file and line.
        """
        self.names = Names(settings.fhir.canonical_base)
        self.max_depth = settings.fhir.max_depth
        self.books = Books(settings)
        self._resources = resources
        self.now = now
        self._readers = {one.segment: Reader(one, settings.fhir) for one in RELEASES}
        self._directory = Directory(self.names, settings, now())
        self.made: dict[str, Callable[[PeerSettings], Maker]] = {}
        """Types whose resources are made of what the journal keeps otherwise."""
        self._answers = Answers(self.names, now)
        overlays = {_overlay(peer) for peer in settings.peers}
        compiled = {folder: _compiled(self.names.base, folder) for folder in overlays}
        maps = {peer.name: compiled[_overlay(peer)] for peer in settings.peers}
        self._understanding = Understanding(maps, settings, now)

    def store(self, peer: PeerSettings) -> PeerStore:
        """What this peer may read back."""
        made = {name: make(peer) for name, make in self.made.items()}
        return PeerStore(self._resources, peer.name, self._present, self._directory.of(peer), made)

    async def _present(self, found: Resource) -> Resource:
        """A Subscription with the status that its delivery gave it."""
        book = await self._resources.book(BOOK, found.id)
        return with_status(found, read_state(book.data)) if book is not None else found

    async def standing(self, identity: str) -> State:
        """How a Subscription stands."""
        book = await self._resources.book(BOOK, identity)
        return read_state(book.data) if book is not None else State()

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """The message of a request.

        `meta` has `interaction` (create, update, submit, match, inquire), `type`, for an update
        `id`, `base`, the base URL as the sender sees it, `release`, the path segment of the release
        (`r4`), `wait`, which is `async` where the sender will ask for the answer later, and
        `asked`, when a question arrived that is read a second time.

        Raises:
            MessageError: it cannot be read, is not served, or its key was used for other content.
        """
        document = self._document(raw, meta)
        store = self.store(peer)
        if may_refer(raw):
            document.library.give(await store.referred([document.resource, *document.others]))
        work = Work(document=document)
        exchange = Exchange(
            interaction=document.interaction,
            type=document.type_name,
            id="",
            base=meta.get("base", ""),
            peer=peer.name,
            received=meta.get("asked") or instant(self.now()),
            waits=meta.get("wait") == "async",
            release=meta.get("release", ""),
            content=document.fingerprint,
            resource=encode(
                without_certificate(document.resource) if document.certified else document.resource
            ).decode(),
        )
        system, number, place = _identifier(document)
        key = number or document.fingerprint
        exchange.id = meta.get("id") or identity(peer.name, exchange.type, system, key)
        if exchange.type == "Encounter":
            key = await self._encounter(work, exchange, store, key, place)
        elif exchange.type == "Task":
            upon = await self._task(work, exchange, store)
            if not number and upon:
                # A task without identifier may be sent again when what it is about has changed;
                # one that asks a platform, at any time.
                asks = task_code(work.document.resource) == STATUS and is_readable(
                    self.names, work.response or {}
                )
                key = f"{key}/{upon}" + (f"/{exchange.received}" if asks else "")
                exchange.id = identity(peer.name, exchange.type, system, key)
        elif exchange.interaction == "match":
            # It may be asked again at any time: who a person is changes elsewhere.
            key = f"match/{exchange.received}/{exchange.content}"
        elif exchange.type in LOCAL_TYPES:
            key = await local_key(exchange, store, key)
        elif exchange.type == "Claim" and exchange.interaction == "update":
            key = await self._withdrawn(work, exchange, store, key)
        elif exchange.type == "Claim":
            await self._understanding.find_lines(work, store)
            exchange.items = {
                sequence: encode(parts).decode() for sequence, parts in work.earlier_items.items()
            }
        return Message(
            protocol=self.protocol,
            peer=peer.name,
            sender=f"{peer.name}|{exchange.type}|{system}",
            control_id=key,
            kind=f"{exchange.interaction} {exchange.type}",
            fingerprint=document.fingerprint,
            context=msgspec.to_builtins(exchange),
            document=work,
        )

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """The intent of a message, and what is wrong with its content."""
        return self._understanding.understand(message.document, peer)

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:  # noqa: ARG002 - the context says the same
        """The answer, now or after an unknown outcome was resolved."""
        return self._answers.answer(msgspec.convert(context, Exchange), result)

    def refuse(
        self,
        raw: bytes,  # noqa: ARG002 - nothing of it is repeated
        meta: Mapping[str, str],  # noqa: ARG002 - nothing of it is repeated
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """The OperationOutcome of what cannot be carried out."""
        if isinstance(error, MessageError):
            found = error.problems
            if context is not None and isinstance(error, DuplicateError):
                key = f"{context['type']}.identifier"
                found = tuple(p if p.place else p.at(key) for p in found)
            return self._answers.outcome(_status(error), found, Status.INVALID)
        if isinstance(error, NotSentError):
            return self._answers.not_sent([], error.retry_after)
        return self._answers.outcome(500, [_internal(error)], Status.UNKNOWN)

    def owns(self, context: Mapping[str, Any]) -> bool:
        """True for a question that was asked with `respond-async`.

        Any other client waits on its connection and comes again.
        """
        return bool(context.get("waits"))

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """What `read` was told of a question besides its bytes."""
        return msgspec.convert(context, Exchange).meta if "release" in context else {}

    def redact(self, raw: bytes) -> bytes:
        """The bytes without an e-voucher number."""
        return redact(raw)

    def _document(self, raw: bytes, meta: Mapping[str, str]) -> Document:
        """Read in the stated release; without one, in the first whose shape fits.

        A message that has the shape of R4 means in R5 what it means in R4.
        """
        if "release" in meta:
            return self._readers[meta["release"]].read(raw, meta)
        try:
            return self._readers[R4.segment].read(raw, meta)
        except UnreadableError as error:
            try:
                return self._readers[R5.segment].read(raw, meta)
            except MessageError:
                raise error from None

    async def _encounter(
        self, work: Work, exchange: Exchange, store: PeerStore, key: str, place: str
    ) -> str:
        """Compare with what is kept of this Encounter; the key of this change of it."""
        found = await store.resource("Encounter", exchange.id)
        if found is None:
            if exchange.interaction == "update":
                raise UnsupportedError([not_kept(exchange.type)])
            return f"{key}/{exchange.content[:32]}"
        stored = await store.body("Encounter", exchange.id) or {}
        if exchange.content in found.search.get(CONTENT, []):
            base = found.search.get(BASE, ["0"])[0]
        elif (
            exchange.interaction == "create"
            and stored.get("status") not in CANCELLED_STATUSES
            and not is_waiting(stored)
        ):
            raise DuplicateError([_open_visit(place)])
        else:
            base = str(stored.get("meta", {}).get("versionId", "0"))
        work.stored = stored if exchange.interaction == "update" else None
        exchange.version = int(base) + 1 if base.isdigit() else 1
        return f"{key}/{exchange.content[:32]}" + (f"/{base}" if base != "0" else "")

    async def _task(self, work: Work, exchange: Exchange, store: PeerStore) -> str:
        """Find what a Task is about; the version of that."""
        task = work.document.resource
        code = task_code(task)
        if code == POLL:
            exchange.found = await due(store)
            return sm3("\n".join(exchange.found).encode()).hex()[:32]
        await self._focus(work, exchange, store, await claim_of(task, store))
        if work.response is None:
            return ""
        if code == STATUS:
            exchange.found = [f"ClaimResponse/{work.response['id']}"]
            exchange.step = str(work.response.get("outcome", ""))
        return str(work.response["meta"]["versionId"])

    async def _focus(self, work: Work, exchange: Exchange, store: PeerStore, claim_id: str) -> None:
        """What is kept of the claim that is to be cancelled."""
        if not claim_id:
            return
        claim = await store.body("Claim", claim_id)
        found = await store.resource("ClaimResponse", claim_id)
        if claim is None or found is None:
            return
        work.response, work.claim = decode_own(found.body), claim
        exchange.claim = encode(claim).decode()
        exchange.response = found.body.decode()
        exchange.lines = found.search.get(LINE, [])
        if work.response.get("status") == "cancelled":
            exchange.step = "again"
            _, answers = await store.search("ClaimResponse", {"request": [f"Claim/{claim_id}"]}, 9)
            exchange.reversal = next((one.id for one in answers if one.id != claim_id), "")

    async def _withdrawn(self, work: Work, exchange: Exchange, store: PeerStore, key: str) -> str:
        """A Claim put with status cancelled: the same as a Task (mapping matrix 2.1)."""
        stored = await store.body("Claim", exchange.id)
        if stored is None:
            raise UnsupportedError([not_kept(exchange.type)])
        if work.document.resource.get("status") != "cancelled":
            raise InvalidError(
                [
                    problems.not_supported(
                        "Claim",
                        "已提交的Claim不能修改，请撤销后重新提交",
                        "a Claim cannot be changed: cancel it and submit a new one",
                    )
                ]
            )
        forms = self._readers[exchange.release or R4.segment].forms
        differs = changed_elements(decode_own(exchange.resource), stored, forms)
        if differs:
            raise DuplicateError([_other_claim(f"Claim.{name}") for name in differs])
        await self._focus(work, exchange, store, exchange.id)
        return f"{key}/cancel"


def _compiled(base: str, overlay: Path | None) -> MapSet:
    """The maps under a canonical base, those of the peer's folder laid over."""
    if overlay is None:
        return _standard_maps(base)
    return MapSet.load(MAPS, FHIRPaths(Names(base)), overlay=overlay)


@lru_cache(2)
def _standard_maps(base: str) -> MapSet:
    """The maps of the program, compiled once in a process."""
    return MapSet.load(MAPS, FHIRPaths(Names(base)))


def _overlay(peer: PeerSettings) -> Path | None:
    """The peer's folder of FHIR maps, when it has one."""
    folder = peer.map_overlay / MAPS.name if peer.map_overlay is not None else None
    return folder if folder is not None and folder.is_dir() else None


def _identifier(document: Document) -> tuple[str, str, str]:
    """System, value and place of the identifier that the sender knows the resource by."""
    stated = as_list(document.resource.get("identifier"))
    order = [index for index, one in enumerate(stated) if one.get("use") == "official"]
    for index in [*order, *range(len(stated))]:
        value = stated[index].get("value")
        if isinstance(value, str) and value:
            place = f"{document.place}.identifier[{index}]"
            return str(stated[index].get("system", "")), value, place
    return "", "", document.place


def _other_claim(place: str) -> Problem:
    return msgspec.structs.replace(
        problems.other_content(place),
        zh="除status外，内容与已提交的Claim不同；未撤销，也未修改",
        en="the content differs from the Claim as it is kept: nothing was cancelled or changed",
        remedy_zh="请先读取该Claim，只把status改为cancelled；内容更正请先撤销再重新提交",
        remedy_en="read the Claim and change nothing but its status; to correct it, cancel it and "
        "submit a new one",
    )


def _status(error: MessageError) -> int:
    if isinstance(error, DuplicateError):
        return 409
    if isinstance(error, UnreadableError):
        return 400
    if isinstance(error, UnsupportedError):
        return 405
    return status_of(error.problems)


def _open_visit(place: str) -> Problem:
    return msgspec.structs.replace(
        problems.other_content(place),
        remedy_zh="就诊的变更请用PUT更新已有的Encounter",
        remedy_en="change the Encounter of an open visit by PUT",
    )


def _internal(error: Exception) -> Problem:
    unknown = isinstance(error, UnknownOutcomeError)
    return Problem(
        kind=ProblemKind.UNKNOWN if unknown else ProblemKind.INTERNAL,
        code=ProblemCode.FSI_UNKNOWN if unknown else ProblemCode.INTERNAL,
        zh="网关内部错误，结果未知，请勿重复提交，请联系管理员",
        en="internal error; the outcome is not known: do not repeat, ask the operator",
    )
