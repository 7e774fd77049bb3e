"""Which models define a release, and required bindings that they do not have whole."""

from __future__ import annotations

from collections.abc import Mapping

_ENCOUNTER_STATUS = frozenset(
    {
        "planned",
        "arrived",
        "triaged",
        "in-progress",
        "onleave",
        "finished",
        "cancelled",
        "entered-in-error",
        "unknown",
    }
)
_TASK_STATUS = frozenset(
    {
        "draft",
        "requested",
        "received",
        "accepted",
        "rejected",
        "ready",
        "cancelled",
        "in-progress",
        "on-hold",
        "failed",
        "completed",
        "entered-in-error",
    }
)

Bindings = Mapping[tuple[str, str], frozenset[str]]

BINDINGS: dict[str, Bindings] = {
    "R4B": {
        ("Encounter", "status"): _ENCOUNTER_STATUS,
        ("EncounterStatusHistory", "status"): _ENCOUNTER_STATUS,
        ("Task", "status"): _TASK_STATUS,
    },
    "R5": {("Task", "status"): _TASK_STATUS},
}
"""Required bindings of which the models only show the beginning."""

PACKAGES = {"R4B": "fhir.resources.R4B", "R5": "fhir.resources"}
"""Models of a release -> where fhir.resources has them."""
