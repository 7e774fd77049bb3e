"""Planted bugs: each makes one real part of the gateway wrong in a way that people really do.

They show that the simulation would notice: every one has to be caught within 200 seeds.
"""

from tests.simulation.bugs import carried, ending, messages, purchases, sending, several
from tests.simulation.bugs.planting import BUGS

__all__ = ["BUGS", "carried", "ending", "messages", "purchases", "sending", "several"]
