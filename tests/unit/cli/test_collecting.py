"""The collector of reference cycles in a process that serves."""

from __future__ import annotations

import gc

from gateway.cli.serving import COLLECT_AFTER, collect_seldom


def test_what_was_built_at_start_is_left_alone_and_cycles_are_looked_for_less_often() -> None:
    """Both older generations keep their thresholds."""
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
