"""The shape checks are never laxer than the models of fhir.resources, and stricter for known reasons.

    python -m tests.fuzz.fhir_shapes --models R5 --count 30000 --seed 7 FOLDER [FOLDER ...]

Resources in JSON below the folders are mutated once or twice. Each mutation that the models
refuse and the checks accept is printed; so is each one that only the checks refuse, unless the
reason is one that `gateway.fhir.shapes` states. What both accept is written as XML and has to read
back as it was.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.errors import Problem
from gateway.fhir.decode import decode_own
from gateway.fhir.shapes import Shapes
from gateway.fhir.xml import encode_xml
from tests.fhir_xml import model_of, read_xml, same
from tests.unit.fhir.mutating import mutate

SHOWN = 40
"""Characters of a value that are printed."""
EDGES: tuple[Any, ...] = (
    *("2026", "2026-02", "2026-02-29", "2024-02-29", "2026-2-1", "0000-01-01", "20260301"),
    *("2026-03-02T10:30:00+08:00", "2026-03-02T10:30:00", "2026-03-02T24:00:00Z", "10:30:00"),
    *("2026-03-02T10:30:00.123456789Z", "2026-03-02T10:30:60Z", "2026-03-02T10:30Z", "10:30"),
    *("a", "a b", "a  b", " a", "a\n", "\t", "\u3000", "\u00a0a", "a\u0001", "𠮷", "x" * 65),
    *(
        "urn:x",
        "urn:oid:1.2",
        "urn:oid:4.2",
        "http://a b",
        "#p",
        "YQ==",
        "YQ=",
        "YQ",
        "====",
        "text/x",
    ),
    *(0, 1, -1, 2147483647, 2147483648, -2147483649, 1e15, 1e-9, 1.0, 12.50, True, False),
    *("0", "1", "-1", "1.5", "true", "active", "1e3", "+1"),
)
"""Values beside those of the mutations: the last right ones and the first wrong ones of types."""


def originals(shapes: Shapes, folders: list[Path]) -> list[dict[str, Any]]:
    """The resources below the folders that have a right shape."""
    found = []
    for path in sorted(one for folder in folders for one in folder.rglob("*.json")):
        tree = json.loads(path.read_text("utf-8"))
        if isinstance(tree, dict) and not shapes.check(decode_own(path.read_bytes()), "it"):
            found.append(tree)
    return found


def edge(tree: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The tree with one of its plain values replaced, in place."""
    spots: list[tuple[Any, Any]] = []
    stack: list[Any] = [tree]
    while stack:
        value = stack.pop()
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            if isinstance(inner, dict | list):
                stack.append(inner)
            elif key != "resourceType":
                spots.append((value, key))
    if spots:
        holder, key = dice.choice(spots)
        holder[key] = dice.choice(EDGES)
    return tree


def refused_by_the_model(models: str, tree: dict[str, Any]) -> str:
    """What fhir.resources says; empty when it accepts."""
    try:
        model_of(models, str(tree["resourceType"])).model_validate(json.loads(json.dumps(tree)))
    except ValidationError as error:
        row = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, row['loc']))}: {row['msg']}"
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def at(tree: Any, place: str) -> Any:
    """The value at a place of a finding; None where there is none."""
    for part in place.replace("[", ".[").split(".")[1:]:
        if part.startswith("["):
            number = int(part[1:-1])
            tree = tree[number] if isinstance(tree, list) and number < len(tree) else None
        else:
            tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def reason(problem: Problem, tree: dict[str, Any]) -> str:
    """Why the checks are stricter than the models here; empty where nobody stated it."""
    value = at(tree, problem.place)
    if value is None and "required" not in problem.en:
        return "null"
    if value in ("", [], {}) or (isinstance(value, str) and not value.strip()):
        return "empty"
    if "required value set" in problem.en:
        return "a required binding"
    if "a required element" in problem.en:
        holder, _, name = problem.place.rpartition(".")
        beside = at(tree, f"{holder}._{name}")
        return "a value that is only explained" if beside is not None else ""
    if "narrative" in problem.en:
        return "a narrative"
    if "not of type" in problem.en:
        return f"{type(value).__name__} as {problem.en.rpartition(' ')[2]}"
    return ""


def disagreements(
    models: str, trees: list[dict[str, Any]], *, count: int, seed: int, reasons: Counter[str]
) -> Iterator[str]:
    """What the two say differently without a stated reason, one line each."""
    shapes = Shapes(models)
    dice = random.Random(seed)  # noqa: S311 - chooses mutations
    for _ in range(count):
        tree = json.loads(json.dumps(dice.choice(trees)))
        for _ in range(dice.randrange(1, 3)):
            tree = edge(tree, dice) if dice.randrange(2) else mutate(tree, dice)
        ours = decode_own(json.dumps(tree))
        found = shapes.check(ours, str(tree["resourceType"]))
        theirs = refused_by_the_model(models, tree)
        if theirs and not found:
            yield f"laxer: {theirs[:200]}: {json.dumps(tree, ensure_ascii=False)[:2000]}"
        elif found and not theirs:
            why = [reason(one, tree) for one in found]
            reasons.update(why)
            for one, stated in zip(found, why, strict=True):
                if not stated:
                    value = repr(at(tree, one.place))[:SHOWN]
                    yield f"stricter: {one.place}: {one.en}: {value}"
        elif not found:
            again, faults = read_xml(models, encode_xml(ours, shapes))
            reasons["accepted by both"] += 1
            if faults or not same(again, ours):
                yield f"XML: {faults[:3]}: {json.dumps(tree, ensure_ascii=False)[:2000]}"
        else:
            reasons["refused by both"] += 1


def main() -> int:
    """Run a session; 1 when there was a disagreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", choices=["R4B", "R5"], default="R4B")
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args()
    trees = originals(Shapes(asked.models), asked.folders)
    reasons: Counter[str] = Counter()
    number = 0
    for line in disagreements(
        asked.models, trees, count=asked.count, seed=asked.seed, reasons=reasons
    ):
        number += 1
        sys.stdout.write(f"{line}\n")
    for name, times in reasons.most_common():
        sys.stdout.write(f"{times:8} {name}\n")
    sys.stdout.write(f"{asked.count} mutations of {len(trees)} resources: {number} disagreements\n")
    return 1 if number else 0


if __name__ == "__main__":
    sys.exit(main())
