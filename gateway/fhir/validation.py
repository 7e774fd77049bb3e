"""What the models of fhir.resources say of a resource, beside our tables of shapes."""

from __future__ import annotations

import importlib
import json
from typing import Any

from pydantic import ValidationError

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.bindings import PACKAGES
from gateway.fhir.decode import encode
from gateway.fhir.release import Release

MAX_PROBLEMS = 50


def check_by_model(tree: dict[str, Any], release: Release) -> list[Problem]:
    """Findings of the model of a resource, each at its FHIRPath; texts never hold a value."""
    type_name = str(tree["resourceType"])
    model = importlib.import_module(PACKAGES[release.models]).get_fhir_model_class(type_name)
    try:
        # The models take numbers as floats; nothing of this copy is used for anything else.
        model.model_validate(json.loads(encode(tree)))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            problems.structure(
                _place(type_name, row["loc"]), "不符合资源定义", "not as the definition has it"
            )
            for row in found[:MAX_PROBLEMS]
        ]
    return []


def _place(type_name: str, location: tuple[int | str, ...]) -> str:
    """A FHIRPath from the location of a finding."""
    place = type_name
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return place
