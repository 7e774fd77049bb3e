"""What a message says about a visit: its verb, class, times and diagnoses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import ProblemKind
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
    assert (message.kind, message.control_id, message.sender) == ("ADT^A04", "C1", "his|HIS|MAIN")
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


CONTACT = {
    "ntly": "CHN",
    "prfs": "17",
    "curr_addr": "示范路1号",
    "poscode": "410000",
    "patn_rlts": "10",
    "coner_addr": "示范路2号",
    "coner_tel": "13100000000",
}


def _with_contact(country: str = "CHN", occupation: str = "17", relation: str = "SPO") -> list[str]:
    person = PID.split("|") + [""] * 20
    person[11], person[28] = "示范路1号^^长沙^^410000", country
    contact = f"NK1|1|李^示|{relation}|示范路2号|13100000000"
    insurance = "IN2" + "|" * 47 + occupation
    return ["|".join(person), contact, _pv1("I"), "IN1|1|310|430100", insurance]


@pytest.mark.parametrize("event", ["ADT^A01^ADT_A01", "ADT^A08^ADT_A01", "ADT^A03^ADT_A03"])
async def test_what_the_list_says_of_the_person_is_taken(
    make_raw: Make, understand: Understand, event: str
) -> None:
    """Country, occupation, address and contact person, each from the field of the standard."""
    _, intent, _ = await understand(make_raw(event, "EVN||202603010901", *_with_contact()))
    assert {code: intent.person.get(code) for code in CONTACT} == CONTACT
    assert intent.person.get("coner_name") == "李示"


@pytest.mark.parametrize(
    ("relation", "code"), [("51", "51"), ("MTH", "52"), ("SIB", "70"), ("OTH", "")]
)
async def test_a_relation_is_national_or_of_table_0063(
    make_raw: Make, understand: Understand, relation: str, code: str
) -> None:
    """A relation that the national list does not tell apart states nothing."""
    raw = make_raw("ADT^A01^ADT_A01", "EVN||202603010901", *_with_contact(relation=relation))
    _, intent, problems = await understand(raw)
    assert (intent.person.get("patn_rlts"), problems) == (code, [])


async def test_a_country_or_occupation_in_words_states_nothing(
    make_raw: Make, understand: Understand
) -> None:
    """The list needs the code; the additions of the records department have it then."""
    segments = _with_contact(country="中国", occupation="职员")
    _, intent, problems = await understand(
        make_raw("ADT^A01^ADT_A01", "EVN||202603010901", *segments)
    )
    assert (intent.person.has("ntly"), intent.person.has("prfs"), problems) == (False, False, [])
