"""The tutorial and the worked examples do what their pages say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import mappings.codes
from gateway.app import explain_offline
from gateway.demo.sandbox import Sandbox
from gateway.demo.talking import FHIRSender, HL7Answer, HL7Sender, PlatformAdmin
from gateway.errors import InvalidError, ProblemCode
from gateway.settings import Settings
from gateway.settlement.explaining import Explanation

HOSPITAL = "H43010000001"
LOOK_AGAIN = 0.1
"""Seconds between two looks at an outcome that the sandbox resolves by itself after one second."""
RESOLVED_WITHIN = 20.0


class Reader:
    """Follows the tutorial: sends its files to a sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.places = sandbox.describe()
        host, _, port = self.places["mllp"].rpartition(":")
        self.hl7 = HL7Sender(host, int(port), "utf-8")
        self.fhir = FHIRSender(self.places["fhir"], sandbox.token)
        self.admin = PlatformAdmin(self.places["admin"], sandbox.admin_token)

    async def send(self, name: str) -> HL7Answer:
        """Send a message file as `gateway send` does: segments end with CR."""
        text = (self.folder / name).read_text("utf-8")
        return await self.hl7.send(text.replace("\n", "\r").encode())

    async def close(self) -> None:
        """Close every connection."""
        await self.hl7.close()
        await self.fhir.close()
        await self.admin.close()


@pytest_asyncio.fixture
async def reader(root: Path, tmp_path: Path) -> AsyncIterator[Reader]:
    """A reader with a fresh sandbox."""
    async with Sandbox(tmp_path / "sandbox", log_level="ERROR") as sandbox:
        reader = Reader(sandbox, root / "docs" / "tutorial" / "messages")
        yield reader
        await reader.close()


async def test_the_hl7_part_of_the_tutorial_settles_as_the_page_says(reader: Reader) -> None:
    """Register, charge and pay: 280.20 yuan, of which (256.20 - 50.00) x 70 % from the fund."""
    assert (await reader.send("register.hl7")).code == "AA"
    charged = await reader.send("charges.hl7")
    assert charged.field("ZSL", 2) == "P"
    paid = await reader.send("payment.hl7")
    assert [paid.field("ZSL", number) for number in (2, 7, 8, 9, 14, 17, 18)] == [
        *("S", "280.20", "144.34", "135.86", "256.20", "24.00", "50.00"),
    ]
    assert await reader.send("payment.hl7") == paid
    assert len(await reader.admin.rows("settlements")) == 1
    refused = await reader.send("unmapped.hl7")
    assert (refused.code, refused.field("ERR", 2)) == ("AE", "FT1^2^7^1^1")


async def test_the_unknown_outcome_of_the_tutorial_ends_with_one_settlement(
    reader: Reader,
) -> None:
    """A dropped answer is AE and FSI-UNKNOWN; the same message later gets the settlement."""
    for name in ("register.hl7", "charges-2.hl7"):
        assert (await reader.send(name)).code == "AA"
    await reader.admin.fault("drop-after", "2207")
    unknown = await reader.send("payment-2.hl7")
    assert (unknown.code, unknown.field("ERR", 5).partition("^")[0]) == ("AE", "FSI-UNKNOWN")
    final = await _until_final(reader)
    assert (final.code, final.field("ZSL", 2)) == ("AA", "S")
    live = [row for row in await reader.admin.rows("settlements") if not row.get("cancelled")]
    assert final.field("ZSL", 3) in {str(row.get("setl_id")) for row in live}


async def _until_final(reader: Reader) -> HL7Answer:
    async with asyncio.timeout(RESOLVED_WITHIN):
        while (answer := await reader.send("payment-2.hl7")).code != "AA":  # noqa: ASYNC110 - a hospital has nothing to wait on but the answer
            await asyncio.sleep(LOOK_AGAIN)
    return answer


async def test_the_claim_and_the_national_json_of_the_tutorial_are_answered(
    reader: Reader,
) -> None:
    """The claim brings 20.10 of 40.20 yuan and can be searched; 1101 finds the person."""
    claim = json.loads((reader.folder / "claim.json").read_text("utf-8"), parse_float=Decimal)
    answer = await reader.fhir.post("Claim", claim)
    assert answer.status == 201
    totals = [answer.total(code) for code in ("submitted", "eligible", "benefit", "copay")]
    assert totals == [Decimal("40.20"), Decimal("40.20"), Decimal("20.10"), Decimal("20.10")]
    visit = "https://fsi-gateway.example/fhir/id/ipt-otp-no%7CT2026-2"
    found = await reader.fhir.get(f"ClaimResponse?identifier={visit}")
    assert found.resource["total"] == 1
    envelope = (reader.folder / "1101.json").read_bytes()
    headers = {"Authorization": f"Bearer {reader.sandbox.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{reader.places['fsi']}/1101", data=envelope) as response,
    ):
        body = await response.json()
    assert (response.status, body["infcode"]) == (200, 0)
    assert body["output"]["baseinfo"]["psn_no"] == "43010000000000000001"


def _settings(**peer: Any) -> Settings:
    tables = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"
    return Settings.model_validate(
        {
            "codes": {"directories": [tables]},
            "institutions": [
                {
                    "fixmedins_code": HOSPITAL,
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": "changsha",
                }
            ],
            "channels": [{"name": "changsha", "url": "http://localhost", "profile": "hunan"}],
            "peers": [{"name": "his", "institutions": [HOSPITAL], **peer}],
        }
    )


async def _explain(settings: Settings, message: str) -> Explanation:
    raw = message.replace("\n", "\r").encode()
    return await explain_offline(settings, "hl7v2", raw, settings.peers[0], {})


@pytest.fixture
def example(root: Path) -> Path:
    """The folder of the worked overlay."""
    return root / "docs" / "how-to" / "overlay-example"


@pytest.fixture
def message(example: Path) -> str:
    """The message of the worked overlay."""
    return (example / "charges.hl7").read_text("utf-8")


async def test_without_the_overlay_the_message_of_the_example_has_no_visit_number(
    message: str,
) -> None:
    """The standard maps do not know the segment ZJZ."""
    with pytest.raises(InvalidError) as caught:
        await _explain(_settings(), message)
    found = [(problem.code, problem.field) for problem in caught.value.problems]
    assert found == [(ProblemCode.FIELD_REQUIRED, "ipt_otp_no")]


async def test_with_the_overlay_every_field_comes_from_where_the_page_says(
    example: Path, message: str
) -> None:
    """Visit number and category come from ZJZ, the ordering doctor from FT1-20; NTE is left out."""
    settings = _settings(map_overlay=example / "maps", presettle_with_charges=True)
    explanation = await _explain(settings, message)
    assert explanation.problems == []
    fields = {
        (call.infno, field.code): (field.value, field.place, field.rule)
        for call in explanation.calls
        for field in call.fields
    }
    assert fields["2201", "ipt_otp_no"] == (
        "MZ20260302-17",
        "ZJZ[1]-1[1]",
        "maps/common/visit.map:2",
    )
    assert fields["2206", "med_type"] == ("11", "ZJZ[1]-2[1]", "maps/common/visit.map:3")
    assert fields["2204", "bilg_dr_codg"][:2] == ("D430100000002", "FT1[1]-20[1].1")
    assert ("2204", "memo") not in fields


async def test_the_standard_maps_would_have_sent_the_note(message: str) -> None:
    """The rule that the overlay takes away is in force without it."""
    numbered = message.replace("NK||||1001^陈医生\n", f"NK||||1001^陈医生{'|' * 12}V1\n")
    explanation = await _explain(_settings(), numbered)
    memo = [
        field.value for call in explanation.calls for field in call.fields if field.code == "memo"
    ]
    assert memo == ["窗口 3 取药"]
