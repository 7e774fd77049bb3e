"""Rules of the standard that no other file here is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemKind, UnsupportedError
from gateway.hl7v2.acks import TABLE_0357
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.header import Header, Mode
from gateway.intents import Result, Status, Verb

PID = "PID|1||43^^^H^MR||张^三||19800101|M"
PV1 = "PV1|1|O|NK||||||||||||||||V1"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


@pytest.mark.parametrize(("version", "fits"), [("2.6", False), ("2.7", True), ("2.8.2", True)])
async def test_the_truncation_character_exists_from_2_7(
    make_raw: Make, understand: Understand, version: str, *, fits: bool
) -> None:
    """E-003: MSH-2 has four characters in every version, five only from 2.7."""
    raw = make_raw("ADT^A04", PID, PV1, m12=version)
    await understand(raw)
    longer = raw.replace(b"^~\\&", b"^~\\&#", 1)
    if fits:
        await understand(longer)
    else:
        with pytest.raises(InvalidError) as caught:
            await understand(longer)
        assert caught.value.problems[0].place == "MSH[1]-2"


async def test_delimiters_are_counted_in_characters(make_raw: Make, understand: Understand) -> None:
    """E-020: a field separator of two bytes is one character of the declared set."""
    raw = make_raw("ADT^A04", PID, PV1).decode().replace("|", "§").encode()
    message, intent, problems = await understand(raw)
    assert (message.control_id, intent.person.get("psn_name"), problems) == ("C1", "张三", [])


async def test_absent_optional_parts_are_not_present(
    make_raw: Make, understand: Understand
) -> None:
    """E-013: without EVN, and with PV1 that ends early, nothing is stated and nothing is wrong."""
    _, intent, problems = await understand(make_raw("ADT^A04", PID, "PV1|1|O"))
    assert (intent.verb, problems) == (Verb.REGISTER, [])
    assert "begntime" not in intent.visit.values
    assert "ipt_otp_no" not in intent.visit.values


async def test_unknown_parts_change_nothing_of_what_is_understood(
    make_raw: Make, understand: Understand
) -> None:
    """E-012, E-014, E-015: unknown segments, fields, components and further repetitions are left
    aside also by a strict peer, and the first repetition is the value.
    """
    plain = ("EVN||202603010901", PID, PV1)
    extended = (
        "EVN||202603010901",
        "ZZZ|1|2|3",
        PID.replace("|M", "|M^x&y^z~F~U") + "|" * 40 + "beyond",
        PV1 + "|" * 60 + "beyond",
        "QQ1|what",
        "ZBE|7",
    )
    strict = {"validation": "strict"}
    _, usual, nothing = await understand(make_raw("ADT^A04^ADT_A01", *plain), strict)
    _, more, problems = await understand(make_raw("ADT^A04^ADT_A01", *extended), strict)
    assert [it.place for it in (*nothing, *problems) if it.stops] == []
    assert more.person.get("gend") == usual.person.get("gend") == "1"
    assert (more.person.values, more.visit.values) == (usual.person.values, usual.visit.values)


async def test_null_empties_and_absence_leaves_alone(
    make_raw: Make, understand: Understand
) -> None:
    """E-010, E-016: a list of one null is an empty list, an empty field says nothing."""
    _, emptied, _ = await understand(make_raw("ADT^A08", PID + '|||||""', PV1))
    _, silent, _ = await understand(make_raw("ADT^A08", PID, PV1))
    assert emptied.person.values["tel"] == ""
    assert "tel" not in silent.person.values


async def test_a_local_event_is_answered_by_msh_msa_and_err(
    make_raw: Make, make_adapter: Callable[..., HL7Adapter], understand: Understand
) -> None:
    """E-023, V-004: a Z event that is not served gets an acknowledgement of these segments."""
    raw = make_raw("ZDT^Z01", PID)
    with pytest.raises(Exception, match="TYPE-UNSUPPORTED") as caught:
        await understand(raw)
    body = make_adapter().refuse(raw, {"peer": "his"}, caught.value).body.decode()
    assert [line[:3] for line in body.split("\r")[:-1]] == ["MSH", "MSA", "ERR"]
    assert "\rMSA|AR|C1\r" in body
    dialect = {"ignored_events": ["ZDT^Z01"]}
    message, intent, _ = await understand(raw, dialect)
    result = Result(status=Status.DONE, intent=intent)
    good = make_adapter(dialect).answer(message.kind, message.context, result).body.decode()
    assert [line[:3] for line in good.split("\r")[:-1]] == ["MSH", "MSA"]
    assert "\rMSA|AA|C1\r" in good


@pytest.mark.parametrize(
    ("event", "version", "code"),
    [
        ("EHC^E30", "2.6", "EVENT-UNSUPPORTED"),
        ("EHC^E31", "2.8.2", "EVENT-UNSUPPORTED"),
        ("EHC^E01", "2.5.1", "TYPE-UNSUPPORTED"),
    ],
)
async def test_events_without_a_published_structure_are_unknown(
    make_raw: Make, understand: Understand, *, event: str, version: str, code: str
) -> None:
    """V-017, V-019: 201 for EHC^E30 and E31, and 200 for the type before 2.6."""
    with pytest.raises(UnsupportedError) as caught:
        await understand(make_raw(event, PID, m12=version))
    assert [it.code for it in caught.value.problems] == [code]


@pytest.mark.parametrize(
    ("accept", "application", "mode"),
    [
        ("", "", Mode.ORIGINAL),
        ("AL", "AL", Mode.ENHANCED),
        ("NE", "NE", Mode.ENHANCED),
        ("AL", "", Mode.ENHANCED),
    ],
)
def test_the_mode_follows_msh_15_and_16(accept: str, application: str, mode: Mode) -> None:
    """A-001, A-002, A-003: both absent is original, both valued enhanced."""
    assert Header(accept_ack=accept, application_ack=application).mode is mode


@pytest.mark.parametrize("status", list(Status))
async def test_no_expected_sequence_number_is_ever_sent(
    make_raw: Make, understand: Understand, make_adapter: Callable[..., HL7Adapter], status: Status
) -> None:
    """A-024: MSA-4 belongs to the sequence number protocol, which this peer does not speak."""
    message, intent, _ = await understand(make_raw("ADT^A04", PID, PV1, m12="2.3"))
    result = Result(status=status, intent=intent)
    body = make_adapter().answer(message.kind, message.context, result).body.decode()
    msa = next(line for line in body.split("\r") if line.startswith("MSA"))
    assert len(msa.split("|")) <= 4


def test_codes_of_later_versions_are_not_used() -> None:
    """R-017: 198 and 199 are not in table 0357 before 2.9."""
    assert {code for code, _ in TABLE_0357.values()}.isdisjoint({"198", "199"})
    assert TABLE_0357[ProblemKind.NOT_FOUND][0] == "204"


async def test_a_fragment_is_refused_with_its_place(make_raw: Make, understand: Understand) -> None:
    """B-010: a fragment that nobody joined is refused; half a message is never worked on."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m14="1"))
    assert caught.value.problems[0].place == "MSH[1]-14"


async def test_performer_and_orderer_of_a_line_are_not_mixed_up(
    make_raw: Make, understand: Understand
) -> None:
    """F-024: FT1-20 is the receiving doctor (orders_dr_code), FT1-21 the ordering one."""
    line = "FT1|1|1|B1|20260301||CG|YP001|||2|25.20|||||||||2002^受|1001^开"
    _, intent, _ = await understand(make_raw("DFT^P03", PID, PV1, line))
    charge = intent.charges[0]
    assert (charge.get("orders_dr_code"), charge.get("orders_dr_name")) == ("2002", "受")
    assert (charge.get("bilg_dr_codg"), charge.get("bilg_dr_name")) == ("1001", "开")


async def test_times_and_amounts_have_the_forms_of_the_national_interface(
    make_raw: Make, understand: Understand
) -> None:
    """F-003, F-009: `yyyy-MM-dd HH:mm:ss`, `yyyy-MM-dd`, and every digit of an amount."""
    line = "FT1|1|1|B1|202603010905||CG|YP001|||2.5000|25.20|10.080000"
    _, intent, _ = await understand(make_raw("DFT^P03", PID, PV1, line))
    charge = intent.charges[0]
    assert charge.get("fee_ocur_time") == "2026-03-01 09:05:00"
    assert intent.person.get("brdy") == "1980-01-01"
    assert [charge.get(code) for code in ("cnt", "det_item_fee_sumamt", "pric")] == [
        "2.5000",
        "25.20",
        "10.080000",
    ]


@pytest.mark.parametrize("version", ["2.3", "2.5", "2.8.2"])
async def test_no_answer_repeats_who_the_patient_is(
    make_raw: Make, understand: Understand, make_adapter: Callable[..., HL7Adapter], version: str
) -> None:
    """R-022, F-033: name, certificate and token stand in no acknowledgement of a failure."""
    person = "PID|1||430199198001010013^^^MPS^NNCHN~TOKEN77^^^H^ECTOKEN||张^伟示||1980X|M"
    raw = make_raw("ADT^A04", person, PV1, m12=version)
    message, intent, problems = await understand(raw)
    assert problems
    result = Result(status=Status.INVALID, intent=intent, problems=problems)
    body = make_adapter().answer(message.kind, message.context, result).body.decode()
    for secret in ("430199198001010013", "TOKEN77", "伟示", "1980X"):
        assert secret not in body


async def test_the_medical_category_is_what_the_peer_says_in_the_regions_words(
    make_raw: Make, understand: Understand
) -> None:
    """F-027: no category of ours is made up; a peer's value map has those of its region."""
    visit = "PV1|1|I|NK|||||||||||||||21||V1"
    peer = {"value_maps": {"med_type": {"21": "2101"}}}
    _, intent, _ = await understand(make_raw("ADT^A01", PID, visit.replace("||V1", "|V1")), peer)
    assert intent.visit.get("med_type") == "2101"
    _, silent, _ = await understand(make_raw("ADT^A01", PID, visit.replace("||V1", "|V1")))
    assert not silent.visit.has("med_type")
