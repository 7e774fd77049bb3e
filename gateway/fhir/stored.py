"""What this gateway answered before, read back.

Every kept resource carries search tokens beside its public ones: `_peer` (who may see it),
`_visit` (the hospital's visit number), `_content` (fingerprint of what was sent), `_base` (the
version it was sent upon), `_line` (`sequence=key` of an uploaded line), `_later` (an answer that
was not polled yet), `_of` (the resource that this is a version of), `_form` and `_url` (release
and base that it was made at) and `_gone` (who deleted it). A token that begins with `_` is no
search parameter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from gateway.fhir.decode import decode_own
from gateway.fhir.references import local_name, references_in
from gateway.intents import Resource

PEER, VISIT, CONTENT, BASE, LINE = "_peer", "_visit", "_content", "_base", "_line"
LATER, OF = "_later", "_of"
FORM, URL, GONE = "_form", "_url", "_gone"

LATER_TYPE = "Later"
"""Type under which marks of answers are kept that their clients have to come back for."""
REFUSED_TYPE = "Refused"
"""Type under which refusals of asynchronous questions are kept: they leave no resource."""
VERSIONS = "/_history"
"""Behind a type: the type under which the earlier versions of its resources are kept."""

KEPT_TYPES = frozenset(
    {
        "Claim",
        "ClaimResponse",
        "Coverage",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "Encounter",
        "Patient",
        "PaymentNotice",
        "Subscription",
        "Task",
    }
)
"""Types that are kept with an answer, and so can be read and searched."""

REVISED_TYPES = frozenset({"Coverage", "Encounter", "Patient", "PaymentNotice", "Subscription"})
"""Types of which each version is kept; of the others, those that a later answer replaced."""

_NAMED = tuple(f"{name}/".encode() for name in sorted(KEPT_TYPES))

MAX_LOOKUPS = 20
"""References of one message that are looked up in the store."""


def may_refer(raw: bytes) -> bool:
    """False when nothing in these bytes can be a reference to a kept resource."""
    if b"\\" in raw:  # JSON may write the slash of a reference, or any letter, in another way
        return True
    if raw.count(b'"reference"') == raw.count(b'"reference":"#'):
        return False  # each is to a contained resource
    return any(name in raw for name in _NAMED)


class Book(Protocol):
    """What longer work of the gateway keeps."""

    @property
    def data(self) -> bytes:
        """What is kept."""
        ...


class ResourceReader(Protocol):
    """The part of the journal that keeps resources."""

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - FHIR's words
        """The resource, or None."""
        ...

    async def search_resources(
        self,
        type: str,  # noqa: A002 - FHIR's word
        params: Mapping[str, Sequence[str]],
        limit: int,
        offset: int,
    ) -> tuple[int, list[Resource]]:
        """How many have all the tokens, and a page of them, newest first."""
        ...

    async def book(self, kind: str, key: str) -> Book | None:
        """What longer work keeps under this key."""
        ...


class NothingAnswered:
    """The resources of a gateway that has answered nothing: for explaining a file."""

    async def book(self, kind: str, key: str) -> None:
        """No book."""
        del kind, key

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - FHIR's words
        """No resource."""
        del type, id
        return None

    async def search_resources(
        self,
        type: str,  # noqa: A002 - FHIR's word
        params: Mapping[str, Sequence[str]],
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, list[Resource]]:
        """No resources."""
        del type, params, limit, offset
        return 0, []


Present = Callable[[Resource], Awaitable[Resource]]
"""A kept Subscription as it stands: with the status that its delivery gave it."""


class Maker(Protocol):
    """Makes the resources of a type for one peer."""

    async def one(self, identity: str) -> Resource | None:
        """The resource of this id."""
        ...

    async def page(
        self, tokens: Mapping[str, Sequence[str]], limit: int, offset: int
    ) -> tuple[int, list[Resource]]:
        """How many resources have these tokens, and a page of them, newest first."""
        ...


class PeerStore:
    """The kept resources that one peer may see."""

    def __init__(
        self,
        reader: ResourceReader,
        peer: str,
        present: Present | None = None,
        fixed: Mapping[str, Sequence[Resource]] | None = None,
        made: Mapping[str, Maker] | None = None,
    ) -> None:
        """`fixed` are resources, by type, that come from elsewhere than the journal.

        `made` are the types of resources that are made of what the journal keeps otherwise.
        """
        self._made = made or {}
        self._reader = reader
        self._peer = peer
        self._present = present
        self._fixed = fixed or {}

    async def kept(self, type_name: str, identity: str) -> Resource | None:
        """The resource as it was kept, or None when there is none or it is another peer's."""
        if type_name in self._made:
            return await self._made[type_name].one(identity)
        if type_name in self._fixed:
            return next((one for one in self._fixed[type_name] if one.id == identity), None)
        found = await self._reader.resource(type_name, identity)
        return found if found is not None and self._peer in found.search.get(PEER, []) else None

    async def is_gone(self, type_name: str, identity: str) -> bool:
        """True for a resource that the peer deleted."""
        found = await self._reader.resource(type_name, identity)
        return found is not None and self._peer in found.search.get(GONE, [])

    async def resource(self, type_name: str, identity: str) -> Resource | None:
        """The resource as it stands, or None when there is none or it is another peer's."""
        found = await self.kept(type_name, identity)
        if found is None or self._present is None or type_name != "Subscription":
            return found
        return await self._present(found)

    async def body(self, type_name: str, identity: str) -> dict[str, Any] | None:
        """The resource as a tree."""
        found = await self.resource(type_name, identity)
        return decode_own(found.body) if found is not None else None

    async def search(
        self, type_name: str, tokens: Mapping[str, Sequence[str]], limit: int, offset: int = 0
    ) -> tuple[int, list[Resource]]:
        """How many of this peer's resources have all the tokens, and a page of them."""
        if type_name in self._made:
            return await self._made[type_name].page(tokens, limit, offset)
        if type_name in self._fixed:
            fitting = [one for one in self._fixed[type_name] if has_tokens(one, tokens)]
            return len(fitting), fitting[offset : offset + limit]
        wanted = {name: list(values) for name, values in tokens.items()}
        total, found = await self._reader.search_resources(
            type_name, wanted | {PEER: [self._peer]}, limit, offset
        )
        if self._present is not None and type_name == "Subscription":
            found = [await self._present(one) for one in found]
        return total, found

    async def versions(
        self, type_name: str, identity: str, limit: int, offset: int = 0
    ) -> tuple[int, list[Resource]]:
        """How many versions of a resource are kept, and a page of them, newest first."""
        return await self.search(type_name + VERSIONS, {OF: [identity]}, limit, offset)

    async def version(self, type_name: str, identity: str, version: str) -> Resource | None:
        """A version of a resource that is kept."""
        return await self.resource(type_name + VERSIONS, f"{identity}/{version}")

    async def referred(self, resources: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Kept resources that the given ones refer to, by `Type/id`."""
        found: dict[str, dict[str, Any]] = {}
        names = dict.fromkeys(
            local_name(text) for resource in resources for text in references_in(resource)
        )
        for name in list(names)[:MAX_LOOKUPS]:
            type_name, slash, identity = name.partition("/")
            if slash and type_name in KEPT_TYPES:
                body = await self.body(type_name, identity)
                if body is not None:
                    found[name] = body
        return found


def has_tokens(resource: Resource, wanted: Mapping[str, Sequence[str]]) -> bool:
    """True for a resource that a search by these tokens finds."""
    return all(
        set(values) & set([resource.id] if name == "_id" else resource.search.get(name, []))
        for name, values in wanted.items()
    )


def tokens_of(identifiers: Iterable[Any]) -> list[str]:
    """The search tokens of Identifiers: `system|value`, `value`, `system|` (search.html#token)."""
    tokens: list[str] = []
    for identifier in identifiers:
        if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
            continue
        system, value = identifier.get("system") or "", identifier["value"]
        tokens += [f"{system}|{value}", value]
        if system:
            tokens.append(f"{system}|")
    return tokens


def tokens_of_codes(concept: Mapping[str, Any]) -> list[str]:
    """The search tokens of a CodeableConcept: its codes."""
    return [str(coding["code"]) for coding in concept.get("coding", []) if "code" in coding]
