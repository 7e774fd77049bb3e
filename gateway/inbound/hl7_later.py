"""HL7 v2 messages of ours that no connection waits for, each delivered once to its peer.

* EHC^E10 of an invoice whose outcome was unknown, once it is known (`ehc_reply = "ack-then-e10"`).
* The application acknowledgement of any other message whose outcome was unknown, once it is known,
  where the first one travelled on an exchange of its own too (`reply_mode = "connect"`, enhanced
  mode, and MSH-16 wants it). Elsewhere the answer is stored and meets the repeated message.
* EHC^E15 of a day whose reconciliation balances (`remittances = true`).

Both are durable as deliveries before what they tell is stored: a crash between the two tells them
again, under the same name, and a name is delivered once.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.hl7v2.acks import Identity
from gateway.hl7v2.beside import beside
from gateway.hl7v2.charset import TABLE_0211, codec_of_setting
from gateway.hl7v2.escapes import Delimiters, escape
from gateway.hl7v2.header import Header, lenient_header
from gateway.hl7v2.remittances import (
    Contexts,
    Payee,
    control_id,
    invoice_numbers,
    receiver,
    remittance,
)
from gateway.intents import Answer
from gateway.journal import ExchangeRow
from gateway.settings import PeerSettings, ReplyMode, Settings
from gateway.settlement.reconciling.report import Report

ROW_BYTES = 1_000
"""About what a settlement takes in a remittance."""


class Port(Protocol):
    """Delivers to peers."""

    async def deliver_once(self, peer: PeerSettings, name: str, body: bytes) -> None:
        """Send a message, once under this name."""
        ...  # pragma: no cover - the body of a protocol never runs


class LaterMessages:
    """Writes and delivers them; what is told before the port is open waits for it."""

    def __init__(self, settings: Settings) -> None:
        self._identity = Identity(settings.application, settings.facility)
        self._peers = {peer.name: peer for peer in settings.peers}
        self._names = {one.fixmedins_code: one.fixmedins_name for one in settings.institutions}
        self._port: Port | None = None
        self._contexts: Contexts | None = None
        self._opened = asyncio.Event()

    def open(self, port: Port, contexts: Contexts) -> None:
        """The port is there, and the journal that knows what the messages were about."""
        self._port = port
        self._contexts = contexts
        self._opened.set()

    async def closed(self, report: Report) -> None:
        """Tell the peers of an institution what a day that balances comes to.

        Raises:
            JournalError: it is not known whether it was told before; nothing is sent.
        """
        payee = Payee(report.fixmedins_code, self._names.get(report.fixmedins_code, ""))
        told = [
            peer
            for peer in self._peers.values()
            if peer.hl7v2.remittances and report.fixmedins_code in peer.institutions
        ]
        if not told:
            return
        await self._opened.wait()
        assert self._contexts is not None
        numbers = await invoice_numbers(self._contexts, report)
        for peer in told:
            size, to = ROW_BYTES * len(report.rows), receiver_of(peer)
            body = await beside(size, remittance, report, payee, self._identity, to, numbers)
            await self._deliver(peer, f"remittance {control_id(report)}", body)

    async def resolved(self, exchange: ExchangeRow, answer: Answer) -> None:
        """Tell the sender what takes the place of an outcome that was unknown.

        Raises:
            JournalError: it is not known whether it was told before; nothing is sent.
        """
        peer = self._peers.get(exchange.peer)
        if peer is not None and answer.final:
            told = answer.further or [it for it in [answer.body] if _travels(peer, it)]
            for number, body in enumerate(told):
                await self._deliver(peer, f"resolved {exchange.exchange_id} {number}", body)

    async def _deliver(self, peer: PeerSettings, name: str, body: bytes) -> None:
        await self._opened.wait()
        assert self._port is not None
        await self._port.deliver_once(peer, name, body)


def _travels(peer: PeerSettings, body: bytes) -> bool:
    """True for an acknowledgement that is an exchange of its own: it asks to be accepted."""
    if peer.hl7v2.reply_mode is not ReplyMode.CONNECT:
        return False
    header = lenient_header(body)
    return header is not None and header.accept_ack == "AL"


def receiver_of(peer: PeerSettings) -> Header:
    """A peer as a receiver: its first application, and its character set or UTF-8."""
    application, _, facility = (peer.applications or [""])[0].partition("|")
    names = (escape(application, Delimiters()), escape(facility, Delimiters()))
    if not peer.hl7v2.default_charset:
        return receiver(*names)
    codec = codec_of_setting(peer.hl7v2.default_charset)
    charsets = [name for name, of in TABLE_0211.items() if of == codec]
    return receiver(*names, charset=charsets[-1], codec=codec)
