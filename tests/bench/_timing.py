"""How the benchmarks take time, and how they show it.

Processor time of this process, and of several rounds the least: that is the round the least
disturbed by others on the machine. Behind it stands the least time on the clock. A target is printed beside its figure with whether it is met.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
WIDTH = 56


class Cost(float):
    """Microseconds of processor time; `wall` has those that passed on the clock."""

    wall: float = 0.0


def fastest(work: Callable[[], object], *, rounds: int = 20, seconds: float = 0.04) -> Cost:
    """What one call costs; a round is about so many seconds."""
    work()
    began = time.process_time()
    work()
    count = max(1, int(seconds / max(time.process_time() - began, 1e-6)))
    best = wall = float("inf")
    for _ in range(rounds):
        gc.collect()
        clock, began = time.perf_counter(), time.process_time()
        for _ in range(count):
            work()
        best = min(best, (time.process_time() - began) / count)
        wall = min(wall, (time.perf_counter() - clock) / count)
    cost = Cost(best * 1e6)
    cost.wall = wall * 1e6
    return cost


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, without the cost of an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waits for something")


def show(label: str, microseconds: float, target: float = 0) -> float:
    """Print a figure, and beside it its target if it has one; gives the figure back."""
    met = "met" if microseconds <= target else "NOT MET"
    verdict = f"   target {target:,.0f} µs: {met}" if target else ""
    wall = f"  ({microseconds.wall:,.0f} on the clock)" if isinstance(microseconds, Cost) else ""
    sys.stdout.write(f"{label:<{WIDTH}} {microseconds:>10,.0f} µs{wall}{verdict}\n")
    return microseconds


def show_ratio(label: str, ratio: float, most: float = 0) -> None:
    """Print a ratio, and whether it is within its bound if it has one."""
    met = "met" if ratio <= most else "NOT MET"
    verdict = f"      at most {most:.2f}: {met}" if most else ""
    sys.stdout.write(f"{label:<{WIDTH}} {ratio:>10.2f}{verdict}\n")


def find_python_hl7() -> Any:
    """The library python-hl7, None where it is not installed."""
    try:
        return importlib.import_module("hl7")
    except ImportError:
        return None
