"""Connections to one receiver of HL7 v2: several at a time, used again, closed when they idle.

A message waits for a free connection, has it for itself until its acknowledgements are there, and
gives it back. A connection that failed is not given back (see `gateway.inbound.mllp_client`).
"""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import NamedTuple, Self

from gateway.clock import Clock
from gateway.errors import ConfigurationError, NotSentError
from gateway.inbound.hl7_forms import Form
from gateway.inbound.mllp_client import Acknowledgement, MLLPClient
from gateway.settings import DeliverySettings


class Address(NamedTuple):
    """Where a receiver listens."""

    host: str
    port: int


def read_address(text: str, owner: str) -> Address:
    """The address of `host:port`, with an IPv6 host in brackets.

    Raises:
        ConfigurationError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"{owner}: reply_to is not host:port")
    return Address(host.strip("[]"), int(port))


class MLLPPool:
    """Sends messages to one receiver.

    Raises:
        ConfigurationError: the TLS files of the settings are wrong.
    """

    def __init__(
        self,
        address: Address,
        settings: DeliverySettings,
        clock: Clock,
        *,
        form: Form = Form.ER7,
        owner: str = "",
    ) -> None:
        self._form = form
        self._address = address
        self._settings = settings
        self._clock = clock
        self._tls = client_tls(settings, owner)
        self._free = asyncio.Semaphore(settings.max_connections)
        self._idle: list[tuple[float, MLLPClient]] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def idle(self) -> int:
        """Connections that wait for a message."""
        return len(self._idle)

    async def send(self, message: bytes) -> list[Acknowledgement]:
        """Send a message and collect its acknowledgements, as `MLLPClient.send` does.

        Waiting for a free connection takes `timeout` seconds at most.

        Raises:
            ValueError: the bytes are no message, or have a mark of a frame in them.
            NotSentError: no connection or none free in time, or the pool is closed.
            UnknownOutcomeError: the message left and no acknowledgement of it came in time.
        """
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._free.acquire()
        except TimeoutError:
            raise NotSentError("no connection is free") from None
        try:
            if self._closed:
                raise NotSentError("the pool is closed")
            client = await self._take()
            try:
                found = await client.send(message)
            except BaseException:
                await client.close()
                raise
            if client.is_open and not self._closed:
                self._idle.append((self._clock.monotonic(), client))
            else:
                await client.close()
            return found
        finally:
            self._free.release()

    async def close_idle(self) -> None:
        """Close the connections that had no work for `idle_timeout` seconds."""
        limit = self._clock.monotonic() - self._settings.idle_timeout
        old = [client for since, client in self._idle if since <= limit]
        self._idle = [(since, client) for since, client in self._idle if since > limit]
        for client in old:
            await client.close()

    async def close(self) -> None:
        """Close the connections that are free, and those in use as soon as they are given back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for _, client in idle:
            await client.close()

    async def _take(self) -> MLLPClient:
        """The connection that was used last and is still open, or a new one."""
        await self.close_idle()
        while self._idle:
            _, client = self._idle.pop()
            if client.is_open:
                return client
            await client.close()
        return MLLPClient(
            *self._address,
            timeout=self._settings.timeout,
            connect_timeout=self._settings.connect_timeout,
            tls=self._tls,
            tls_server_name=self._settings.tls_server_name,
            commits=self._settings.commit_acknowledgements,
            form=self._form,
        )


def client_tls(settings: DeliverySettings, owner: str) -> ssl.SSLContext | None:
    """The TLS of the settings; None without.

    Raises:
        ConfigurationError: a file cannot be used, or is named although `tls` is false.
    """
    files = (settings.tls_ca_file, settings.tls_certificate_file, settings.tls_key_file)
    if not settings.tls:
        if any(files):
            raise ConfigurationError(f"{owner}: TLS files are named, but tls is false")
        return None
    if (settings.tls_certificate_file is None) != (settings.tls_key_file is None):
        raise ConfigurationError(f"{owner}: a client certificate needs its key")
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{owner}: TLS files: {error.strerror or error}") from error
    return context
