"""The published guide: everything that the gateway means by its own names, as FHIR resources.

Profiles, extensions, code systems, value sets, naming systems, search parameters, operation
definitions, the CapabilityStatement and the ImplementationGuide that lists them. All are made from
the tables that the gateway runs by; structures are in differential form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir.capability import capability_statement
from gateway.fhir.guide.concepts import Dictionaries, code_systems, value_sets
from gateway.fhir.guide.conformance import (
    implementation_guide,
    naming_systems,
    operation_definitions,
    search_parameters,
)
from gateway.fhir.guide.frame import Frame
from gateway.fhir.guide.structures import extensions, profiles
from gateway.fhir.names import Names
from gateway.fhir.published import GUIDE_TYPES
from gateway.fhir.release import Release

__all__ = ["GUIDE_TYPES", "Guide"]


class Guide:
    """The guide in one release."""

    def __init__(
        self,
        names: Names,
        release: Release,
        dictionaries: Dictionaries,
        *,
        version: str,
        max_items: int,
    ) -> None:
        """Make every resource.

        `dictionaries` are the national ones, `version` is that of the software, `max_items` the
        setting.
        """
        frame = Frame(names, release, version)
        statement = capability_statement(names, release, names.base, version)
        made = [
            {"id": str(statement["url"]).rpartition("/")[2], **statement, "version": version},
            *profiles(frame, max_items),
            *extensions(frame),
            *code_systems(frame, dictionaries),
            *value_sets(frame),
            *naming_systems(frame),
            *search_parameters(frame),
            *operation_definitions(frame),
        ]
        self.release = release
        self.resources: list[dict[str, Any]] = [implementation_guide(frame, made), *made]
        self._by_name = {(one["resourceType"], one["id"]): one for one in self.resources}
        self._by_url = {one["url"]: one for one in self.resources if "url" in one}

    def of_type(self, type_name: str) -> list[dict[str, Any]]:
        """The resources of a type, in the order of the guide."""
        return [one for one in self.resources if one["resourceType"] == type_name]

    def find(self, type_name: str, identity: str) -> dict[str, Any] | None:
        """The resource of this id."""
        return self._by_name.get((type_name, identity))

    def by_url(self, url: str) -> dict[str, Any] | None:
        """The resource of this canonical URL, with or without a version behind `|`."""
        address, _, version = url.partition("|")
        found = self._by_url.get(address)
        return found if found is not None and version in {"", found["version"]} else None

    def display(self, system: str, code: str) -> str:
        """The label of a code of one of the code systems; empty when it is none."""
        found = self.by_url(system)
        rows: Iterable[dict[str, str]] = (found or {}).get("concept", [])
        return next((row["display"] for row in rows if row["code"] == code), "")

    def codings(self, value_set: dict[str, Any]) -> list[dict[str, str]] | None:
        """The codes of a value set of the guide; None where they are not all known here."""
        found: list[dict[str, str]] = []
        for include in value_set["compose"]["include"]:
            system = include["system"]
            rows = include.get("concept")
            if rows is None:
                known = self.by_url(system)
                if known is None or "concept" not in known:
                    return None
                rows = known["concept"]
            found += [{"system": system, **row} for row in rows]
        return found
