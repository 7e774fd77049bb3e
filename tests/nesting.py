"""Values in values, for tests by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]


def nested(leaves: Values, around: Callable[[Values], Values], *, max_leaves: int) -> Values:
    """`st.recursive`, looked at by Hypothesis when it is made.

    Hypothesis reads the source of `around` from its file to see whether it uses its argument, by
    default when the first test begins. A file that was saved since the import reads as if it did
    not, and the warning fails the test.
    """
    values: Values = st.recursive(leaves, around, max_leaves=max_leaves)
    values.validate()
    return values
