"""Messages that are nearly right: shapes against the models, and the whole way to an answer."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from gateway.errors import MessageError
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.shapes import Shapes
from gateway.intents import Status
from gateway.settings import PeerSettings
from tests.acceptance.releases import in_release
from tests.fuzz.fhir_shapes import disagreements
from tests.unit.fhir.mutating import mutate

SHAPES = Shapes("R4B")


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
        tree = mutate(json.loads(encode(original)), dice)
        found = SHAPES.check(decode_own(json.dumps(tree)), tree["resourceType"])
        assert accepted_by_the_model(tree) or found, json.dumps(tree, ensure_ascii=False)


@pytest.mark.parametrize("models", ["R4B", "R5"])
@pytest.mark.parametrize("seed", range(3))
def test_checks_and_models_disagree_for_stated_reasons_only(
    *,
    models: str,
    seed: int,
    make_claim: Any,
    make_encounter: Any,
    make_request: Any,
    make_task: Any,
) -> None:
    """As `python -m tests.fuzz.fhir_shapes` does at length; what both accept has an XML."""
    release = "r5" if models == "R5" else "r4"
    made = [make_claim(), make_encounter(), make_request(), make_task("Claim/1")]
    trees = [json.loads(encode(in_release(tree, release))) for tree in made]
    seen: Counter[str] = Counter()

    assert list(disagreements(models, trees, count=200, seed=seed, reasons=seen)) == []
    assert seen["accepted by both"] > 10
    assert seen["refused by both"] > 50


@pytest.mark.parametrize("kind", ["claim", "encounter", "request", "task"])
def test_what_is_right_is_accepted_by_both(kind: str, request: pytest.FixtureRequest) -> None:
    """The messages that the mutations start from."""
    make = request.getfixturevalue(f"make_{kind}")
    tree = make("Claim/1") if kind == "task" else make()

    assert SHAPES.check(tree, tree["resourceType"]) == []
    assert accepted_by_the_model(json.loads(encode(tree)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["claim", "encounter", "request", "task"])
async def test_a_message_is_answered_or_refused_with_our_one_error(
    *,
    kind: str,
    seed: int,
    adapter: FHIRAdapter,
    peer: PeerSettings,
    settled: Any,
    assert_valid: Any,
    request: pytest.FixtureRequest,
) -> None:
    """Up to three mutations each, with the seed in the test's name; an answer is always FHIR."""
    make = request.getfixturevalue(f"make_{kind}")
    original = make("Claim/1") if kind == "task" else make()
    dice = random.Random(f"{kind}{seed}")  # noqa: S311 - chooses mutations
    for _ in range(150):
        tree = copy.deepcopy(original)
        for _ in range(dice.randrange(1, 4)):
            tree = mutate(tree, dice)
        with suppress(MessageError):
            message = await adapter.read(encode(tree), peer, {})
            intent, problems = await adapter.understand(message, peer)
            status = Status.INVALID if problems else dice.choice([Status.DONE, Status.UNKNOWN])
            result = settled(intent, status, problems=problems)
            answer = adapter.answer(message.kind, message.context, result)
            assert decode_own(answer.body)["resourceType"]
            if status is Status.DONE:
                assert_valid(answer.body)


@pytest.mark.parametrize("models", ["R4B", "R5"])
@pytest.mark.parametrize("seed", range(20))
def test_the_short_way_says_the_same_as_the_long_one(
    models: str, seed: int, make_claim: Any, make_encounter: Any
) -> None:
    """A message passes without places exactly when the walk with places finds nothing."""
    shapes = Shapes(models)
    dice = random.Random(f"{models}-{seed}")  # noqa: S311 - the same mutations in every run
    for make in (make_claim, make_encounter):
        for _ in range(20):
            tree = mutate(decode_own(encode(make())), dice)
            name = str(tree.get("resourceType"))
            slowly = next(iter(shapes._resource(tree, name)), None) is None
            assert shapes._resource_fits(tree) == slowly
