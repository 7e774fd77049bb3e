"""What differs between FHIR releases, as one record a release.

Everything else in this room is written against a release record, so that R4B and R5 are further
records with their own maps and answer shapes, and not further branches in the code.
"""

from __future__ import annotations

import msgspec


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One FHIR release that is served."""

    name: str
    """As people say it: `R4`."""
    segment: str
    """Last part of its base path: `r4`."""
    version: str
    """CapabilityStatement.fhirVersion."""
    mime_version: str
    """Value of the `fhirVersion` MIME type parameter (http.html, section 3.1.0.1.11)."""
    model_package: str
    """Sub-package of fhir.resources whose models define the shapes."""
    maps: str
    """Folder of its message maps under mappings/messages."""


R4 = Release(
    name="R4",
    segment="r4",
    version="4.0.1",
    mime_version="4.0",
    # fhir.resources 8 has no R4 models of its own. The resources served here have the same
    # elements in R4B (http://hl7.org/fhir/R4B/history.html: changes are in evidence and
    # medication definition resources only).
    model_package="R4B",
    maps="fhir",
)

RELEASES: tuple[Release, ...] = (R4,)
