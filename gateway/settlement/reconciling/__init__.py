"""Reconciliation: our settlements against the books of the centre (3201, 3202).

============  ==================================================================
`report`      what a reconciliation found, settlement by settlement
`words`       findings and proposed repairs in both languages
`own`         our own side: what the journal holds of a span of days
`matching`    both sides set against one another
`running`     3201 for each group, 3202 where it does not balance
`reading`     what the other side holds for message ids, for unknown outcomes
`scheduling`  every day once, by one node, with the days that were missed
`rendering`   the report as JSON, CSV and HTML
============  ==================================================================
"""

from gateway.settlement.reconciling.reading import Answered, Held, NotHeld, ReadBack, Silent
from gateway.settlement.reconciling.report import (
    Asked,
    Finding,
    GroupReport,
    GroupState,
    Repair,
    Report,
    ReportRow,
    ReportState,
    Side,
    SideState,
    Totals,
)
from gateway.settlement.reconciling.running import Reconciler

__all__ = [
    "Answered",
    "Asked",
    "Finding",
    "GroupReport",
    "GroupState",
    "Held",
    "NotHeld",
    "ReadBack",
    "Reconciler",
    "Repair",
    "Report",
    "ReportRow",
    "ReportState",
    "Side",
    "SideState",
    "Silent",
    "Totals",
]
