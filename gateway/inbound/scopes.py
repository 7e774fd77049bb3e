"""SMART scopes of a system: which resource types it may use, and for what.

Source: SMART App Launch 2.2, "Scopes and launch context". Version 2 writes the actions in the
order `cruds` (`system/Claim.cr`), version 1 as `read`, `write` or `*`. A scope that narrows by
search parameters (`?category=...`) is not served: it would be broader than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ANY = "*"
ACTIONS = "cruds"
"""Create, read, update, delete, search."""
VERSION_1 = {"read": "rs", "write": "cud", "*": ACTIONS}

MAX_SCOPES = 100
"""Scopes of one request at most."""

_SCOPE = re.compile(
    r"system/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|cr?u?d?s?|ru?d?s?|ud?s?|ds?|s)"
)


class Need(NamedTuple):
    """What an interaction needs: a resource type and actions upon it."""

    type: str
    actions: str

    def __str__(self) -> str:
        return f"system/{self.type}.{self.actions}"


EVERYTHING = Need(ANY, ACTIONS)
"""What an interaction needs that has no scope of its own."""


class Scopes:
    """What a client may do.

    >>> found = Scopes.parse(["system/Claim.c", "system/*.read"])
    >>> found.allow(Need("Claim", "c")), found.allow(Need("Task", "c"))
    (True, False)
    >>> str(found)
    'system/*.rs system/Claim.c'
    >>> str(Scopes.parse(["system/*.cruds"]).within(found))
    'system/*.rs system/Claim.c'
    """

    def __init__(self, grants: Mapping[str, Iterable[str]]) -> None:
        self._grants = {name: frozenset(actions) for name, actions in grants.items() if actions}

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scopes:
        """The scopes of these texts; one that is not served counts for nothing."""
        grants: dict[str, set[str]] = {}
        for text in list(texts)[:MAX_SCOPES]:
            found = _SCOPE.fullmatch(text)
            if found is not None:
                actions = VERSION_1.get(found[2], found[2])
                grants.setdefault(found[1], set()).update(actions)
        return cls(grants)

    @property
    def unlimited(self) -> bool:
        """True when nothing is closed."""
        return self.allow(EVERYTHING)

    def allow(self, need: Need) -> bool:
        """True when every action of the need is open."""
        return frozenset(need.actions) <= self._actions(need.type)

    def within(self, other: Scopes) -> Scopes:
        """What both have."""
        names = {*self._grants, *other._grants}
        return Scopes({name: self._actions(name) & other._actions(name) for name in names})

    def _actions(self, name: str) -> frozenset[str]:
        return self._grants.get(name, frozenset()) | self._grants.get(ANY, frozenset())

    def __bool__(self) -> bool:
        return bool(self._grants)

    def __str__(self) -> str:
        rows = []
        for name, actions in sorted(self._grants.items()):
            more = actions if name == ANY else actions - self._grants.get(ANY, frozenset())
            if more:
                rows.append(f"system/{name}." + "".join(one for one in ACTIONS if one in more))
        return " ".join(rows)


ALL = Scopes({ANY: ACTIONS})
"""Everything."""
