"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web_app


@pytest.fixture(autouse=True)
def servers_are_let_go() -> Iterator[None]:
    """aiohttp remembers the last 1024 handlers that it wrapped, and with them whole gateways."""
    yield
    web_app._cached_build_middleware.cache_clear()
