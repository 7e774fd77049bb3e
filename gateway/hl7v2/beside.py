"""Work on a large message beside the event loop, so that no other sender waits for it.

A message of usual size is worked on where it is: a thread would cost more than the work. Whatever
the size, the cost is linear in the bytes of the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LARGE = 131_072
"""Bytes from which a message is worked on in a thread."""

P = ParamSpec("P")
T = TypeVar("T")


async def beside(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that neither waits nor shares what it changes.

    `size` is that of the message in bytes.
    """
    if size < LARGE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
