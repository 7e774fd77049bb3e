"""The worked examples of dialects (docs/how-to/hl7-dialects): each message means what it says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import Intent, Result, Status, Verb
from gateway.settings import Settings

EXAMPLES = Path(__file__).parents[3] / "docs" / "how-to" / "hl7-dialects"
CODECS = {"gbk-single-reply": "gbk", "cards-in-z-segments": "gb18030"}
ENDS = {"gbk-single-reply": "\r\n"}


async def _understood(example: str, name: str) -> tuple[Intent, str]:
    """The intent of a message as it is sent, and the answer to it."""
    folder = EXAMPLES / example
    peers: list[dict[str, Any]] = tomllib.loads((folder / "peer.toml").read_text("utf-8"))["peers"]
    for peer in peers:
        if "map_overlay" in peer:
            peer["map_overlay"] = folder / peer["map_overlay"]
    settings = Settings.model_validate(
        {
            "institutions": [
                {
                    "fixmedins_code": "H43010000001",
                    "fixmedins_name": "长沙示范医院",
                    "mdtrtarea_admvs": "430100",
                    "channel": "c",
                }
            ],
            "channels": [{"name": "c", "url": "http://127.0.0.1:9"}],
            "peers": peers,
        }
    )
    adapter = HL7Adapter(settings, SystemClock())
    text = (folder / f"{name}.hl7").read_text("utf-8").replace("\n", ENDS.get(example, "\r"))
    codec = CODECS.get(example, "utf-8")
    message = await adapter.read(text.encode(codec), settings.peers[0], {})
    intent, problems = await adapter.understand(message, settings.peers[0])
    assert problems == []
    result = Result(status=Status.DONE, intent=intent)
    return intent, adapter.answer(message.kind, message.context, result).body.decode(codec)


@pytest.mark.parametrize(
    ("example", "name", "verb", "reply"),
    [
        ("gbk-single-reply", "register", Verb.REGISTER, "ACK^A04"),
        ("gbk-single-reply", "charges", Verb.CHARGE, "ACK^P03"),
        ("other-events", "discharge", Verb.DISCHARGE, "ACK^A16^ACK"),
        ("other-events", "settle", Verb.SETTLE, "ACK^A03^ACK"),
        ("other-events", "deposit", Verb.IGNORE, "ACK^P03^ACK"),
        ("registration-by-srm", "register", Verb.REGISTER, "SRR^S01^SRR_S01"),
        ("registration-by-srm", "cancel", Verb.UNREGISTER, "SRR^S04^SRR_S01"),
        ("cards-in-z-segments", "register", Verb.REGISTER, "ACK^A04^ACK"),
        ("cards-in-z-segments", "self-pay", Verb.IGNORE, "ACK^A04^ACK"),
        ("invoices-and-filings", "chronic", Verb.FILE_CHRONIC, "RPA^I08^RPA_I08"),
        ("invoices-and-filings", "invoice", Verb.SETTLE, "ACK^E01^ACK"),
        ("invoices-and-filings", "visits", Verb.FIND_VISITS, "RSP^K11^RSP_K11"),
    ],
)
async def test_a_message_of_a_dialect_has_its_verb_and_reply(
    example: str, name: str, *, verb: Verb, reply: str
) -> None:
    """Matrix 1.11: what a HIS means, and a reply that it can read."""
    intent, body = await _understood(example, name)
    assert intent.verb is verb
    assert body.split("|")[8] == reply
    assert "\rMSA|AA|" in body


async def test_words_and_types_of_the_gbk_peer_are_translated() -> None:
    """H-003, E-005, A-023: the treatment card is no certificate, the amount is in component 3."""
    intent, _ = await _understood("gbk-single-reply", "register")
    assert intent.person.get("certno") == intent.person.get("mdtrt_cert_no") == "430199198001010010"
    assert (intent.person.get("gend"), intent.visit.get("medrcdno")) == ("1", "88001")
    assert intent.person.get("psn_name") == "张伟示"
    charges, _ = await _understood("gbk-single-reply", "charges")
    line = charges.charges[0]
    assert (line.get("det_item_fee_sumamt"), line.get("pric")) == ("25.20", "12.60")


async def test_the_insurance_number_of_the_registration_system_is_taken() -> None:
    """PID-19 by the overlay of the peer, which `explain` names."""
    intent, _ = await _understood("registration-by-srm", "register")
    assert intent.person.get("psn_no") == "43010000000000000001"
    assert intent.person.sources["psn_no"].rule == "maps/common/person.map:2"


async def test_the_payment_system_is_understood_in_its_own_words() -> None:
    """Matrix 1.11: words of AUT-1 and QPD-1, one rule of a map, and MSA-4 as its program wants it."""
    intent, body = await _understood("invoices-and-filings", "chronic")
    assert intent.filing.get("hosp_ide_date") == "2026-10-30"
    assert intent.filing.sources["hosp_ide_date"].rule == "maps/RQA_I08_CHRONIC.map:3"
    assert "\rMSA|AA|F1||100\r" in body
    invoice, _ = await _understood("invoices-and-filings", "invoice")
    assert invoice.settlement.get("medfee_sumamt") == "252.60"


async def test_a_card_with_its_number_is_shown_as_a_card() -> None:
    """F-008: type 03 needs card_sn, which the Z segment states; rare characters survive."""
    intent, _ = await _understood("cards-in-z-segments", "register")
    assert (intent.person.get("mdtrt_cert_type"), intent.person.get("mdtrt_cert_no")) == (
        "03",
        "A12345678",
    )
    assert intent.person.get("card_sn") == "430100D156000005000123456"
    assert intent.person.get("psn_name") == "㐂龘"
