"""How a bug is planted: a patch of one real part, while it is tried."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Bug = Callable[[], Any]
BUGS: dict[str, Bug] = {}
"""Name to what plants it: a context manager."""


def bug(plant: Callable[[], Any]) -> Bug:
    """Name it by what it does."""
    BUGS[plant.__name__.replace("_", " ")] = plant
    return plant


@contextlib.contextmanager
def both(one: Any, other: Any) -> Iterator[None]:
    """Two patches at once."""
    with one, other:
        yield
