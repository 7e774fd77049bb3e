"""Exit codes of every command; stable, so that scripts may act upon them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    """Done; for `explain` and `send`: nothing stops the message, or it was accepted."""
    PROBLEMS = 1
    """Problems were found, or the answer is a refusal."""
    UNREADABLE = 2
    """The input cannot be read, or the command was called wrongly."""
    CONFIGURATION = 3
    """The settings, a map, a table or a key is wrong."""
    NOT_REACHED = 4
    """Nobody answered and provably nothing was carried out: try again later."""
    UNKNOWN = 5
    """Something was sent and its outcome is not known: do not repeat."""
    DEFECT = 70
    """A defect of the gateway itself."""
