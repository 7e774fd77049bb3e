"""Bytes to a document: JSON under limits, the resource of the interaction, its shape.

What is wrong with the form of a message is found here and answered 400; what is wrong with its
content is found later and answered 422 (https://hl7.org/fhir/R4/http.html#create).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import InvalidError, Problem, UnreadableError, UnsupportedError
from gateway.fhir import problems
from gateway.fhir.claims import may_hold_foreign_money
from gateway.fhir.decode import canonical, decode
from gateway.fhir.forms import Forms, said
from gateway.fhir.modifiers import may_be_modified
from gateway.fhir.references import Library, Node, as_list, root_node
from gateway.fhir.release import Release
from gateway.fhir.tokens import may_hold_certificate, without_token
from gateway.settings import FHIRSettings

CREATED_TYPES = (
    "Claim",
    "CoverageEligibilityRequest",
    "Encounter",
    "Patient",
    "PaymentNotice",
    "Subscription",
    "Task",
)
"""Types that can be created."""
UPDATED_TYPES = ("Claim", "Encounter", "Patient", "Subscription")
"""Types that can be updated (a Claim only to cancel it)."""
DELETED_TYPES = ("Subscription",)
"""Types that can be deleted."""
_SERVED = {
    "update": UPDATED_TYPES,
    "delete": DELETED_TYPES,
    "match": ("Patient",),
    "inquire": ("Task",),
}


class Document(msgspec.Struct):
    """A message in parsed form: the resource it is about, and what came with it."""

    interaction: str
    """`create`, `update` or `submit`."""
    resource: dict[str, Any]
    place: str
    """FHIRPath of the resource: `Claim`, or `Bundle.entry[0].resource`."""
    library: Library
    fingerprint: str
    others: list[dict[str, Any]] = []
    """The other resources of the Bundle."""
    moves: Mapping[str, str] = {}
    """Places of the inner form that are others in the message (`gateway.fhir.forms`)."""

    @property
    def type_name(self) -> str:
        """Its resource type."""
        return str(self.resource["resourceType"])

    certified: bool = True
    """A certificate may stand in it."""
    modified: bool = True
    """A modifier extension or implicit rule may stand in it."""
    foreign: bool = True
    """An amount in another currency may stand in it."""

    def root(self) -> Node:
        """The node of the resource."""
        return root_node(self.resource, self.place, self.library)

    def said(self, place: str) -> str:
        """A place of the inner form in the words of the message."""
        return said(self.moves, place)


class Reader:
    """Reads the messages of one release."""

    def __init__(self, release: Release, settings: FHIRSettings) -> None:
        self._settings = settings
        self.forms = Forms(release)
        self.shapes = self.forms.shapes
        for type_name in (*CREATED_TYPES, "Bundle", "Parameters"):
            self.shapes.of(type_name)

    def read(self, raw: bytes, meta: Mapping[str, str]) -> Document:
        """The document of a request with `interaction`, `type` and, for an update, `id`.

        Without them, as for a file, the resource itself says what is meant: a Bundle is submitted
        and any other resource is created.

        Raises:
            UnreadableError: no JSON, not the resource of this interaction, or of wrong shape.
            UnsupportedError: the interaction does not exist for this type.
            InvalidError: more items than are taken.
        """
        tree = decode(raw, max_depth=self._settings.max_depth)
        interaction, wanted = _meant(tree, meta)
        if wanted not in _SERVED.get(interaction, CREATED_TYPES):
            raise UnsupportedError([problems.unsupported_type(_name_of(tree))])
        # A deletion has no resource: only the name of one.
        found = [] if interaction == "delete" else self.shapes.check(tree, _name_of(tree))
        if found:
            raise UnreadableError(found)
        inner = self.forms.inward(tree)
        content = _content(inner.tree, interaction)
        certified = may_hold_certificate(raw)
        fingerprint = sm3(canonical(without_token(content) if certified else content)).hex()
        document = self._document(inner.tree, interaction, fingerprint)
        document.moves = inner.moves
        document.certified = certified
        document.modified = may_be_modified(raw)
        document.foreign = may_hold_foreign_money(raw)
        if document.type_name != wanted:
            raise UnreadableError([_wrong_root(document.place, wanted)])
        if interaction == "update" and document.resource.get("id") != meta.get("id"):
            raise UnreadableError(
                [
                    problems.wrong_value(
                        f"{document.place}.id",
                        "资源的id与URL中的id不一致",
                        "the id of the resource is not the id in the URL",
                    )
                ]
            )
        if len(as_list(document.resource.get("item"))) > self._settings.max_items:
            raise InvalidError([self._too_many_items(document.place)])
        return document

    def _document(self, tree: dict[str, Any], interaction: str, fingerprint: str) -> Document:
        library = Library()
        if interaction == "submit" and tree["resourceType"] == "Parameters":
            for index, parameter in enumerate(as_list(tree.get("parameter"))):
                if parameter.get("name") == "resource" and "resource" in parameter:
                    place = f"Parameters.parameter[{index}].resource"
                    return Document(interaction, parameter["resource"], place, library, fingerprint)
            raise UnreadableError([_wrong_root("Parameters.parameter", "Claim")])
        if interaction != "submit" or tree["resourceType"] != "Bundle":
            return Document(interaction, tree, tree["resourceType"], library, fingerprint)
        entries = [
            (entry["resource"], f"Bundle.entry[{index}].resource", entry.get("fullUrl", ""))
            for index, entry in enumerate(as_list(tree.get("entry")))
            if "resource" in entry
        ]
        if not entries:
            raise UnreadableError([_wrong_root("Bundle.entry", "Claim")])
        for resource, place, full_url in entries:
            library.add_entry(resource, place, full_url)
        resources = [resource for resource, _, _ in entries]
        return Document(
            interaction, resources[0], entries[0][1], library, fingerprint, resources[1:]
        )

    def _too_many_items(self, place: str) -> Problem:
        most = self._settings.max_items
        return problems.too_much(
            f"费用明细超过{most}行", f"more than {most} items", f"{place}.item"
        )


def _meant(tree: dict[str, Any], meta: Mapping[str, str]) -> tuple[str, str]:
    """Interaction and type, as stated or as a file means them."""
    name = _name_of(tree)
    if "interaction" in meta:
        return meta["interaction"], meta["type"]
    return ("submit", "Claim") if name in {"Bundle", "Parameters"} else ("create", name)


def _name_of(tree: dict[str, Any]) -> str:
    name = tree.get("resourceType")
    return name if isinstance(name, str) and name.isascii() and name.isalpha() else ""


def _content(tree: dict[str, Any], interaction: str) -> dict[str, Any]:
    """What makes two messages the same: id and meta of a create are ignored (X-002)."""
    if interaction in {"update", "delete"}:
        return {name: value for name, value in tree.items() if name != "meta"}
    return {name: value for name, value in tree.items() if name not in {"id", "meta"}}


def _wrong_root(place: str, wanted: str) -> Problem:
    return problems.structure(
        place, f"此处应为{wanted}资源", f"a {wanted} resource is expected here"
    )
