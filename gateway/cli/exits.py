"""Exit codes of every command; stable, so that scripts may act upon them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended; `MEANING` has the words."""

    OK = 0
    PROBLEMS = 1
    UNREADABLE = 2
    CONFIGURATION = 3
    NOT_REACHED = 4
    UNKNOWN = 5
    JOURNAL = 6
    CUT_SHORT = 7
    DEFECT = 70


MEANING = {
    Exit.OK: "Done; for `explain` and `send`: nothing stops the message, or it was accepted.",
    Exit.PROBLEMS: "Problems were found, or the answer is a refusal.",
    Exit.UNREADABLE: "The input cannot be read, or the command was called wrongly.",
    Exit.CONFIGURATION: "The settings, a map, a table or a key is wrong.",
    Exit.NOT_REACHED: "Nobody answered and provably nothing was carried out: try again later.",
    Exit.UNKNOWN: "Something was sent and its outcome is not known: do not repeat.",
    Exit.JOURNAL: "`serve`: the journal cannot be had, or takes no more writes; start it anew.",
    Exit.CUT_SHORT: "`serve`: a second signal ended it at once; the next start finishes the work.",
    Exit.DEFECT: "A defect of the gateway itself.",
}
"""What a code tells the caller."""
