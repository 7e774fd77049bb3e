"""Everything that HL7 v2 comes in by: the MLLP port, the drop folders, and what they share.

HTTP has a port of its own; it uses the same `intake` and `limits`, so that the bounds of a peer
hold for all of its messages together.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_deliveries import BookStore, Deliveries, DeliveryEvent
from gateway.inbound.hl7_folder import DropFolder, FolderEvent
from gateway.inbound.hl7_intake import Intake
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.mllp_exchange import MLLPEvent, Pipeline
from gateway.inbound.mllp_server import MLLPServer
from gateway.intents import Answer
from gateway.settings import PeerSettings, Settings


class HL7Watcher(Protocol):
    """Is told what passes at the ports."""

    def port_event(self, event: MLLPEvent) -> None:
        """Something happened at the MLLP port."""
        ...  # pragma: no cover - the body of a protocol never runs

    def delivery(self, event: DeliveryEvent) -> None:
        """A message of ours was delivered, or was not."""
        ...  # pragma: no cover - the body of a protocol never runs

    def file_taken(self, event: FolderEvent) -> None:
        """A file of a drop folder was taken."""
        ...  # pragma: no cover - the body of a protocol never runs

    def refused(self, protocol: str, peer: str, error: GatewayError) -> None:
        """A message was refused before it had an exchange."""
        ...  # pragma: no cover - the body of a protocol never runs


class HL7Ports:
    """The MLLP port and the drop folders of the settings.

    Raises:
        ConfigurationError: TLS files, peers or reply addresses of the settings are wrong.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        clock: Clock,
        *,
        store: BookStore,
        watch: HL7Watcher,
    ) -> None:
        self.limits = limits = Limits(settings.peers, clock)
        self.intake = Intake(
            pipeline,
            adapter,
            limits,
            store,
            clock,
            max_bytes=settings.mllp.max_message_bytes,
            refused=watch.refused,
        )
        self._mllp: MLLPServer | None = None
        if settings.mllp.enabled:
            self._mllp = MLLPServer(
                settings.mllp,
                settings.peers,
                self.intake,
                adapter,
                limits=limits,
                deliveries=Deliveries(settings.peers, clock, store=store, observe=watch.delivery),
                observe=watch.port_event,
            )
        peers = {peer.name: peer for peer in settings.peers}
        self._folders = [
            (
                DropFolder(
                    folder.path,
                    peers[folder.peer],
                    self.intake,
                    adapter,
                    max_bytes=folder.max_file_bytes,
                    observe=watch.file_taken,
                ),
                folder.interval,
            )
            for folder in settings.folders
        ]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The MLLP port that is listened on, 0 where it is closed."""
        return self._mllp.port if self._mllp is not None else 0

    async def start(self) -> None:
        """Listen, and watch the folders.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        if self._mllp is not None:
            await self._mllp.start()
        for folder, interval in self._folders:
            self._tasks.append(asyncio.create_task(folder.run(interval)))

    async def deliver(self, peer: PeerSettings, answer: Answer) -> None:
        """Send an answer whose connection is gone, where the peer has an address for that."""
        if self._mllp is not None:
            await self._mllp.deliver(peer, answer)

    async def deliver_once(self, peer: PeerSettings, name: str, body: bytes) -> None:
        """Send a message of ours, once under this name, where the peer has an address for that.

        Raises:
            JournalError: the store does not say whether it was sent before.
        """
        if self._mllp is not None:
            await self._mllp.deliver_once(peer, name, body)

    async def stop(self, grace: float) -> None:
        """Take nothing more; a file in work stays there and is taken up at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._mllp is not None:
            await self._mllp.close(grace)
