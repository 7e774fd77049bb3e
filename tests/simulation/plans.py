"""What goes wrong in a run, decided by the seed before anything happens."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from gateway.settings import UnknownPolicy
from tests.simulation.wire import FATES

CALM = 150.0
"""Virtual seconds after which nothing goes wrong any more."""

STEPS = (-3_600.0, -2.0, 7.0, 90_000.0)
"""By how many seconds the wall clock may jump: to tomorrow, among others."""
YESTERDAY = -90_000.0

SETTLING = frozenset({"2102", "2103", "2207", "2208", "2304", "2305", "2601"})
"""Transactions that make or undo a settlement."""


@dataclass
class Plan:
    """The faults of a run; times are virtual seconds."""

    policy: UnknownPolicy = UnknownPolicy.HOLD
    lenient: bool = False
    """The platform takes things a second time."""
    operator: bool = True
    """Somebody decides in the end what stays unknown."""
    looks: tuple[float, ...] = ()
    """When somebody looks at it in the middle of the day, and confirms what has happened."""
    careless: bool = False
    """Whoever decides looks at the wrong line of the page first."""
    fates: tuple[str, ...] = ()
    rate: float = 0.0
    """Share of requests that meet one of `fates`."""
    aimed: bool = False
    """Only transactions that change something meet a fate."""
    only: frozenset[str] = frozenset()
    """The transactions that meet a fate; empty for all."""
    crash_at: frozenset[int] = frozenset()
    """Points of the run at which the gateway crashes."""
    crash_when: str = ""
    """Name of the point (`sent 2208`) at which the gateway crashes, the first time."""
    decision_crash: int = 0
    """Point after the operator began to decide at which the gateway crashes; 0 for none."""
    disk: list[tuple[float, float, str]] = field(default_factory=list)
    """From, to, and how the disk fails."""
    down: list[tuple[float, float]] = field(default_factory=list)
    """From, to: the platform is away, and has forgotten who signed in."""
    steps: list[tuple[float, float]] = field(default_factory=list)
    """When the wall clock jumps, and by how many seconds."""
    answers_lost: float = 0.0
    """Share of answers that do not reach the hospital."""
    copies: float = 0.0
    """Share of messages of which a copy arrives at the same time."""
    books: bool = False
    """The centre's books are read, and name the message of a settlement."""
    closed: list[tuple[float, float]] = field(default_factory=list)
    """From, to: the platform refuses every settlement."""
    undoes: bool = False
    """The region withdraws what a refused settlement leaves behind."""
    visits: int = 2
    hasty: bool = False
    """The hospital sends charge messages of one visit at the same time."""
    shops: float = 0.0
    """Share of visits that are purchases in the pharmacy."""
    claims: float = 0.0
    """Share of outpatient visits that are claims: a message of several charge batches."""


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(f"plan {seed}")  # noqa: S311 - repeatable on purpose
    plan = Plan(
        policy=chance.choice(list(UnknownPolicy)),
        lenient=chance.random() < 0.5,
        operator=chance.random() < 0.7,
        visits=chance.choice((1, 1, 2, 2, 3)),
    )
    if chance.random() < 0.85:
        plan.fates = tuple(chance.sample(FATES, chance.randint(1, 4)))
        plan.rate = chance.choice((0.05, 0.1, 0.2, 0.4))
        plan.aimed = chance.random() < 0.6
    if chance.random() < 0.5:
        plan.crash_at = frozenset(chance.sample(range(1, 200), chance.choice((1, 1, 2, 4))))
    if chance.random() < 0.2:
        begin = chance.uniform(0.0, 60.0)
        how = chance.choice(("before", "after", "busy"))
        plan.disk = [(begin, begin + chance.choice((0.01, 1.0, 20.0)), how)]
    if chance.random() < 0.2:
        begin = chance.uniform(0.0, 60.0)
        plan.down = [(begin, begin + chance.choice((0.5, 5.0, 40.0)))]
    if chance.random() < 0.2:
        plan.steps = [(chance.uniform(0.0, 90.0), chance.choice(STEPS))]
    if chance.random() < 0.3:
        plan.answers_lost = chance.choice((0.1, 0.4))
    if chance.random() < 0.3:
        plan.copies = chance.choice((0.1, 0.5))
    plan.hasty = chance.random() < 0.3
    plan.books = chance.random() < 0.3
    if chance.random() < 0.4:
        plan.decision_crash = chance.randint(1, 16)
    clock = random.Random(f"clock {seed}")  # noqa: S311 - repeatable on purpose
    plan.steps = [(at, YESTERDAY if clock.random() < 0.2 else by) for at, by in plan.steps]
    more = random.Random(f"more {seed}")  # noqa: S311 - repeatable on purpose
    plan.undoes = more.random() < 0.5
    kinds = random.Random(f"kinds {seed}")  # noqa: S311 - repeatable on purpose
    plan.shops, plan.claims = kinds.choice((0.0, 0.3, 0.7)), kinds.choice((0.0, 0.4, 0.8))
    if plan.operator and kinds.random() < 0.5:
        plan.looks = tuple(kinds.uniform(10.0, 200.0) for _ in range(kinds.choice((1, 3, 6))))
    plan.careless = plan.operator and kinds.random() < 0.4
    if more.random() < 0.3:
        begin = more.uniform(0.0, 20.0)
        plan.closed = [(begin, begin + more.choice((1.0, 8.0, 40.0)))]
    if chance.random() < 0.1:  # requests that arrive after everybody gave up: where 2601 is early
        plan.fates, plan.rate, plan.aimed = ("late", "silent"), 0.4, True
        plan.policy = chance.choice([UnknownPolicy.REVERSE, UnknownPolicy.REVERSE_AND_SETTLE])
    elif chance.random() < 0.15:  # settlements and reversals of several visits answered late
        plan.fates, plan.rate, plan.visits = ("late", "slow", "slow-second"), 0.7, 3
        plan.only = SETTLING
        plan.policy = chance.choice(list(UnknownPolicy))
    elif plan.operator and kinds.random() < 0.12:  # confirmed while its 2601 is on its way
        plan.fates, plan.rate, plan.only, plan.visits = ("late", "silent"), 0.7, SETTLING, 3
        plan.policy = chance.choice([UnknownPolicy.REVERSE, UnknownPolicy.REVERSE_AND_SETTLE])
        plan.looks = tuple(kinds.uniform(60.0, 190.0) for _ in range(8))
    elif plan.undoes and plan.closed:  # what a refused settlement uploaded is not withdrawn
        plan.closed = [(0.0, more.choice((20.0, 60.0)))]
        plan.fates, plan.rate = ("refused", "outer-401", "unanswered"), 0.5
        plan.only = frozenset({"2205"})
    return plan
