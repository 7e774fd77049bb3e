"""Notifications on the wire: one HTTP request to a subscriber, and its status.

Nothing is followed (a redirection is a refusal), no proxy of the environment is used, and of the
answer only the status is read.
"""

from __future__ import annotations

import aiohttp
import msgspec

NO_ANSWER = 0
"""In place of a status: there was no answer in time."""


class Notification(msgspec.Struct, kw_only=True):
    """A request to a subscriber."""

    method: str
    url: str
    body: bytes = b""
    headers: dict[str, str] = {}
    timeout: float = 10.0
    """Seconds that it may take."""


class Hooks:
    """Delivers notifications; to be closed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, notification: Notification) -> int:
        """The HTTP status that a subscriber answered with, or `NO_ANSWER`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        try:
            async with self._session.request(
                notification.method,
                notification.url,
                data=notification.body or None,
                headers=notification.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=notification.timeout),
            ) as response:
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return NO_ANSWER

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
