"""Whole days of a hospital on virtual time: every seed has its own faults, and holds.

`make simulate SEEDS=2000 FIRST=1` plays more; `python -m tests.simulation --show 17` tells one.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gateway.settings import UnknownPolicy
from tests.simulation.bugs import BUGS
from tests.simulation.plans import SETTLING, Plan
from tests.simulation.run import simulate
from tests.simulation.wire import FATES

SEEDS = 240
"""Seeds of a test run; the rest is for `make simulate`."""
PORTIONS = 8
CAUGHT_WITHIN = 200


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_no_seed_breaks_a_rule(portion: int) -> None:
    """Crashes, broken connections, a full disk, late and double requests: nothing is lost, nothing
    is done twice, both sides agree to the fen, and what the hospital was told is true.
    """
    seeds = range(1 + portion * SEEDS // PORTIONS, 1 + (portion + 1) * SEEDS // PORTIONS)
    found = {seed: run.findings for seed in seeds if (run := simulate(seed)).findings}
    assert found == {}


@pytest.mark.parametrize("policy", list(UnknownPolicy))
def test_a_crash_at_every_point_of_a_day_breaks_no_rule(policy: UnknownPolicy) -> None:
    """The gateway dies at one await after the other of the same day, replies lost beside it."""
    plan = Plan(policy=policy, visits=1, fates=("unanswered",), rate=0.1, aimed=True)
    points = simulate(5, plan).points
    found = {}
    for point in range(1, points):
        plan.crash_at = frozenset({point})
        if findings := simulate(5, plan).findings:
            found[point] = findings
    assert points > 50
    assert found == {}


@pytest.mark.parametrize("fate", FATES)
def test_a_platform_that_always_does_the_same_wrong_breaks_no_rule(fate: str) -> None:
    """Two of three requests that change something meet the same fate."""
    found = []
    for seed in range(8):
        found += simulate(seed, Plan(fates=(fate,), rate=0.66, aimed=True)).findings
    assert found == []


def test_a_reply_that_comes_after_the_timeout_ends_the_unknown_outcome() -> None:
    """Nobody decides, no policy reverses, nothing is read back: what was slow is known all the
    same, as its reply is still listened for.
    """
    runs = [
        simulate(seed, Plan(fates=("slow",), rate=0.66, only=SETTLING, operator=False))
        for seed in range(12)
    ]
    assert [(run.findings, run.unknown) for run in runs] == [([], 0)] * 12
    assert sum(run.settlements for run in runs) > 12


def test_a_day_without_faults_ends_with_every_message_done() -> None:
    """The rules are not kept by refusing everything: only what is wrong on purpose is refused."""
    runs = [simulate(seed, Plan()) for seed in range(20)]
    assert [(run.findings, run.failures) for run in runs] == [([], [])] * 20
    assert sum(run.settlements for run in runs) > 40  # two visits a day, nearly all of them settle


def test_the_same_seed_gives_the_same_trace() -> None:
    """Every message, write, request and crash, at the same time, twice."""
    assert [simulate(seed).digest for seed in range(1, 21)] == [
        simulate(seed).digest for seed in range(1, 21)
    ]


def test_another_process_gives_the_same_trace() -> None:
    """Whatever the hash seed of its Python is: no order comes from a set."""
    said = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--show", "54"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("name", list(BUGS))
def test_a_planted_bug_is_caught_within_200_seeds(name: str) -> None:
    """A simulation that notices nothing proves nothing."""
    with BUGS[name]():
        assert any(simulate(seed).findings for seed in range(1, CAUGHT_WITHIN + 1))
