"""Parts that all answered resources are built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from gateway.clock import CHINA
from gateway.crypto.sm import sm3
from gateway.errors import Problem
from gateway.fhir.decode import canonical, encode_answer
from gateway.fhir.names import CURRENCY, ERROR_PLACE, Names
from gateway.fhir.stored import OF, PEER, VERSIONS
from gateway.fhir.texts import scalar
from gateway.intents import Resource


class Exchange(msgspec.Struct, kw_only=True):
    """What is kept of a question in order to answer it, now or after a restart.

    The texts are JSON of resources, without any certificate extension.
    """

    interaction: str
    type: str
    id: str
    base: str
    """Base URL as the sender sees it, without a slash at the end."""
    peer: str
    received: str
    """When the question arrived: a FHIR instant."""
    content: str
    """Fingerprint of the question."""
    resource: str
    waits: bool = False
    """The sender was told that we have the question, and asks for the answer later."""
    version: int = 1
    """Encounter: which version of it this makes."""
    step: str = ""
    """Which map was chosen where the answer depends on it."""
    items: dict[str, str] = {}
    """Claim: by item sequence, the adjudications that an earlier answer gave for this very line."""
    claim: str = ""
    """Task: the Claim in focus."""
    response: str = ""
    """Task: the ClaimResponse to that Claim."""
    lines: list[str] = []
    """Task: the line tokens that were kept with that ClaimResponse."""
    reversal: str = ""
    """Task on a claim that is cancelled already: the id of the ClaimResponse that did it."""
    found: list[str] = []
    """Task that asks: the answers (`Type/id`) that it is told."""
    release: str = ""
    """Path segment of the release that the question has the form of."""

    @property
    def meta(self) -> dict[str, str]:
        """What the adapter was told of the request."""
        told = {"interaction": self.interaction, "type": self.type, "base": self.base}
        if self.interaction not in {"create", "submit"}:
            told["id"] = self.id
        if self.release:
            told["release"] = self.release
        if self.interaction == "match" or self.type == "Task":
            told["asked"] = self.received
        return told | ({"wait": "async"} if self.waits else {})

    def url(self, type_name: str, identity: str) -> str:
        """Absolute URL of a resource of ours."""
        return f"{self.base}/{type_name}/{identity}"

    def id_of(self, purpose: str) -> str:
        """A further id that this exchange always gives again."""
        return identity(self.peer, self.type, self.id, purpose)


def identity(*parts: str) -> str:
    """A resource id that the same parts always give: 32 hexadecimal digits."""
    return sm3("\x1f".join(parts).encode()).hex()[:32]


def instant(moment: datetime) -> str:
    """A FHIR instant in China Standard Time, to the second.

    >>> instant(datetime(2026, 3, 1, 1, 5, tzinfo=CHINA))
    '2026-03-01T01:05:00+08:00'
    """
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def stamped(
    resource: dict[str, Any],
    updated: str,
    version: str = "",
    *,
    waiting: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The resource with meta; without a version given, its content is the version.

    `waiting` is the tag of a resource whose outcome is not known.
    """
    plain = {name: value for name, value in resource.items() if name != "meta"}
    version = version or sm3(canonical(plain)).hex()[:12]
    meta: dict[str, Any] = {"versionId": version, "lastUpdated": updated}
    if waiting is not None:
        meta["tag"] = [waiting]
    head: dict[str, Any] = {n: plain.pop(n) for n in ("resourceType", "id") if n in plain}
    return {**head, "meta": meta, **plain}


def is_waiting(resource: Mapping[str, Any]) -> bool:
    """True while the outcome behind a kept resource is not known."""
    return (
        resource.get("outcome") == "queued"
        or (resource.get("resourceType"), resource.get("status")) == ("Task", "in-progress")
        or bool(resource.get("meta", {}).get("tag"))
    )


def kept(resource: dict[str, Any], peer: str, search: Mapping[str, Iterable[str]]) -> Resource:
    """The resource for the store, readable by this peer."""
    tokens = {name: list(dict.fromkeys(values)) for name, values in search.items()}
    return Resource(
        type=resource["resourceType"],
        id=resource["id"],
        body=encode_answer(resource),
        search={name: values for name, values in tokens.items() if values} | {PEER: [peer]},
    )


def version_of(resource: Resource, version: str) -> Resource:
    """A copy that stays when the resource is replaced."""
    return Resource(
        type=resource.type + VERSIONS,
        id=f"{resource.id}/{version}",
        body=resource.body,
        search={PEER: resource.search[PEER], OF: [resource.id]},
    )


def concept(system: str, code: str, display: str = "") -> dict[str, Any]:
    """A CodeableConcept of one code."""
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}


def error_place(names: Names, place: str) -> dict[str, Any]:
    """The extension that says where an error is; R5 has an element for it."""
    return {"url": names.extension(ERROR_PLACE), "valueString": place}


def money(amount: Decimal) -> dict[str, Any]:
    """A Money in yuan, with the digits that the amount has."""
    return {"value": amount, "currency": CURRENCY}


def decimal_of(text: str) -> Decimal | None:
    """The exact number that a text of the platform is, or None."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def identifiers(names: Names, pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Identifiers of our systems, without the empty and repeated ones."""
    return [
        {"system": names.identifier(name), "value": value}
        for name, value in dict.fromkeys(pairs)
        if value
    ]


def outward(reference: Any, fallback: str) -> dict[str, Any]:
    """A reference that still means something outside the message it came in.

    What it said of the person or place beside the link is not repeated. `fallback` is the display
    of a reference that led into the message only.
    """
    if isinstance(reference, dict):
        link = reference.get("reference")
        if isinstance(link, str) and not link.startswith(("#", "urn:")):
            return {"reference": link}
        identifier = reference.get("identifier")
        if isinstance(identifier, dict) and identifier.get("value"):
            return {"identifier": identifier}
    return {"display": fallback}


def patient_reference(names: Names, reference: Any, psn_no: str) -> dict[str, Any]:
    """The patient by the sender's own link and the national person number."""
    link = outward(reference, "参保人")
    if not psn_no:
        return link
    number = {"system": names.identifier("psn-no"), "value": psn_no}
    return {name: link[name] for name in ("reference",) if name in link} | {"identifier": number}


def reference_tokens(reference: Any) -> list[str]:
    """Search tokens of a Reference: as written, and its last part (`Patient/1`, `1`)."""
    link = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(link, str):
        return []
    local = "/".join(link.rsplit("/", 2)[-2:])
    return [link, local, link.rsplit("/", 1)[-1]]


def first_stop(problems: Iterable[Problem]) -> Problem | None:
    """The first problem that stopped a message."""
    return next((problem for problem in problems if problem.stops), None)


def status_tokens(resource: Mapping[str, Any], *names: str) -> dict[str, list[str]]:
    """Search tokens of plain code elements."""
    return {name: [scalar(resource[name])] for name in names if name in resource}
