"""A whole gateway at work: what identifies a patient is in no line of its log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog

from gateway.demo.messages import HIS, OUTPATIENT_ITEMS, UNMAPPED_ITEM, ZHANG, FHIRClient
from gateway.demo.sandbox import Sandbox
from gateway.demo.talking import FHIRSender, HL7Sender, PlatformAdmin
from gateway.inbound.national import NationalAdapter
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging

CARD = "A12345678"
VOUCHER = "ec0f9b1d7a3344e2b8c1ZxYwQq9K"
PERSON_NUMBER = "43010000000000000001"
CANARIES = (ZHANG.name, ZHANG.name[1:], ZHANG.certno, CARD, VOUCHER, PERSON_NUMBER)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Every line of the process at the lowest level; undone afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    configure_logging(LogSettings(level="DEBUG"), stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2], before[3]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class Hospital(NamedTuple):
    """A running gateway and everything that talks to it."""

    where: dict[str, str]
    his: HIS
    hl7: HL7Sender
    fhir: FHIRSender
    admin: PlatformAdmin
    session: aiohttp.ClientSession

    async def raw(self, message: bytes) -> None:
        """Frame any bytes and wait for an answer or the end of the connection."""
        host, _, port = self.where["mllp"].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x0b" + message + b"\x1c\r")
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 30)
        writer.close()

    async def national(self, raw: bytes, path: str = "") -> int:
        """Post to the national JSON; the HTTP status."""
        headers = {"Authorization": f"Bearer {self.where['token']}"}
        url = self.where["fsi"] + path
        async with self.session.post(url, data=raw, headers=headers) as response:
            await response.read()
            return response.status


@pytest.fixture
async def hospital(log: io.StringIO, tmp_path: Path) -> AsyncIterator[Hospital]:
    """Sandbox and senders, started after the log was set up and closed before it is read."""
    assert log.getvalue() == ""
    async with Sandbox(tmp_path / "sandbox") as sandbox, aiohttp.ClientSession() as session:
        where = sandbox.describe()
        host, _, port = where["mllp"].partition(":")
        found = Hospital(
            where,
            HIS("UNICODE UTF-8", "utf-8"),
            HL7Sender(host, int(port), "utf-8"),
            FHIRSender(where["fhir"], where["token"]),
            PlatformAdmin(where["admin"], sandbox.admin_token),
            session,
        )
        yield found
        for sender in (found.hl7, found.fhir, found.admin):
            await sender.close()


def envelope(serial: int, **data: Any) -> bytes:
    """A 1101 of the national JSON."""
    return json.dumps(
        {
            "infno": "1101",
            "msgid": f"H4301000000120260301090507{serial:04d}",
            "fixmedins_code": "H43010000001",
            "input": {"data": data},
        }
    ).encode()


def assert_clean(log: io.StringIO) -> list[dict[str, Any]]:
    """No canary in any line, and every line is JSON; the lines."""
    text = log.getvalue()
    for canary in CANARIES:
        assert canary not in text
    return [json.loads(line) for line in text.splitlines()]


async def test_hl7_messages_leave_no_trace_of_the_patient(
    hospital: Hospital, log: io.StringIO
) -> None:
    """A day with settlement, refusals, an unknown outcome and bytes that are no message."""
    his, send = hospital.his, hospital.hl7.send
    diagnosis = his.diagnosis("J06.900", "急性上呼吸道感染", "F")
    await send(his.visit("A04", ZHANG, "O1", "O", diagnosis, his.insurance(ZHANG)))
    await send(his.charges(ZHANG, "O1", "O", [*OUTPATIENT_ITEMS]))
    await send(his.charges(ZHANG, "O1", "O", [UNMAPPED_ITEM], first=90))
    await hospital.admin.fault("drop-after", "2207")
    await send(his.payment(ZHANG, "O1", "O", "117.70"))
    await send(his.message(f"ADT^{ZHANG.certno}", f"PID|1||{CARD}||{ZHANG.name}"))
    await send(his.message("ADT^A04^ADT_A01", f"PID|{ZHANG.name}||{VOUCHER}^^^^ECTOKEN"))
    await hospital.raw(f"MSH|^~\\&|{ZHANG.name}|{ZHANG.certno}|||||{CARD}|1|P|2.5.1\r".encode())
    await hospital.raw(f"{ZHANG.name}|{CARD}|{VOUCHER}".encode("gb18030"))
    lines = assert_clean(log)
    stations = {line["station"] for line in lines if line["event"] == "station"}
    assert {"receive", "read", "understand", "plan", "code", "check"} <= stations
    assert {"route", "record", "send", "answer"} <= stations
    assert {line["outcome"] for line in lines if line.get("infno") == "2207"} >= {"unknown"}


async def test_fhir_requests_leave_no_trace_of_the_patient(
    hospital: Hospital, log: io.StringIO
) -> None:
    """A Claim, a broken one, a search whose query holds the certificate number."""
    client = FHIRClient("https://fsi-gateway.example/fhir")
    await hospital.fhir.post("CoverageEligibilityRequest", client.eligibility(ZHANG))
    claim = client.claim(ZHANG, "O2", OUTPATIENT_ITEMS[:1], "15.00")
    await hospital.fhir.post("Claim", claim)
    await hospital.fhir.post("Claim", {**claim, "status": ZHANG.name, "id": ZHANG.certno})
    await hospital.fhir.post("Encounter", {"resourceType": ZHANG.name})
    await hospital.fhir.get(f"Claim?patient.identifier={ZHANG.certno}&name={ZHANG.name}")
    await hospital.fhir.get(f"Claim/{ZHANG.certno}")
    lines = assert_clean(log)
    routes = {line["route"] for line in lines if line["event"] == "http"}
    assert {"/fhir/r4/Claim", "/fhir/r4/Claim/{id}"} <= routes


async def test_national_requests_leave_no_trace_of_the_patient(
    hospital: Hospital, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, refused, other content, garbage, secrets in the path, and a defect of ours."""
    good = {
        "mdtrt_cert_type": "02",
        "mdtrt_cert_no": ZHANG.certno,
        "psn_cert_type": "01",
        "certno": ZHANG.certno,
        "psn_name": ZHANG.name,
    }
    assert await hospital.national(envelope(1, **good)) == 200
    assert await hospital.national(envelope(1, **{**good, "card_sn": CARD})) == 409
    voucher = {**good, "mdtrt_cert_type": "01", "mdtrt_cert_no": VOUCHER}
    await hospital.national(envelope(2, **voucher))
    await hospital.national(envelope(3, **{**good, "mdtrt_cert_type": ZHANG.name}))
    assert await hospital.national(f'{{"{ZHANG.name}": 1, "x": "{CARD}"'.encode()) == 400
    await hospital.national(b"{}", f"/{ZHANG.certno}?name={ZHANG.name}&token={VOUCHER}")
    async with hospital.session.post(
        hospital.where["fsi"], headers={"Authorization": f"Bearer {VOUCHER}"}
    ) as response:
        assert response.status == 401

    async def defect(*_: object) -> None:
        raise RuntimeError(f"{ZHANG.name} {ZHANG.certno} {CARD} {VOUCHER}")

    monkeypatch.setattr(NationalAdapter, "understand", defect)
    await hospital.national(envelope(4, **good))
    lines = assert_clean(log)
    assert "RuntimeError" in {line.get("error") for line in lines}
    assert hospital.where["token"] not in log.getvalue()
