"""The compiled maps of the peers: one set for all that read alike.

A hub has many peers of one vendor. Peers whose dialects give the maps the same words share one
compiled set, and so does what the set learns of the shapes of their messages. The standard maps
belong to the program and are compiled once in a process; an overlay is a file of the hospital and
is read again whenever an adapter is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from gateway.hl7v2.paths import HL7Language
from gateway.settings import PeerSettings
from mappings.messages import MapSet

MAX_KEPT = 16
"""Sets of the standard maps that are kept: dialects of one process that differ in their words."""


class _Words(NamedTuple):
    """What of a dialect the maps are compiled with."""

    identifier_aliases: tuple[tuple[str, str], ...]
    amount_component: int
    value_maps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

    @classmethod
    def of(cls, peer: PeerSettings) -> Self:
        dialect = peer.hl7v2
        return cls(
            tuple(sorted(dialect.identifier_aliases.items())),
            dialect.amount_component,
            tuple((name, tuple(dialect.value_maps[name].items())) for name in dialect.value_maps),
        )

    def compiled(self, folder: Path, overlay: Path | None) -> MapSet:
        language = HL7Language(dict(self.identifier_aliases), self.amount_component)
        values = {name: dict(entries) for name, entries in self.value_maps}
        return MapSet.load(folder, language, overlay=overlay, value_maps=values)


def maps_of_peers(peers: Iterable[PeerSettings], folder: Path) -> dict[str, MapSet]:
    """Peer name to its compiled maps: those of `folder` with the peer's overlay laid over.

    Raises:
        ConfigurationError: a map or an overlay is wrong; says in which file and line.
    """
    overlaid: dict[tuple[_Words, Path], MapSet] = {}
    found: dict[str, MapSet] = {}
    for peer in peers:
        words, overlay = _Words.of(peer), peer.map_overlay
        if overlay is None:
            found[peer.name] = _standard(words, folder)
            continue
        if (words, overlay) not in overlaid:
            overlaid[words, overlay] = words.compiled(folder, overlay)
        found[peer.name] = overlaid[words, overlay]
    return found


@lru_cache(MAX_KEPT)
def _standard(words: _Words, folder: Path) -> MapSet:
    return words.compiled(folder, None)
