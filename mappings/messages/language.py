"""What a protocol has to offer so that maps can be written for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

Getter = Callable[[Any], tuple[str, str] | None]
"""Takes a node and gives the text found there and its place in the sender's words.

None means that nothing was stated; an empty text that the sender stated there is none. It may
raise `gateway.errors.InvalidError` when what it finds breaks a rule (a foreign currency).
"""


Texts = Callable[[Any], tuple[Sequence[Any], str, Any]]
"""Takes a node and gives the texts that stand side by side in it, or what holds them, how their
places begin, and the marks by which the language divides a text."""

Take = Callable[[str, Any], str | None]
"""Takes one of these texts and the marks, and gives what a path means of it.

It is empty where the path states nothing, and None where the getter of the path has to look.
"""


Inside = Callable[[Any], str | None]
"""Takes the text out of something that holds it.

It is empty where there is none, and None where the getter of the path has to look.
"""


class ColumnPlace(NamedTuple):
    """Which of the texts of a node a path takes."""

    at: int
    """Counts from 1."""
    suffix: str
    """How the place of the value ends."""
    whole: bool
    """A text of letters and digits alone is taken as it stands; `take` is for any other."""
    take: Take
    inside: Inside | None = None
    """Takes out the text, where what stands in the node is none yet."""


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


@runtime_checkable
class ShapedLanguage(PathLanguage, Protocol):
    """A language that can tell beforehand which paths state nothing in a node.

    The lines of a message are mostly filled alike, so the compiler keeps the rules that can have
    an effect for each shape of a node, and runs no others.
    """

    def shape(self, node: Any) -> Hashable | None:
        """What is filled in a message or in a node of a block; equal for those filled alike.

        None for a node that is too large to be remembered.
        """
        ...  # pragma: no cover - the body of a protocol never runs

    def narrowed(self, path: str, node: Any) -> Getter | None:
        """The getter of a path for nodes of the shape of this one; None where it states nothing."""
        ...  # pragma: no cover - the body of a protocol never runs

    def column(self, path: str, node: Any) -> ColumnPlace | None:
        """Which of the `texts` of a node of this shape a path takes.

        None where the path asks for something else.
        """
        ...  # pragma: no cover - the body of a protocol never runs

    def texts(self, node: Any) -> tuple[Sequence[Any], str, Any]:
        """The texts that `column` counts, how their places begin (`FT1[2]`), and the marks."""
        ...  # pragma: no cover - the body of a protocol never runs
