"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web_app


@pytest.fixture(autouse=True)
def servers_are_let_go() -> Iterator[None]:
    """The last 1024 handlers that aiohttp wrapped are remembered, and whole gateways with them."""
    yield
    web_app._cached_build_middleware.cache_clear()
