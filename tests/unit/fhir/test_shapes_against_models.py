"""The compiled shapes and the models they are compiled from, on mutations of one message."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from gateway.fhir.decode import decode_own, encode
from gateway.fhir.shapes import Shapes

SHAPES = Shapes("R4B")
WRONG: list[Any] = [None, "", " ", [], {}, 0, -1, True, "x y", ["a"], {"a": 1}, 1.5, "2026-13-01"]


def mutated(tree: Any, dice: random.Random) -> Any:
    """One element, somewhere, removed, renamed, or replaced by something else."""
    spots: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack:
        value = stack.pop()
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            if key != "resourceType":
                spots.append((value, key))
            if isinstance(inner, dict | list):
                stack.append(inner)
    holder, key = dice.choice(spots)
    match dice.randrange(3):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        case _:
            holder[key] = dice.choice(WRONG)
    return tree


def accepted_by_the_model(tree: dict[str, Any]) -> bool:
    """What fhir.resources says."""
    try:
        get_fhir_model_class(tree["resourceType"]).model_validate(copy.deepcopy(tree))
    except (ValidationError, ValueError, AttributeError, TypeError):
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["claim", "encounter", "request", "task"])
def test_what_the_models_refuse_is_refused(
    kind: str, seed: int, request: pytest.FixtureRequest
) -> None:
    """Ours are never laxer: a hundred mutations each, with the seed in the test's name."""
    make = request.getfixturevalue(f"make_{kind}")
    original = make("Claim/1") if kind == "task" else make()
    dice = random.Random(f"{kind}{seed}")  # noqa: S311 - chooses mutations
    for _ in range(100):
        tree = mutated(json.loads(encode(original)), dice)
        found = SHAPES.check(decode_own(json.dumps(tree)), tree["resourceType"])
        assert accepted_by_the_model(tree) or found, json.dumps(tree, ensure_ascii=False)


@pytest.mark.parametrize("kind", ["claim", "encounter", "request", "task"])
def test_what_is_right_is_accepted_by_both(kind: str, request: pytest.FixtureRequest) -> None:
    """The messages that the mutations start from."""
    make = request.getfixturevalue(f"make_{kind}")
    tree = make("Claim/1") if kind == "task" else make()

    assert SHAPES.check(tree, tree["resourceType"]) == []
    assert accepted_by_the_model(json.loads(encode(tree)))
