# ruff: noqa: INP001 - a script beside the pages that it draws, no package
"""Draws the pages of the documentation that are made from tables of the product.

`python docs/diagrams.py` writes `discussions/states.md` and `reference/verbs.md`; a test fails
while a committed page differs from what is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.intents import Verb, VisitClass
from gateway.journal.states import SEND_TRANSITIONS, STAGE_TRANSITIONS, SendState, Stage
from gateway.settlement.plans import PLANS
from gateway.settlement.standing import (
    SETTLEMENT_TRANSITIONS,
    SettlementEvent,
    SettlementState,
)
from gateway.settlement.visits import TRANSITIONS, VisitEvent, VisitState

DOCS = Path(__file__).resolve().parent

TRANSACTIONS: dict[VisitClass, dict[VisitEvent, str]] = {
    VisitClass.OUTPATIENT: {
        VisitEvent.REGISTERED: "2201",
        VisitEvent.DESCRIBED: "2203",
        VisitEvent.CHARGED: "2204",
        VisitEvent.WITHDRAWN: "2205, none left",
        VisitEvent.TRIMMED: "2205, settled ones stay",
        VisitEvent.SETTLED: "2207",
        VisitEvent.UNSETTLED: "2208, 2601",
        VisitEvent.CANCELLED: "2202",
    },
    VisitClass.INPATIENT: {
        VisitEvent.ADMITTED: "2401",
        VisitEvent.DESCRIBED: "2403",
        VisitEvent.CHARGED: "2301",
        VisitEvent.WITHDRAWN: "2302",
        VisitEvent.TRIMMED: "2302, settled ones stay",
        VisitEvent.SETTLED: "2304",
        VisitEvent.SETTLED_IN_STAY: "2304, mid_setl_flag 1",
        VisitEvent.UNSETTLED: "2305, 2601",
        VisitEvent.UNSETTLED_IN_STAY: "2305, 2601 before the discharge",
        VisitEvent.CANCELLED: "2404",
        VisitEvent.DISCHARGED: "2402",
        VisitEvent.UNDISCHARGED: "2405",
    },
    VisitClass.PHARMACY: {
        VisitEvent.SETTLED: "2102",
        VisitEvent.CANCELLED: "2103",
    },
}
"""The transactions behind each event, as the labels of the arrows say them."""

REASONS: dict[tuple[SendState, SendState], str] = {
    (SendState.SENDING, SendState.ACCEPTED): "reply, infcode 0",
    (SendState.SENDING, SendState.REJECTED): "reply that refuses",
    (SendState.SENDING, SendState.NOT_SENT): "provably nothing left",
    (SendState.SENDING, SendState.UNKNOWN): "anything else, a crash too",
    (SendState.UNKNOWN, SendState.ACCEPTED): "late reply, infcode 0",
    (SendState.UNKNOWN, SendState.REJECTED): "late reply that refuses",
    (SendState.UNKNOWN, SendState.UNKNOWN): "late reply about something else",
    (SendState.UNKNOWN, SendState.REVERSED): "2601 accepted",
    (SendState.UNKNOWN, SendState.CONFIRMED): "read back",
    (SendState.UNKNOWN, SendState.MANUAL): "decision of a person",
}
"""Why a send changes its state (rules 2 to 5 of gateway/journal/states.py)."""

STAGES: dict[tuple[Stage, Stage], str] = {
    (Stage.OPEN, Stage.PROVISIONAL): "an outcome is unknown",
    (Stage.OPEN, Stage.FINAL): "answered",
    (Stage.PROVISIONAL, Stage.PROVISIONAL): "still unknown",
    (Stage.PROVISIONAL, Stage.FINAL): "resolved",
}
"""Why the answer of a message changes."""

UNDOING: dict[SettlementEvent, str] = {
    SettlementEvent.CANCELLED: "2103, 2208, 2305",
    SettlementEvent.REVERSED: "2601",
}
"""The transactions that end a settlement."""

STATES_HEAD = """\
# States

Each diagram is drawn from a table in the code by `python docs/diagrams.py`.
A transition without an arrow does not exist: it raises `StateError` and stops that visit.
"""

VERBS_HEAD = """\
# Verbs and their transactions

Drawn from `gateway/settlement/plans.py` by `python docs/diagrams.py`.
A message becomes one verb; verb, setting and state of the visit choose the row.
Without a row the message is refused (`VISIT-STATE`, `VISIT-UNKNOWN`) and nothing is sent.

| mark | meaning |
|---|---|
| `?` | only when the message states diagnoses |
| `%` | only when the peer or the message asks for the entitlement check |
| `+` | once for each upload of charge lines |
| `!` | only when the message shows a certificate |
| `#` | only for a visit of a chronic disease: PV1-2 `R`, or its category is stated |
| `=` | with every charge line of the message in it |
| `*` | once for each charge batch; marked neighbours go batch by batch (2206 2207, 2206 2207) |

Where a 9001 is needed first, the gateway signs in by itself.
In a retail pharmacy, an institution whose code begins with `P`, every settlement is a purchase.
A query may name further ones about the same person (`also`), with one 1101 for all of them.
What a query found is in `Result.found` under its verb.
A filing's number (`trt_dcla_detl_sn`) is in the record `filing`, also of the result.
`map-items`, `file-departments` and `check-staff` do one of those verbs for each entry.
`to-outpatient` is `unadmit` and then `register`.
`to-inpatient` is `unregister` of a registration that nothing was charged to, and then `admit`.
`refile-transfer`, `refile-chronic` and `refile-designation` withdraw a filing and file another.
Both parts are checked before the first is sent; the second follows once the first was accepted.
`merge` makes no transaction.
`collect` makes none either: it keeps what is said of a stay for its settlement list.
One filing of a person at a time is under way: after one of unknown outcome the next is refused
(`VISIT-HELD`) until an operator decided.

| verb | setting | state of the visit | transactions |
|---|---|---|---|
"""


def states_page() -> str:
    """The states of a visit, a send and an exchange as Mermaid diagrams."""
    sections = [STATES_HEAD]
    for visit_class, table in TRANSITIONS.items():
        arrows = [
            (before.value, after.value, _visit_label(visit_class, event))
            for before, row in table.items()
            for event, after in row.items()
        ]
        sections.append(_section(f"{visit_class.value} visit", arrows, VisitState.NONE.value))
    settlements = [
        (before.value, after.value, f"{event.value} ({UNDOING[event]})")
        for before, ended in SETTLEMENT_TRANSITIONS.items()
        for event, after in ended.items()
    ]
    sections.append(_section("settlement", settlements, SettlementState.STANDING.value))
    sends = [
        (before.value, after.value, REASONS.get((before, after), ""))
        for before, row in SEND_TRANSITIONS.items()
        for after in sorted(row, key=list(SendState).index)
    ]
    sections.append(_section("send", sends, SendState.SENDING.value))
    stages = [
        (before.value, after.value, STAGES.get((before, after), ""))
        for before, row in STAGE_TRANSITIONS.items()
        for after in sorted(row, key=list(Stage).index)
    ]
    sections.append(_section("exchange: a message and its answer", stages, Stage.OPEN.value))
    sections.append("Why they are like this: [nobody pays twice](nobody-pays-twice.md).\n")
    return "\n".join(sections)


def _visit_label(visit_class: VisitClass, event: VisitEvent) -> str:
    return f"{event.value} ({TRANSACTIONS[visit_class][event]})"


def _section(title: str, arrows: list[tuple[str, str, str]], start: str) -> str:
    lines = [f"## {title[0].upper()}{title[1:]}", "", "```mermaid", "stateDiagram-v2"]
    lines.append(f"    [*] --> {_node(start)}")
    for before, after, label in arrows:
        lines.append(f"    {_node(before)} --> {_node(after)}{f': {label}' if label else ''}")
    leaving = {before for before, _, _ in arrows}
    ends = [name for name in dict.fromkeys(after for _, after, _ in arrows) if name not in leaving]
    lines += [f"    {_node(name)} --> [*]" for name in ends]
    return "\n".join([*lines, "```", ""])


def _node(name: str) -> str:
    """A state name that Mermaid takes: it reads `-` as part of an arrow."""
    return name.replace("-", "_")


def verbs_page() -> str:
    """Every row of the plan table."""
    return VERBS_HEAD + "\n".join(_verb_rows()) + "\n"


def _verb_rows() -> Iterator[str]:
    order = list(Verb)
    for (verb, visit_class, state), steps in sorted(
        PLANS.items(), key=lambda row: order.index(row[0][0])
    ):
        setting = visit_class.value if visit_class else "any"
        calls = " ".join(steps) or "none: it is so already, or has no transaction"
        yield f"| {verb.value} | {setting} | {state.value} | {calls} |"


PAGES = {"discussions/states.md": states_page, "reference/verbs.md": verbs_page}
"""Path below docs to the function that draws the page."""

if __name__ == "__main__":
    for path, draw in PAGES.items():
        (DOCS / path).write_text(draw(), "utf-8")
