"""HL7 v2 messages that the gateway sends by itself, each once: later E10, and E15 of a day."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.demo import messages as m
from gateway.inbound.hl7_deliveries import BOOK
from gateway.inbound.mllp_framing import Frame, FrameReader, frame

GROUPS = '[reconciliation]\nclr_types = ["11"]\nsetl_optins = ["430100"]\n'
HIS = 'applications = ["HIS"]'


class PaymentSystem:
    """A peer that takes and acknowledges what it is sent."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[dict[str, list[str]]] = asyncio.Queue()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader(1_000_000)
        while data := await reader.read(65_536):
            for event in frames.receive(data):
                assert isinstance(event, Frame)
                lines = event.content.decode("gb18030").split("\r")
                fields = {line[:3]: line.split("|") for line in lines if line}
                self.got.put_nowait(fields)
                text = f"MSH|^~\\&|PAY||||1||ACK|9|P|2.6\rMSA|AA|{fields['MSH'][9]}\r"
                writer.write(frame(text.encode()))
        writer.close()

    def peer(self, setting: str) -> str:
        """Its section of the settings."""
        return (
            '[[peers]]\nname = "pay"\ninstitutions = ["H43010000001"]\napplications = ["PAY"]\n'
            f'[peers.hl7v2]\n{setting}\nreply_to = "127.0.0.1:{self.port}"\n'
            'default_charset = "GB18030"\n'
        )

    async def next(self) -> dict[str, list[str]]:
        """The fields of the next message, by segment."""
        return await asyncio.wait_for(self.got.get(), 20)


@pytest.fixture
async def payments() -> AsyncIterator[PaymentSystem]:
    """A payment system that listens."""
    system = PaymentSystem()
    server = await asyncio.start_server(system.serve, "127.0.0.1", 0)
    with contextlib.closing(server):  # the gateway, which has connections, is closed later
        system.port = server.sockets[0].getsockname()[1]
        yield system


def invoice(world: Any) -> bytes:
    """EHC^E01 of the payment system over 240.00."""
    amount = "240.00&CNY"
    pid, pv1 = world.person(m.ZHANG, "O5", "O")
    raw = world.his.message(
        "EHC^E01",
        f"IVC|INV5|||OR|NORM|FS|20260301091000|{amount}||医院|医保",
        *("PYE|1|ORG", f"PSS|S1||1|{amount}|a", f"PSG|B1||1|N|{amount}|a", pid, pv1),
        *(world.his.insurance(m.ZHANG), world.his.diagnosis("J06.900", "x", "A")),
        f"PSL|1||1|||P|CT001^CT||CT|20260301091000||1|{amount}|||{amount}|||||N",
    )
    changed: bytes = world.change(world.change(raw, "MSH", 12, "2.6"), "MSH", 3, "PAY")
    return changed


async def named(world: Any) -> list[str]:
    """States of the deliveries under a name, once none is open."""

    async def closed() -> list[str] | None:
        books = [it for it in await world.gateway.journal.books(BOOK) if " " in it.key]
        states = [it.state for it in books]
        return states if states and "open" not in states else None

    found: list[str] = await world.until(closed)
    return found


async def test_a_resolved_invoice_is_told_in_place_of_the_unknown_one(
    open_world: Any, payments: PaymentSystem
) -> None:
    """A-034: E10 with PEND, and once 2601 undid the settlement E10 with REJECT, once."""
    peer = payments.peer('ehc_reply = "ack-then-e10"')
    world = await open_world(policy="reverse", limits=peer)
    await world.admin.fault("drop-after", "2207")
    raw = invoice(world)
    told = await world.tell(raw)
    assert (told.code, told.field("MSH", 8)) == ("AA", "ACK^E01^ACK")
    found = [await payments.next(), await payments.next()]
    assert sorted(one["IPR"][4] for one in found) == ["PEND", "REJECT"]
    assert {one["MSA"][2] for one in found} == {raw.split(b"|")[9].decode()}
    assert await named(world) == ["delivered"]
    assert await world.states("2207") == ["reversed"]
    await world.stop()


def connecting(payments: PaymentSystem) -> str:
    """The hospital takes application acknowledgements on exchanges of their own."""
    return f'reply_mode = "connect"\nreply_to = "127.0.0.1:{payments.port}"'


async def accepted(world: Any, message: bytes) -> str:
    """MSA-1 of what comes back on the connection that the message went over."""
    reader, writer = await asyncio.open_connection(*world.gateway.mllp_address)
    writer.write(frame(message))
    reply = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60)
    writer.close()
    return reply.partition(b"\rMSA|")[2][:2].decode()


def asking(world: Any, message: bytes, application: str = "AL") -> bytes:
    """The message in enhanced mode."""
    changed: bytes = world.change(world.change(message, "MSH", 15, "AL"), "MSH", 16, application)
    return changed


async def test_a_payment_is_acknowledged_again_once_its_outcome_is_known(
    open_world: Any, payments: PaymentSystem
) -> None:
    """A-011, A-020: CA, then AE that says unknown, and AE that says undone, once 2601 undid it; both
    name the payment, and the message that comes again gets the last.
    """
    world = await open_world(policy="reverse", hl7=connecting(payments))
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    payment = asking(world, world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    control_id = payment.split(b"|")[9].decode()
    assert await accepted(world, payment) == "CA"
    first, second = await payments.next(), await payments.next()
    assert [one["MSA"][1:3] for one in (first, second)] == [["AE", control_id]] * 2
    assert [one["MSH"][8].partition("^")[0] for one in (first, second)] == ["ACK", "ACK"]
    codes = [one["ERR"][5].partition("^")[0] for one in (first, second)]
    assert codes[0] == "FSI-UNKNOWN"
    assert codes[1] != "FSI-UNKNOWN"
    assert first["MSH"][9] != second["MSH"][9]
    assert second["MSH"][14:16] == ["AL", "NE"]
    assert await named(world) == ["delivered"]
    assert await world.states("2207") == ["reversed"]
    assert payments.got.empty()
    await world.stop()


async def test_what_is_known_after_a_restart_is_told_after_it(
    open_world: Any, payments: PaymentSystem
) -> None:
    """A-011, T-040: the gateway is stopped while the outcome is unknown; the next one resolves it,
    and tells it once, also when it is started a third time.
    """
    world = await open_world(policy="hold", hl7=connecting(payments))
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    payment = asking(world, world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert await accepted(world, payment) == "CA"
    assert (await payments.next())["ERR"][5].startswith("FSI-UNKNOWN")

    async def taken() -> bool:
        books = await world.gateway.journal.books(BOOK)
        return [it.state for it in books] == ["delivered"]

    await world.until(taken)
    await world.stop()
    await world.start(policy="reverse", hl7=connecting(payments))
    told = await payments.next()
    assert told["MSA"][2] == payment.split(b"|")[9].decode()
    assert not told["ERR"][5].startswith("FSI-UNKNOWN")
    assert await named(world) == ["delivered"]
    await world.stop()
    await world.start(policy="reverse", hl7=connecting(payments))
    assert await named(world) == ["delivered"]
    assert payments.got.empty()
    await world.stop()


async def test_who_wants_no_application_acknowledgement_is_told_nothing_later(
    open_world: Any, payments: PaymentSystem
) -> None:
    """A-010: MSH-16 NE holds for what is known later too; the repeated message finds the answer."""
    world = await open_world(policy="reverse", hl7=connecting(payments))
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    payment = asking(world, world.his.payment(m.ZHANG, "O1", "O", "240.00"), "NE")
    assert await accepted(world, payment) == "CA"

    async def undone() -> bool:
        return bool(await world.states("2207") == ["reversed"])

    await world.until(undone)
    other = asking(world, world.register(m.LI, "O2"))
    assert await accepted(world, other) == "CA"
    assert (await payments.next())["MSA"][1:3] == ["AA", other.split(b"|")[9].decode()]
    assert payments.got.empty()
    await world.stop()


async def test_a_day_that_balances_is_told_as_a_remittance(
    open_world: Any, payments: PaymentSystem
) -> None:
    """F-030: PMT-6 is the fund's part of the settlement; reconciled again nothing is told anew."""
    world = await open_world(sections=GROUPS, peer=HIS, limits=payments.peer("remittances = true"))
    await world.charged("O1")
    paid = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    today = datetime.now(CHINA).date()
    for _ in range(2):
        await world.gateway.office.schedule.reconcile("H43010000001", today)
    told = await payments.next()
    assert (told["MSH"][4], told["MSH"][8]) == ("PAY", "EHC^E15^EHC_E15")
    assert told["PMT"][6] == told["IPR"][6] == f"{paid.field('ZSL', 8)}&CNY" == "116.20&CNY"
    assert told["IVC"][2] == paid.field("ZSL", 3)
    assert told["IVC"][1] == told["IPR"][1] == paid.field("ZSL", 21)


async def test_a_remittance_names_the_invoices_of_the_sender(
    open_world: Any, payments: PaymentSystem
) -> None:
    """F-031: the provider's own invoice number comes back in IVC-1, beside our msgid in IPR-2."""
    world = await open_world(sections=GROUPS, limits=payments.peer("remittances = true"))
    paid = await world.tell(invoice(world))
    assert paid.field("IPR", 4) == "ADJ"
    today = datetime.now(CHINA).date()
    await world.gateway.office.schedule.reconcile("H43010000001", today)
    told = await payments.next()
    assert told["IVC"][1:3] == ["INV5", paid.field("IVC", 2)]
    assert told["IPR"][2] == paid.field("IPR", 2)
    assert told["IVC"][10].startswith(told["PYE"][4])
    assert await named(world) == ["delivered"]
    assert payments.got.empty()
    await world.stop()


async def test_a_day_with_differences_is_not_told(open_world: Any, payments: PaymentSystem) -> None:
    """Nothing is put for the peer until the difference is gone."""
    world = await open_world(sections=GROUPS, peer=HIS, limits=payments.peer("remittances = true"))
    await world.charged("O1")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    centre = world.platform.centres["430100"]._tables.store
    today = datetime.now(CHINA).date()
    centre.run("UPDATE settlements SET fund_pay_sumamt = '1.00'")
    await world.gateway.office.schedule.reconcile("H43010000001", today)
    assert await world.gateway.journal.books(BOOK) == []
    centre.run("UPDATE settlements SET fund_pay_sumamt = '116.20'")
    await world.gateway.office.schedule.reconcile("H43010000001", today)
    assert (await payments.next())["PMT"][6] == "116.20&CNY"
    await world.stop()
