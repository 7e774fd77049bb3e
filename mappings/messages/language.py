"""What a protocol has to offer so that maps can be written for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Getter = Callable[[Any], tuple[str, str] | None]
"""Takes a node and gives the text found there and its place in the sender's words.

None means that nothing was stated; an empty text that the sender stated there is none. It may
raise `gateway.errors.InvalidError` when what it finds breaks a rule (a foreign currency).
"""


class PathLanguage(Protocol):
    """Turns the paths of a map into closures, once, when the map is compiled.

    A function that the compiler does not know and that follows the path directly belongs to the
    language: `PID-5 | name` arrives here as one path with that text.
    """

    def value(self, path: str) -> Getter:
        """The getter of one value.

        Raises:
            ValueError: the path cannot be understood; its text says why.
        """
        ...  # pragma: no cover - the body of a protocol never runs

    def each(self, path: str) -> Callable[[Any], list[Any]]:
        """The nodes for which a block is repeated, in the order of the message.

        Raises:
            ValueError: the path cannot be understood; its text says why.
        """
        ...  # pragma: no cover - the body of a protocol never runs
