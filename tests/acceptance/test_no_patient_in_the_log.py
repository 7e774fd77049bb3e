"""Issue 2, section 7: nothing that identifies a patient reaches a log line or a metric.

Two canaries go every path: a person whom the platform knows, and one whom nobody knows.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from conformance.platform import wire
from gateway.demo import messages as m
from gateway.inbound.mllp_framing import frame
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging

KNOWN = {
    "psn_name": "张伟示",
    "certno": "430199198001010010",
    "card_no": "D430000001",
    "card_sn": "430199D1560000000000000000000001",
    "token": "EC43010000000000000000000001",
    "psn_no": "43010000000000000001",
}
STRANGER = m.Person("金丝雀", "430199197501010012", "M", "19750101", "", "310")
STRANGER_CARD = "K99887766"
STRANGER_TOKEN = "EC99887766554433221100998877"
SECRETS = (*KNOWN.values(), STRANGER.name, STRANGER.certno, STRANGER_CARD, STRANGER_TOKEN)
TOKENS = (KNOWN["token"], STRANGER_TOKEN)


def by_voucher(message: bytes, person: m.Person, token: str) -> bytes:
    """The message with an e-voucher beside the identity card in PID-3."""
    text = message.decode("gb18030")
    card = f"{person.certno}^^^MPS^NNCHN"
    return text.replace(card, f"{token}^^^NHSA^ECTOKEN~{card}").encode("gb18030")


def by_card(message: bytes, person: m.Person, card: str) -> bytes:
    """The message with a social-security card."""
    text = message.decode("gb18030")
    known = f"{person.certno}^^^MPS^NNCHN"
    cards = f"{card}^^^HRSS^HC~{KNOWN['card_sn']}^^^HRSS^CARDSN~{known}"
    return text.replace(known, cards).encode("gb18030")


def certified(world: Any, claim: dict[str, Any], kind: str, number: str) -> dict[str, Any]:
    """The claim with the certificate extension on its patient."""
    base = "https://fsi-gateway.example/fhir/StructureDefinition"
    patient, *others = claim["contained"]
    extension = {
        "url": f"{base}/mdtrt-cert",
        "extension": [
            {"url": "type", "valueCode": kind},
            {"url": "number", "valueString": number},
        ],
    }
    return {**claim, "contained": [{**patient, "extension": [extension]}, *others]}


async def hl7_paths(world: Any) -> set[str]:
    """Every kind of HL7 v2 answer; the codes that came."""
    zhang, his = m.ZHANG, world.his
    register = by_voucher(world.register(zhang, "O1"), zhang, KNOWN["token"])
    found = [await world.tell(register), await world.tell(register)]
    found.append(await world.tell(by_card(world.register(zhang, "O2"), zhang, KNOWN["card_no"])))
    found.append(await world.tell(his.charges(zhang, "O1", "O", (world.ct,))))
    found.append(await world.tell(his.charges(zhang, "O2", "O", (world.ct,))))
    found.append(await world.tell(his.payment(zhang, "O1", "O", "240.00")))
    found.append(await world.tell(register.replace(b"J06.900", b"I10.x00x002")))
    stranger = world.register(STRANGER, "O3")
    found.append(await world.tell(by_voucher(stranger, STRANGER, STRANGER_TOKEN)))
    found.append(await world.tell(by_card(world.register(STRANGER, "O4"), STRANGER, STRANGER_CARD)))
    wrong = world.register(STRANGER._replace(certno=f"{STRANGER.certno[:-1]}9"), "O5")
    found.append(await world.tell(wrong))
    found.append(await world.tell(his.charges(zhang, "O1", "O", (m.UNMAPPED_ITEM,), first=9)))
    await world.admin.fault("drop-after", "2207")
    found.append(await world.tell(his.payment(zhang, "O2", "O", "240.00")))
    found.append(await world.tell(his.charges(zhang, "O2", "O", (world.bottle,), first=5)))
    query = f"QPD|IHE PDQ Query|Q1|@PID.3.1^{STRANGER_TOKEN}~@PID.3.5^ECTOKEN"
    found.append(await world.tell(his.message("QBP^Q22^QBP_Q21", query, "RCP|I")))
    pid = by_voucher(m._pid(zhang).encode("gb18030"), zhang, KNOWN["token"]).decode("gb18030")
    found.append(await world.tell(his.message("RQI^I01^RQI_I01", "PRD|RP|", pid)))
    await world.admin.fault("refuse", "1101", message=f"{STRANGER.name}{STRANGER.certno}未参保")
    found.append(await world.tell(world.register(STRANGER, "O6")))
    return {answer.code for answer in found}


async def fhir_paths(world: Any) -> set[int]:
    """Every kind of FHIR answer; the statuses that came."""
    client = world.client
    claim = certified(
        world, client.claim(m.ZHANG, "F1", (world.ct,), "240.00"), "01", KNOWN["token"]
    )
    stranger = client.claim(STRANGER, "F2", (world.ct,), "240.00")
    unknown = client.claim(m.ZHANG, "F3", (world.bottle,), "12.60")
    found = [
        await world.post_fhir("Claim", claim),
        await world.post_fhir("Claim", claim),
        await world.post_fhir("Claim", certified(world, stranger, "01", STRANGER_TOKEN)),
        await world.post_fhir("Claim", client.claim(m.ZHANG, "F4", (m.UNMAPPED_ITEM,), "9.90")),
        await world.post_fhir("CoverageEligibilityRequest", client.eligibility(STRANGER)),
        await world.post_fhir("CoverageEligibilityRequest", client.eligibility(m.ZHANG)),
        await world.post_fhir("Claim", {**unknown, "identifier": claim["identifier"]}),
    ]
    await world.admin.fault("drop-after", "2207")
    found.append(await world.post_fhir("Claim", unknown))
    where = f"/fhir/r4/Claim?patient={STRANGER.name}&identifier={STRANGER.certno}"
    headers = {"Authorization": f"Bearer {world.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in (where, f"/fhir/r4/Claim/{STRANGER.certno}", f"/{STRANGER_TOKEN}"):
            async with session.get(f"{world.http}{path}") as response:
                await response.read()
    return {answer.status for answer in found}


async def national_paths(world: Any) -> set[int]:
    """Every kind of answer of the national JSON; the statuses that came."""
    card = {"mdtrt_cert_type": "02", "psn_cert_type": "01", "psn_name": KNOWN["psn_name"]}
    known = {**card, "mdtrt_cert_no": KNOWN["certno"], "certno": KNOWN["certno"]}
    voucher = {**known, "mdtrt_cert_type": "01", "mdtrt_cert_no": KNOWN["token"]}
    nobody = {**card, "psn_name": STRANGER.name, "mdtrt_cert_no": STRANGER.certno}
    spent = {**nobody, "mdtrt_cert_type": "01", "mdtrt_cert_no": STRANGER_TOKEN}
    msgid = world.msgid()
    found = [
        await world.carry("1101", {"data": known}, msgid=msgid),
        await world.carry("1101", {"data": voucher}),
        await world.carry("1101", {"data": nobody}),
        await world.carry("1101", {"data": spent}),
        await world.carry("1101", {"data": spent}, msgid=msgid),
        await world.carry("1101", {"data": {**nobody, "mdtrt_cert_type": "77"}}),
        await world.carry("2201", {"data": {**nobody, "psn_no": KNOWN["psn_no"]}}),
    ]
    return {answer.status for answer in found}


async def unreadable_bytes(world: Any) -> None:
    """Messages cut and broken at any place, on both ports."""
    chance = random.Random(41)  # noqa: S311 - the same bytes every time
    good = by_voucher(world.register(STRANGER, "O9"), STRANGER, STRANGER_TOKEN)
    reader, writer = await asyncio.open_connection(*world.gateway.mllp_address)
    for _ in range(40):
        broken = bytearray(good)
        for _ in range(chance.randrange(1, 9)):
            broken[chance.randrange(60, len(broken))] = chance.choice(b"\x00\x0d|^~\\&\x80\xff9A")
        writer.write(frame(bytes(broken)))
    last = world.register(m.ZHANG, "O10")
    writer.write(frame(last))
    async with asyncio.timeout(20):
        await reader.readuntil(b"MSA|AA|" + last.split(b"|")[9])
    writer.close()
    await writer.wait_closed()
    envelope = {"infno": "1101", "msgid": "M1", "fixmedins_code": "H43010000001"}
    body = {"mdtrt_cert_type": "01", "mdtrt_cert_no": STRANGER_TOKEN, "psn_name": STRANGER.name}
    text = wire.encode({**envelope, "input": {"data": body}})
    for end in range(1, len(text), 7):
        await world.post("/fsi/1101", text[:end])
        await world.post("/fhir/r4/Claim", text[:end], **{"Content-Type": "application/fhir+json"})
    latin = str({"resourceType": "Claim", "patient": STRANGER.name}).encode("gb18030")
    await world.post("/fhir/r4/Claim", latin, **{"Content-Type": "application/fhir+json"})


async def broken_handlers(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions whose text holds the patient, at several stations."""

    def explode(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{STRANGER.name} {STRANGER.certno} {STRANGER_CARD} {STRANGER_TOKEN}")

    conductor = world.gateway.pipeline._conductor
    for place, name in (
        (conductor, "conduct"),
        (world.gateway.journal, "next_serial"),
        (world.gateway.journal, "finish_exchange"),
        (world.gateway.journal, "begin_exchange"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, explode)
            await world.tell(world.register(STRANGER, "O7"))
            claim = world.client.claim(STRANGER, "F7", (world.ct,), "240.00")
            await world.post_fhir("Claim", certified(world, claim, "01", STRANGER_TOKEN))
            card = {"mdtrt_cert_type": "01", "mdtrt_cert_no": STRANGER_TOKEN}
            await world.carry("1101", {"data": card})


@pytest.fixture
def stream(quiet: None) -> Iterator[io.StringIO]:
    """The log of a process at DEBUG."""
    stream = io.StringIO()
    configure_logging(LogSettings(level="DEBUG"), stream=stream)
    yield stream
    configure_logging(LogSettings(level="CRITICAL"))


async def test_no_canary_comes_out(
    stream: io.StringIO, open_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, identity numbers, cards and e-vouchers of two people over every protocol and every
    kind of answer: none is in a log line or a metric, no e-voucher in the journal's files.
    """
    world = await open_world()
    assert await hl7_paths(world) == {"AA", "AE"}
    assert await fhir_paths(world) == {201, 202, 409, 422}
    assert await national_paths(world) == {200, 409, 422}
    await unreadable_bytes(world)
    await broken_handlers(world, monkeypatch)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.http}/metrics") as response,
    ):
        metrics = await response.text()
    await world.stop()
    log = stream.getvalue()
    assert log.count("\n") > 500
    assert "gateway_messages_total" in metrics
    for secret in SECRETS:
        assert secret not in log
        assert secret not in metrics
    for token in TOKENS:
        for file in world.folder.glob("journal.db*"):
            assert token.encode() not in file.read_bytes(), file.name


async def test_a_station_has_one_line(stream: io.StringIO, open_world: Any) -> None:
    """One line a station with exchange id, transaction, outcome and duration."""
    world = await open_world()
    await world.tell(world.register(m.ZHANG, "O1"))
    (exchange,) = await world.gateway.journal.exchanges()
    lines = [wire.decode(line.encode()) for line in stream.getvalue().splitlines()]
    mine = [line for line in lines if line.get("exchange") == exchange.exchange_id]
    stations = [line["station"] for line in mine if line["event"] == "station"]
    for name in ("understand", "plan", "code", "check", "answer"):
        assert stations.count(name) == 1, stations
    sent = [line for line in mine if line.get("station") == "send"]
    assert [line["infno"] for line in sent] == ["9001", "1101", "2201", "2203"]
    assert {line["outcome"] for line in sent} == {"accepted"}
