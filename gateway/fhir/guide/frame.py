"""What every resource of the guide begins with."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.fhir.names import Names
from gateway.fhir.release import Release

PUBLISHER = "fsi-gateway"
DATE = "2026-11-22"
"""When the definitions last changed."""


class Frame(NamedTuple):
    """Names, release and version of a guide."""

    names: Names
    release: Release
    version: str

    def canonical(self, type_name: str, name: str, zh: str, en: str) -> dict[str, Any]:
        """The head of a canonical resource: its URL, names, state and date."""
        return {
            "resourceType": type_name,
            "id": name,
            "url": f"{self.names.base}/{type_name}/{name}",
            "version": self.version,
            "name": computable(name),
            "title": zh,
            "status": "active",
            "experimental": False,
            "date": DATE,
            "publisher": PUBLISHER,
            "description": en,
        }


def computable(name: str) -> str:
    """A name as a program may use it (invariant xxx-0: a capital first, no punctuation).

    >>> computable("fsi-fund-pay-type")
    'FsiFundPayType'
    """
    return "".join(part[:1].upper() + part[1:] for part in name.replace("_", "-").split("-"))
