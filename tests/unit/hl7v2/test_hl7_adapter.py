"""Messages to intents, event by event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ConfigurationError,
    InvalidError,
    MessageError,
    ProblemCode,
    ProblemKind,
    UnsupportedError,
)
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import Verb, VisitClass

PID = "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS^MR||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


def _pv1(setting: str = "O", **changes: str) -> str:
    fields = {2: setting, 3: "NK^^B8", 7: "1001^陈医生", 19: "V100"}
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return "PV1|1|" + "|".join(fields.get(at, "") for at in range(2, max(fields) + 1))


async def test_a04_registers_an_outpatient(make_raw: Make, understand: Understand) -> None:
    """Person, visit, begin and operator of A04, every value with its place."""
    raw = make_raw("ADT^A04^ADT_A01", "EVN||202603010901|||7^王收费", PID, PV1)
    message, intent, problems = await understand(raw)
    assert problems == []
    assert (message.kind, message.control_id, message.sender) == ("ADT^A04", "C1", "HIS|MAIN")
    assert (intent.verb, intent.visit_class) == (Verb.REGISTER, VisitClass.OUTPATIENT)
    assert intent.person.values == {
        "psn_name": "张伟示",
        "certno": "430199198001010010",
        "psn_cert_type": "01",
        "mdtrt_cert_type": "02",
        "mdtrt_cert_no": "430199198001010010",
        "gend": "1",
        "brdy": "1980-01-01",
    }
    assert intent.visit.values == {
        "visit_class": "outpatient",
        "patient_class": "O",
        "ipt_otp_no": "V100",
        "medrcdno": "M77",
        "atddr_no": "1001",
        "dr_name": "陈医生",
        "dept_code": "NK",
        "adm_bed": "B8",
        "begntime": "2026-03-01 09:01:00",
    }
    assert intent.facility.values == {
        "fixmedins_code": "H43010000001",
        "fixmedins_name": "长沙示范医院",
        "opter": "7",
        "opter_name": "王收费",
    }
    assert intent.person.sources["gend"].place == "PID[1]-8[1].1"
    assert intent.person.sources["gend"].raw == "M"
    assert intent.person.sources["gend"].rule.startswith("hl7v2/common/person.map:")


@pytest.mark.parametrize(
    ("event", "setting", "verb"),
    [
        ("ADT^A01", "I", Verb.ADMIT),
        ("ADT^A01", "O", Verb.REGISTER),
        ("ADT^A04", "E", Verb.REGISTER),
        ("ADT^A04", "R", Verb.REGISTER),
        ("ADT^A04", "B", Verb.REGISTER),
        ("ADT^A03", "I", Verb.DISCHARGE),
        ("ADT^A03", "O", Verb.IGNORE),
        ("ADT^A08", "O", Verb.UPDATE),
        ("ADT^A08", "I", Verb.UPDATE),
        ("BAR^P12", "I", Verb.UPDATE),
        ("ADT^A11", "O", Verb.UNREGISTER),
        ("ADT^A11", "I", Verb.UNADMIT),
        ("ADT^A04", "P", Verb.IGNORE),
    ],
)
async def test_event_and_patient_class_choose_the_verb(
    make_raw: Make, understand: Understand, event: str, setting: str, verb: Verb
) -> None:
    """Matrix 1.3 and 1.6; a pre-admission opens nothing."""
    raw = make_raw(event, "EVN||202603010901", PID, _pv1(setting, f45="202603020800"))
    _, intent, problems = await understand(raw)
    assert (intent.verb, problems) == (verb, [])


async def test_a_missing_or_unknown_patient_class_is_a_problem(
    make_raw: Make, understand: Understand
) -> None:
    """R-012, R-014: 101 when PV1-2 is blank, 103 when it has no value of the table."""
    _, _, problems = await understand(make_raw("ADT^A04", "EVN||202603010901", PID, _pv1("")))
    assert [(p.kind, p.place) for p in problems] == [(ProblemKind.REQUIRED, "PV1[1]-2")]
    _, _, problems = await understand(make_raw("ADT^A04", "EVN||202603010901", PID, _pv1("X")))
    assert [(p.kind, p.place) for p in problems] == [(ProblemKind.VALUE, "PV1[1]-2[1].1")]


async def test_a_peers_own_words_for_the_patient_class_are_taken(
    make_raw: Make, understand: Understand
) -> None:
    """The value map of the settings is laid over the standard one."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, _pv1("住院"))
    _, intent, _ = await understand(raw, {"value_maps": {"patient_class": {"住院": "inpatient"}}})
    assert intent.verb is Verb.ADMIT


async def test_the_medical_category_is_set_from_an_explicit_source_only(
    make_raw: Make, understand: Understand
) -> None:
    """PV1-18 counts where the peer says what it means."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, _pv1(f18="慢病"))
    assert "med_type" not in (await understand(raw))[1].visit.values
    _, intent, _ = await understand(raw, {"value_maps": {"med_type": {"慢病": "14"}}})
    assert intent.visit.get("med_type") == "14"


async def test_begin_is_taken_in_its_order_and_a_day_alone_is_refused(
    make_raw: Make, understand: Understand
) -> None:
    """PV1-44 before EVN-6 before EVN-2; an offset is converted; no time of day is invented."""
    evn = "EVN||202603010901||||202603010859"
    raw = make_raw("ADT^A04", evn, PID, _pv1(f44="20260301003000+0000"))
    assert (await understand(raw))[1].visit.get("begntime") == "2026-03-01 08:30:00"
    _, _, problems = await understand(make_raw("ADT^A04", evn, PID, _pv1(f44="20260301")))
    assert [(p.kind, p.place, p.field) for p in problems] == [
        (ProblemKind.TYPE, "PV1[1]-44[1].1", "begntime")
    ]


async def test_a_self_pay_visit_leads_to_no_transaction(
    make_raw: Make, understand: Understand
) -> None:
    """F-026: PV1-20 of the peer's self-pay classes, and nothing of the message is checked."""
    raw = make_raw("ADT^A04", "EVN||x", PID, _pv1("X", f20="01"))
    _, intent, problems = await understand(raw)
    assert (intent.verb, problems) == (Verb.IGNORE, [])


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


async def test_diagnoses_are_numbered_and_one_is_the_main_one(
    make_raw: Make, understand: Understand
) -> None:
    """Matrix 1.4: DG1-15 = 1; without it the first final one; equal numbers are replaced."""
    first = "DG1|1||J06.900^上感^国临2.0||20260301|A|||||||||2|1001^陈医生"
    second = "DG1|2||I10.x00^高血压^国临2.0||20260301|F|||||||||2"
    _, intent, problems = await understand(
        make_raw("ADT^A08", "EVN||202603010901", PID, PV1, first, second)
    )
    assert problems == []
    assert intent.diagnoses_complete
    rows = [
        (d.get("diag_srt_no"), d.get("diag_code"), d.get("maindiag_flag"), d.get("inout"))
        for d in intent.diagnoses
    ]
    assert rows == [("1", "J06.900", "0", "A"), ("2", "I10.x00", "1", "F")]
    assert intent.diagnoses[0].get("diag_time") == "2026-03-01 00:00:00"
    assert intent.diagnoses[1].get("dise_dor_name") == "陈医生"


async def test_marked_diagnoses_are_no_whole_list(make_raw: Make, understand: Understand) -> None:
    """DG1-21 D withdraws one diagnosis; a message without diagnoses withdraws none."""
    gone = "DG1|1||J06.900^上感|||A" + "|" * 15 + "D"
    _, intent, _ = await understand(make_raw("BAR^P12", "EVN||202603010901", PID, PV1, gone))
    assert intent.diagnoses[0].get("vali_flag") == "0"
    assert not intent.diagnoses_complete
    _, intent, _ = await understand(make_raw("ADT^A08", "EVN||202603010901", PID, PV1))
    assert not intent.diagnoses_complete


async def test_discharge_has_its_end_and_way(make_raw: Make, understand: Understand) -> None:
    """PV1-45 and PV1-36 by table 0112; the day of death from PID-29."""
    pid = PID + "|" * 21 + "20260305"
    raw = make_raw("ADT^A03", "EVN||202603051000", pid, _pv1("I", f36="20", f45="202603050930"))
    _, intent, _ = await understand(raw)
    assert intent.visit.get("endtime") == "2026-03-05 09:30:00"
    assert intent.visit.get("dscg_way") == "5"
    assert intent.visit.get("die_date") == "2026-03-05"


async def test_an_unknown_event_is_refused_unless_the_peer_says_otherwise(
    make_raw: Make, understand: Understand
) -> None:
    """V-005, V-018: 201, or accepted without a transaction, or read as another event."""
    raw = make_raw("ADT^A16", "EVN||202603010901", PID, _pv1("I", f45="202603050930"))
    with pytest.raises(UnsupportedError) as caught:
        await understand(raw)
    assert caught.value.problems[0].kind is ProblemKind.UNSUPPORTED_EVENT
    message, intent, _ = await understand(raw, {"ignored_events": ["ADT^A16"]})
    assert (message.kind, intent.verb) == ("ADT^A16", Verb.IGNORE)
    message, intent, _ = await understand(raw, {"event_aliases": {"ADT^A16": "ADT^A03"}})
    assert (message.kind, intent.verb) == ("ADT^A03", Verb.DISCHARGE)


@pytest.mark.parametrize(
    ("event", "changes", "kind", "place"),
    [
        ("ORU^R01", {}, ProblemKind.UNSUPPORTED_TYPE, "MSH[1]-9[1].1"),
        ("ADT^Z99", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT^A04^ADT_A05", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].3"),
        ("QBP^Q22", {"m12": "2.3.1"}, ProblemKind.UNSUPPORTED_TYPE, "MSH[1]-9[1].1"),
        ("BAR^P12", {"m12": "2.4"}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT^A04", {"m11": "X"}, ProblemKind.UNSUPPORTED_PROCESSING, "MSH[1]-11"),
        ("ADT^A04", {"m12": "2.2"}, ProblemKind.UNSUPPORTED_VERSION, "MSH[1]-12"),
        ("ADT^A04", {"m12": "9"}, ProblemKind.UNSUPPORTED_VERSION, "MSH[1]-12"),
    ],
)
async def test_what_is_not_served_is_refused_with_its_code(
    make_raw: Make,
    understand: Understand,
    *,
    event: str,
    changes: dict[str, str],
    kind: ProblemKind,
    place: str,
) -> None:
    """V-003 to V-008, V-017: 200, 201, 202, 203 with the place."""
    with pytest.raises(UnsupportedError) as caught:
        await understand(make_raw(event, PID, PV1, **changes))
    assert [(p.kind, p.place) for p in caught.value.problems] == [(kind, place)]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"m10": ""}, "MSH[1]-10"),
        ({"m9": ""}, "MSH[1]-9"),
        ({"m12": ""}, "MSH[1]-12"),
        ({"m7": ""}, "MSH[1]-7"),
    ],
)
async def test_a_required_header_field_is_missed(
    make_raw: Make, understand: Understand, changes: dict[str, str], place: str
) -> None:
    """V-010, V-011: 101."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, **changes))
    assert [(p.kind, p.place) for p in caught.value.problems] == [(ProblemKind.REQUIRED, place)]


async def test_the_time_of_the_message_is_optional_before_2_4(
    make_raw: Make, understand: Understand
) -> None:
    """V-010."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, PV1, m7="", m12="2.3.1")
    assert (await understand(raw))[2] == []


async def test_other_wrong_headers_are_refused(make_raw: Make, understand: Understand) -> None:
    """V-016 and continuation (MSH-14)."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m15="YES"))
    assert caught.value.problems[0].kind is ProblemKind.VALUE
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m14="next"))
    assert caught.value.problems[0].code is ProblemCode.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("segments", "places"),
    [((PV1,), ["PID[1]"]), ((), ["PID[1]", "PV1[1]"]), ((PV1, PID), ["PID[1]"])],
)
async def test_segments_that_miss_or_are_out_of_order_are_named(
    make_raw: Make, understand: Understand, segments: tuple[str, ...], places: list[str]
) -> None:
    """R-011: 100 with the segment."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", *segments))
    assert [p.place for p in caught.value.problems] == places
    assert {p.kind for p in caught.value.problems} == {ProblemKind.STRUCTURE}


@pytest.mark.parametrize("facility", ["H43010000001", "长沙示范医院", "MAIN", "x^MAIN", ""])
async def test_the_institution_is_known_by_code_name_and_alias(
    make_raw: Make, understand: Understand, facility: str
) -> None:
    """A peer of one institution need not name it."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, PV1, m4=facility)
    _, intent, _ = await understand(raw)
    assert intent.facility.get("fixmedins_code") == "H43010000001"


async def test_a_department_may_name_the_institution(
    make_raw: Make, understand: Understand
) -> None:
    """PV1-3.4 serves where MSH-4 names nobody we know."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, _pv1(f3="NK^^^MAIN"), m4="GROUP")
    _, intent, _ = await understand(raw)
    assert intent.facility.place("fixmedins_code") == "PV1[1]-3[1].4"


@pytest.mark.parametrize(
    ("facility", "code"),
    [("NOBODY", ProblemCode.INSTITUTION_UNKNOWN), ("H43010000002", ProblemCode.PEER_DENIED)],
)
async def test_an_unknown_or_foreign_institution_is_refused(
    make_raw: Make, understand: Understand, facility: str, code: ProblemCode
) -> None:
    """Nothing is sent in the name of an institution that the peer may not speak for."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m4=facility))
    assert (caught.value.problems[0].code, caught.value.problems[0].place) == (
        code,
        "MSH[1]-4[1].1",
    )


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


async def test_every_part_of_a_message_may_be_chinese_in_gb18030(
    make_raw: Make, understand: Understand
) -> None:
    """H-010, H-011: rare characters, and characters whose second byte is a delimiter."""
    tricky = "".join(bytes([0x81, low]).decode("gb18030") for low in b"|^~\\")
    pid = PID.replace("张^伟示", f"{tricky}^㐂龘𠮷")
    raw = make_raw("ADT^A04", "EVN||202603010901", pid, PV1, codec="gb18030", m18="GB 18030-2000")
    _, intent, problems = await understand(raw)
    assert problems == []
    assert intent.person.get("psn_name") == f"{tricky}㐂龘𠮷"


def test_a_wrong_map_or_character_set_is_found_at_start(
    make_adapter: Callable[..., HL7Adapter], tmp_path: Path
) -> None:
    """All maps of all peers are compiled when the adapter is made."""
    (tmp_path / "own.map").write_text("event ADT^A04\nperson.tel <- PID.13\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.map:2"):
        make_adapter(map_overlay=tmp_path)
    with pytest.raises(ConfigurationError, match="no character set"):
        make_adapter({"default_charset": "EBCDIC"})


async def test_an_overlay_changes_one_rule_of_one_peer(
    make_raw: Make, understand: Understand, tmp_path: Path
) -> None:
    """PID-19 as the identity number is a practice of some senders."""
    (tmp_path / "own.map").write_text(
        "event ADT^A04\nperson.certno <- PID-19 | identity\n", "utf-8"
    )
    pid = "PID|1||M7^^^^MR||张^三" + "|" * 14 + "430199198001010010"
    raw = make_raw("ADT^A04", "EVN||202603010901", pid, PV1)
    _, intent, _ = await understand(raw, map_overlay=tmp_path)
    assert intent.person.get("certno") == "430199198001010010"
    assert intent.person.get("psn_name") == "张三"


async def test_a_switch_of_the_character_set_inside_a_field_is_an_error(
    make_raw: Make, understand: Understand
) -> None:
    """E-022."""
    pid = PID.replace("张^伟示", "\\C2842\\")
    try:
        _, _, problems = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    except MessageError as error:
        problems = list(error.problems)
    assert [(p.code, p.field) for p in problems] == [(ProblemCode.NOT_SUPPORTED, "psn_name")]
