"""Which types the published guide has, and the type that each of its profiles is of."""

from __future__ import annotations

from typing import Final

GUIDE_TYPES: Final = (
    "CapabilityStatement",
    "CodeSystem",
    "ImplementationGuide",
    "NamingSystem",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
)
"""Types of the resources of the guide."""

PROFILES: Final = {
    "fsi-claim": "Claim",
    "fsi-claim-predetermination": "Claim",
    "fsi-claim-preauthorization": "Claim",
    "fsi-claim-response": "ClaimResponse",
    "fsi-coverage": "Coverage",
    "fsi-eligibility-request": "CoverageEligibilityRequest",
    "fsi-eligibility-response": "CoverageEligibilityResponse",
    "fsi-encounter": "Encounter",
    "fsi-task-cancel": "Task",
}
"""Profile -> its resource type."""
