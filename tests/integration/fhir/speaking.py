"""What clients speak: each release that is served, in JSON and in XML."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.acceptance.releases import RELEASES


class Spoken(NamedTuple):
    """A release and a format."""

    release: str
    form: str

    def __str__(self) -> str:
        return f"{self.release}-{self.form}"


R4_JSON = Spoken("r4", "json")
SPOKEN = tuple(Spoken(release, form) for release in RELEASES for form in ("json", "xml"))
IN_ALL = pytest.mark.parametrize("spoken", SPOKEN, indirect=True, ids=str)
"""The client of a test speaks every release in both formats."""
