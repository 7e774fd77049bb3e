"""Resources that are nearly right, made by dice out of right ones."""

from __future__ import annotations

import copy
import random
from typing import Any

WRONG: list[Any] = [None, "", " ", [], {}, 0, -1, True, "x y", ["a"], {"a": 1}, 1.5, "2026-13-01"]


def mutate(tree: Any, dice: random.Random) -> Any:
    """Change one element, somewhere, in place.

    It is removed, renamed, only explained, put into a list, or replaced by something else.
    """
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
    match dice.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            del holder[key]
            holder[f"_{key}"] = {"extension": [{"url": "urn:why", "valueCode": "unknown"}]}
        case 3:
            holder[key] = [holder[key]]
        case _:
            holder[key] = copy.deepcopy(dice.choice(WRONG))
    return tree
