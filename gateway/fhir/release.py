"""The FHIR releases that are served, as one record each.

There is one inner form of every resource: that of R4, with what R5 has besides under its own
names. What a sender of another release writes is brought into it when it is read, and what is
answered is brought out of it. Everything else in this room is written against the inner form;
`gateway.fhir.forms` and `gateway.fhir.r5` are the only modules that know of differences.
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
    models: str
    """Which models of fhir.resources define its shapes: `R4B` or `R5`."""


R4 = Release(
    name="R4",
    segment="r4",
    version="4.0.1",
    mime_version="4.0",
    # fhir.resources 8 has no R4 models of its own. The resources served here have the same
    # elements in R4B (http://hl7.org/fhir/R4B/history.html: changes are in evidence and
    # medication definition resources only).
    models="R4B",
)

R4B = Release(name="R4B", segment="r4b", version="4.3.0", mime_version="4.3", models="R4B")

R5 = Release(name="R5", segment="r5", version="5.0.0", mime_version="5.0", models="R5")

RELEASES: tuple[Release, ...] = (R4, R4B, R5)

BY_SEGMENT: dict[str, Release] = {release.segment: release for release in RELEASES}

OTHER_RELEASES = ("dstu2", "stu3", "r6")
"""Path segments of releases that are not served, answered by saying which are."""
