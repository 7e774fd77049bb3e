"""Documents to intents: which map, then what no map can say, then everything wrong at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from gateway.clock import stamp
from gateway.errors import Problem
from gateway.fhir.belonging import check_belonging
from gateway.fhir.cancels import cancel_step, claim_of, unknown_settlement
from gateway.fhir.claims import check_claim, complete_claim, same_lines
from gateway.fhir.decode import decode_own
from gateway.fhir.filings import APPLIED_FOR, complete_withdrawal, filing_kind, unserved
from gateway.fhir.modifiers import check_companions, check_modifiers
from gateway.fhir.names import Names
from gateway.fhir.paths import encounter_references
from gateway.fhir.reader import Document
from gateway.fhir.references import Library, Node, Scope, as_list
from gateway.fhir.settled import is_readable, numbers_of
from gateway.fhir.stored import LINE, VISIT, PeerStore
from gateway.fhir.subscriptions import read_wish
from gateway.fhir.tasks import CANCEL, STATUS, check_task, task_code
from gateway.fhir.visits import (
    check_person,
    check_visit_number,
    eligibility_queries,
    eligibility_step,
    encounter_step,
    inactive,
    mark_main_diagnosis,
)
from gateway.intents import Intent, Resource, Verb
from gateway.settings import PeerSettings, Settings
from mappings.messages import MapSet

MAX_EARLIER = 100
"""Answers to claims of one visit that are compared with a new claim, newest first."""


class Work(msgspec.Struct):
    """A document and what was kept of earlier exchanges about the same things."""

    document: Document
    stored: dict[str, Any] | None = None
    """Update of an Encounter: what is kept of it."""
    response: dict[str, Any] | None = None
    """Cancellation: the ClaimResponse to the claim."""
    claim: dict[str, Any] | None = None
    """Cancellation: the claim."""
    visit_number: str = ""
    """Claim without an encounter: the visit of the claim that it is related to."""
    line_keys: dict[str, str] = {}
    """Claim: sequences of items uploaded before, and the number they were uploaded under."""
    earlier_items: dict[str, list[Any]] = {}
    """Claim: the adjudications that such items were answered with."""


class Understanding:
    """Runs the maps of each peer."""

    def __init__(
        self, maps: Mapping[str, MapSet], settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._now = now
        self._maps = maps
        self._names = Names(settings.fhir.canonical_base)
        self._tolerance = Decimal(settings.limits.amount_tolerance)

    def understand(self, work: Work, peer: PeerSettings) -> tuple[Intent, list[Problem]]:
        """The intent of a document, and every problem of its content."""
        document = work.document
        maps = self._maps[peer.name]
        match document.type_name:
            case "Claim" if document.interaction == "update":
                intent, found = self._cancel(maps, work, "Claim")
            case "Claim":
                intent, found = self._claim(maps, work)
            case "Encounter":
                intent, found = self._encounter(maps, work)
            case "Subscription" if document.interaction != "delete":
                intent = Intent(verb=Verb.IGNORE)
                _, found = read_wish(self._names, document.resource, peer.subscription_origins)
            case "Patient" if document.interaction == "match":
                intent, found = maps.understand("match Patient", document.root(), {})
            case "Subscription" | "Patient" | "PaymentNotice":
                intent, found = Intent(verb=Verb.IGNORE), []
            case "CoverageEligibilityRequest":
                intent, found = self._eligibility(maps, document)
            case _:
                intent, found = self._task(maps, work)
        intent.place = document.place
        brought = (document.resource, document.place, document.library)
        if document.modified:
            found = [*check_modifiers(*brought), *found]
        found = [*found, *check_companions(*brought)]
        if document.interaction != "update" or document.type_name == "Encounter":
            found += check_belonging(document.root())
        if document.moves:
            found = [problem.at(document.said(problem.place)) for problem in found]
            _tell_places(intent, document)
        return intent, found

    async def find_lines(self, work: Work, store: PeerStore) -> None:
        """Find the visit of a related claim, and lines that are uploaded and not settled.

        An earlier predetermination, a refused claim and a cancelled one leave their lines on the
        platform. A line of this claim with the same sequence and content is that line: it is
        settled and not uploaded again. Without this, a claim after its predetermination would be
        charged twice.
        """
        claim, root = work.document.resource, work.document.root()
        visits = [
            str(node.value["value"])
            for identifiers in _encounters(root)
            for node in identifiers
            if isinstance(node.value, dict) and node.value.get("value")
        ]
        if not visits:
            work.visit_number = await _visit_of_related(claim, store)
            visits = [work.visit_number] if work.visit_number else []
        if not visits:
            return
        _, found = await store.search("ClaimResponse", {VISIT: visits}, MAX_EARLIER)
        settled = {
            line.partition("=")[2]
            for response in found
            if _is_settled(response)
            for line in response.search.get(LINE, [])
        }
        for response in reversed(found):
            lines = dict(token.split("=", 1) for token in response.search.get(LINE, []))
            earlier = await store.body("Claim", response.id) if lines else None
            answered = _item_answers(response)
            for sequence in same_lines(claim, earlier or {}):
                if sequence in lines and lines[sequence] not in settled:
                    work.line_keys[sequence] = lines[sequence]
                    if sequence in answered:
                        work.earlier_items[sequence] = answered[sequence]

    def _claim(self, maps: MapSet, work: Work) -> tuple[Intent, list[Problem]]:
        root = work.document.root()
        use = root.value.get("use")
        if use == "preauthorization":
            return self._filing(maps, root)
        intent, found = maps.understand(f"{use} Claim", root, {})
        found += check_claim(root, self._tolerance, foreign=work.document.foreign)
        if root.value.get("status") != "active":
            found.append(inactive(f"{root.place}.status"))
        if not found:
            now = stamp(self._now())
            found += complete_claim(intent, root, work.visit_number, work.line_keys, now)
        if not work.visit_number and not any(_encounters(root)):
            found += check_person(intent, root)
        return intent, found

    def _filing(self, maps: MapSet, root: Node) -> tuple[Intent, list[Problem]]:
        kind = filing_kind(self._names, root.value)
        if not kind:
            return Intent(verb=Verb.IGNORE), [unserved(root)]
        intent, found = maps.understand(f"{kind} Claim", root, {})
        if root.value.get("status") != "active":
            found.append(inactive(f"{root.place}.status"))
        return intent, found + check_person(intent, root)

    def _encounter(self, maps: MapSet, work: Work) -> tuple[Intent, list[Problem]]:
        document = work.document
        step, found = encounter_step(document.resource, work.stored)
        root = document.root()
        intent, more = maps.understand(f"{step or 'plan'} Encounter", root, {})
        found += more
        mark_main_diagnosis(intent.diagnoses)
        intent.movements_complete = any(one.has("begntime") for one in intent.movements)
        found += check_visit_number(intent, root)
        if step == "open":
            found += check_person(intent, root)
        return intent, found

    def _eligibility(self, maps: MapSet, document: Document) -> tuple[Intent, list[Problem]]:
        step, found = eligibility_step(document.resource)
        root = document.root()
        intent, more = maps.understand(f"{step} CoverageEligibilityRequest", root, {})
        intent.also = eligibility_queries(document.resource)
        if Verb.FIND_DESIGNATIONS in intent.also and not intent.query.has("biz_appy_type"):
            intent.query.set("biz_appy_type", APPLIED_FOR)
        return intent, [*found, *more, *check_person(intent, root)]

    def _task(self, maps: MapSet, work: Work) -> tuple[Intent, list[Problem]]:
        task = work.document.resource
        found, code = check_task(task), task_code(task)
        if code == STATUS and not found and work.response is None:
            found = [unknown_settlement("Task.focus")]
        if code == CANCEL and not found:
            return self._cancel(maps, work, "Task.focus")
        response = work.response
        if found or code != STATUS or response is None or not is_readable(self._names, response):
            return Intent(verb=Verb.IGNORE), found
        return self._answered(maps, "status Task", response, "Task.focus")

    def _cancel(self, maps: MapSet, work: Work, place: str) -> tuple[Intent, list[Problem]]:
        step, found = cancel_step(work.response, place)
        if found or step == "again" or work.response is None:
            return Intent(verb=Verb.IGNORE), found
        if step == "withdraw":
            return self._withdrawal(maps, work, work.response, place)
        return self._answered(maps, f"{step} Task", work.response, place)

    def _answered(
        self, maps: MapSet, interaction: str, response: dict[str, Any], place: str
    ) -> tuple[Intent, list[Problem]]:
        """The intent of a Task, read from what was answered to the claim that it is about."""
        root = Node(response, place, Scope(response, place, Library()), fixed=True)
        intent, found = maps.understand(interaction, root, {})
        kind = "chrg-bchno" if intent.verb is Verb.REFUND else "setl-id"
        numbers = numbers_of(self._names, response, kind)
        intent.numbers = numbers if len(numbers) > 1 else []
        return intent, found

    def _withdrawal(
        self, maps: MapSet, work: Work, response: dict[str, Any], place: str
    ) -> tuple[Intent, list[Problem]]:
        """The person is the one of the Claim that filed it."""
        kind = filing_kind(self._names, work.claim or {})
        if not kind or not response.get("preAuthRef"):
            return Intent(verb=Verb.IGNORE), [unknown_settlement(place)]
        scope = Scope(work.claim or {}, place, Library())
        root = Node(scope.root, place, scope, fixed=True)
        intent, found = maps.understand(f"withdraw-{kind} Task", root, {})
        complete_withdrawal(intent, work.document.resource, response)
        return intent, found


def _tell_places(intent: Intent, document: Document) -> None:
    """Say of every value where it stood in the message, not in its inner form."""
    for record in (
        intent.person,
        intent.visit,
        intent.facility,
        intent.settlement,
        intent.listing,
        *intent.diagnoses,
        *intent.charges,
        *intent.procedures,
        *intent.movements,
        *intent.transfusions,
    ):
        for code, source in record.sources.items():
            record.sources[code] = msgspec.structs.replace(
                source, place=document.said(source.place)
            )


def _encounters(root: Node) -> list[list[Node]]:
    """The identifiers of the encounters that a claim names."""
    found = []
    for node in encounter_references([root]):
        target = node.scope.follow(node)
        identifiers = (target or node).child("identifier")
        if identifiers:
            found.append(identifiers)
    return found


async def _visit_of_related(claim: dict[str, Any], store: PeerStore) -> str:
    """The visit number of a claim in Claim.related, by reference or identifier."""
    for related in as_list(claim.get("related")):
        target = related.get("claim", {})
        identity = await claim_of({"focus": target}, store)
        found = await store.resource("Claim", identity) if identity else None
        if found is not None and found.search.get(VISIT):
            return found.search[VISIT][0]
    return ""


def _item_answers(response: Resource) -> dict[str, list[Any]]:
    """The adjudications of a kept ClaimResponse by item sequence."""
    return {
        str(item["itemSequence"]): item["adjudication"]
        for item in as_list(decode_own(response.body).get("item"))
    }


def _is_settled(response: Resource) -> bool:
    """True for the answer to a claim whose lines are settled, or may be."""
    search = response.search
    return (
        search.get("use") == ["claim"]
        and search.get("status") == ["active"]
        and search.get("outcome") != ["error"]
    )
