"""What a message says about a person: certificate, coverage, and who is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import ProblemKind
from gateway.intents import Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS^MR||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


async def test_a_wrong_identity_number_is_found_before_anything_is_sent(
    make_raw: Make, understand: Understand
) -> None:
    """The check digit of an 18-character number is verified; the number is not in the problem."""
    wrong = PID.replace("430199198001010010", "430199198001010011")
    _, _, problems = await understand(make_raw("ADT^A04", "EVN||202603010901", wrong, PV1))
    assert [(p.field, p.place) for p in problems] == [("certno", "PID[1]-3[1].1")]
    assert "430199198001010011" not in repr(problems)


async def test_the_token_comes_before_card_and_identity_card(
    make_raw: Make, understand: Understand
) -> None:
    """F-034: e-voucher, social-security card, identity card."""
    pid = "PID|1||430199198001010010^^^^NNCHN~D43^^^^HC~SN1^^^^CARDSN~TOK^^^^ECTOKEN||张^三"
    _, intent, _ = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    assert intent.person.get("mdtrt_cert_type") == "01"
    assert intent.person.get("mdtrt_cert_no") == "TOK"
    pid = pid.replace("~TOK^^^^ECTOKEN", "")
    _, intent, _ = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    assert intent.person.get("mdtrt_cert_type") == "03"
    assert intent.person.get("mdtrt_cert_no") == "D43"
    assert intent.person.get("card_sn") == "SN1"


async def test_a_card_without_its_number_gives_way_to_the_identity_card(
    make_raw: Make, understand: Understand
) -> None:
    """F-008: certificate type 03 cannot be sent without card_sn."""
    pid = "PID|1||430199198001010010^^^^NNCHN~D43^^^^HC||张^三"
    _, intent, _ = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    assert intent.person.get("mdtrt_cert_type") == "02"
    assert intent.person.get("mdtrt_cert_no") == "430199198001010010"


async def test_a_local_treatment_card_is_never_an_identity_card(
    make_raw: Make, understand: Understand
) -> None:
    """CX.5 `IDCard` means what the peer's aliases say, not what it looks like."""
    pid = "PID|1||900001^^^^IDCard||张^三"
    _, intent, _ = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    assert not intent.person.has("certno")
    assert not intent.person.has("mdtrt_cert_no")


async def test_coverage_comes_from_in1_where_it_is_national(
    make_raw: Make, understand: Understand
) -> None:
    """Matrix 1.2: plan type, region of six digits, insured's number; foreign plans state nothing."""
    in1 = "IN1|1|X|440300" + "|" * 12 + "390" + "|" * 34 + "4403001"
    _, intent, _ = await understand(make_raw("ADT^A04", "EVN||202603010901", PID, PV1, in1))
    assert intent.person.get("insutype") == "390"
    assert intent.person.get("insuplc_admdvs") == "440300"
    assert intent.person.get("psn_no") == "4403001"
    foreign = "IN1|1|HMO|Org-12345||||||||||||HMO"
    _, intent, problems = await understand(
        make_raw("ADT^A04", "EVN||202603010901", PID, PV1, foreign)
    )
    assert problems == []
    assert "insutype" not in intent.person.values
    assert "insuplc_admdvs" not in intent.person.values


async def test_a_query_is_understood_by_its_demographics(
    make_raw: Make, understand: Understand
) -> None:
    """QBP^Q22 asks for the person of QPD-3; a name alone cannot be asked for (101 at QPD-3)."""
    qpd = "QPD|Q22^Find^HL7|T1|@PID.3.1^430199198001010010~@PID.3.5^NNCHN~@PID.5.1^张伟示"
    _, intent, problems = await understand(make_raw("QBP^Q22^QBP_Q21", qpd, "RCP|I"))
    assert (intent.verb, problems) == (Verb.IDENTIFY, [])
    assert intent.person.get("mdtrt_cert_no") == "430199198001010010"
    assert intent.person.place("mdtrt_cert_no") == "QPD[1]-3[1].2"
    _, _, problems = await understand(make_raw("QBP^Q22", "QPD|Q22|T1|@PID.5.1^张", "RCP|I"))
    assert [(p.kind, p.place) for p in problems] == [(ProblemKind.REQUIRED, "QPD[1]-3")]


async def test_insurance_information_is_asked_for_by_pid(
    make_raw: Make, understand: Understand
) -> None:
    """RQI^I01."""
    _, intent, problems = await understand(make_raw("RQI^I01", "PRD|RP", PID))
    assert (intent.verb, problems) == (Verb.IDENTIFY, [])
    _, _, problems = await understand(make_raw("RQI^I01", "PRD|RP", "PID|1||7^^^^MR"))
    assert [p.place for p in problems] == ["PID[1]-3"]
