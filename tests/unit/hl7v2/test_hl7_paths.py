"""Paths of maps into messages."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.errors import InvalidError, ProblemCode
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.paths import HL7Language
from gateway.hl7v2.places import read_place
from gateway.hl7v2.query import with_query_person
from gateway.hl7v2.reader import read_document
from mappings.messages import compiler

TEXT = (
    "MSH|^~\\&|HIS\r"
    'PID|1||9^^^H^IDCard~430^^^MPS^SFZ~""^^^^MB||Zhang^Wei^^^^^^A~张^伟示^^^^^^I||""\r'
    "PV1|1|O|NK&x^301^08||||1001^陈^医生\r"
    "FT1|1|11||20260301||CG|A1^甲^L^330^x^NHSA|||2|7.50&CNY^^12.5&USD\r"
    "NTE|1||first\r"
    "FT1|2|12||20260301||PY\r"
    "OBX|1\r"
    "NTE|1||not of the line\r"
    "ORC|RE|P9\r"
)


@pytest.fixture
def message() -> Any:
    """A message with two FT1 lines."""
    return read_document(TEXT)


def _get(path: str, node: Any, **options: Any) -> Any:
    return HL7Language(**options).value(path)(node)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("PV1-7.1", ("1001", "PV1[1]-7[1].1")),
        ("PV1-3.1.2", ("x", "PV1[1]-3[1].1")),
        ("PV1-2", ("O", "PV1[1]-2[1]")),
        ("PV1-9.1", None),
        ("ZZZ-1", None),
        ("PID-7", ("", "PID[1]-7[1]")),
        ("PID-3.1", ("9", "PID[1]-3[1].1")),
        ("PID-3[NNCHN].1", ("430", "PID[1]-3[2].1")),
        ("PID-3[NNCHN] | type", ("NNCHN", "PID[1]-3[2].5")),
        ("PID-3[ECTOKEN] | type", None),
        ("PID-3[MB].1", ("", "PID[1]-3[3].1")),
        ("PID-5 | name", ("张伟示", "PID[1]-5[2]")),
        ("PV1-7 | staff", ("陈医生", "PV1[1]-7[1]")),
        ("FT1[PY]-2", ("12", "FT1[2]-2[1]")),
        ("FT1[CD]-2", None),
        ("FT1-7 | coded NHSA", ("330", "FT1[1]-7[1].4")),
        ("FT1-7 | coded L", ("A1", "FT1[1]-7[1].1")),
        ("FT1-11 | money", ("7.50", "FT1[1]-11[1].1")),
    ],
)
def test_a_path_gives_the_text_and_its_place(message: Any, path: str, expected: Any) -> None:
    """The first segment and repetition, or those that a type names; aliases of types resolved."""
    assert _get(path, message, identifier_aliases={"SFZ": "NNCHN"}) == expected


def test_the_amount_of_a_foreign_currency_is_a_problem(message: Any) -> None:
    """Some systems put the amount into component 3; its currency counts, too."""
    with pytest.raises(InvalidError) as caught:
        _get("FT1-11 | money", message, amount_component=3)
    assert caught.value.problems[0].code is ProblemCode.CURRENCY
    assert caught.value.problems[0].place == "FT1[1]-11[1].3"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Li^Ming", "Li Ming"),
        ("Li^Ming~李^明", "李明"),
        ("李^明^^^^^^P~李^明明^^^^^^I", "李明明"),
        ("㐂^龘𠮷", "㐂龘𠮷"),
        ("欧阳^", "欧阳"),
    ],
)
def test_the_chinese_form_of_a_name_is_preferred(names: str, expected: str) -> None:
    """Ideographic repetition first, then any CJK one; parts are joined without a blank."""
    document = read_document(f"MSH|^~\\&|\rPID|||||{names}\r")
    assert _get("PID-5 | name", document)[0] == expected


def test_blocks_have_their_own_segments(message: Any) -> None:
    """A path to a segment of the group never reaches another line's."""
    first, second = HL7Language().each("FT1")(message)
    assert _get("FT1-2", second) == ("12", "FT1[2]-2[1]")
    assert _get("NTE-3", first) == ("first", "NTE[1]-3[1]")
    assert _get("NTE-3", second) is None
    assert _get("ORC-2", first) is None
    assert _get("ORC-2", second) == ("P9", "ORC[1]-2[1]")
    assert _get("PV1-3.1", first) == ("NK", "PV1[1]-3[1].1")
    assert len(HL7Language().each("FT1[CG]")(message)) == 1


@pytest.mark.parametrize(
    "path",
    ["", "PID", "PID.3", "pid-3", "PID-0", "PID-3[N N]", "PID-5 | names", "FT1-7 | coded",
     "PID-5 | name x", "PID[X]-3", "PID-3.1.2.3"],
)  # fmt: skip
def test_a_path_of_another_form_is_refused(path: str) -> None:
    """The compiler reports it with file and line."""
    with pytest.raises(ValueError, match=r".+"):
        HL7Language().value(path)
    with pytest.raises(ValueError, match=r".+"):
        HL7Language().each("PV1[X]" if path else "")


def test_the_demographics_of_a_query_stand_in_for_pid() -> None:
    """QPD-3 names fields of PID; the place is that of the parameter."""
    document = with_query_person(
        read_document(
            "MSH|^~\\&|\rQPD|Q22|T1|@PID.3.1^430~@PID.3.5^NNCHN~@PID.5.1^张~PID.7^19800101~x^y\r"
        )
    )
    assert _get("PID-3[NNCHN].1", document) == ("430", "QPD[1]-3[1].2")
    assert _get("PID-5 | name", document)[0] == "张"
    assert _get("PID-7.1", document) == ("19800101", "QPD[1]-3[4].2")
    composite = read_document("MSH|^~\\&|\rQPD|Q22|T1|@PID.3^430&&&&NNCHN\r")
    assert _get("PID-3[NNCHN].1", with_query_person(composite))[0] == "430"


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("FT1[2]-7[1].1.2", "FT1[2]-7[1].1.2"),
        ("MSH-18", "MSH[1]-18"),
        ("PID", "PID[1]"),
        ("MSH-9.2", "MSH[1]-9.2"),
    ],
)
def test_places_are_read_back(text: str, again: str) -> None:
    """Segment and occurrence, field and repetition, component; what is not said stays open."""
    place = read_place(text)
    assert place is not None
    assert str(place) == again


@pytest.mark.parametrize("text", ["", "Claim.item[1].net", "input.feedetail[1].cnt", "pid-3"])
def test_places_of_other_protocols_are_none_of_ours(text: str) -> None:
    """They have no ERL."""
    assert read_place(text) is None


async def test_lines_of_any_shape_are_understood_alike(
    make_raw: Any, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that cannot apply are left out shape by shape; beyond the bound all of them run."""
    lines = [
        "FT1|1|1|B1|20260301||CG|A1^甲|||2|7.50",
        "FT1|2|2||20260301||CG|A1^甲|||2|7.50|3.75|||NK2|||||2002^受|1001^开",
        "FT1|3|3|B1~B2|20260301||CG|A1^甲\\T\\乙|||2|7.50",
        "FT1|4|4|B1|20260301||CG|A1^甲|||2|7.50" + "|" * 99,
        "NTE|1||note",
    ]
    raw = make_raw("DFT^P03", "PID|1||7^^^H^MR||张^三", "PV1|1|O|NK", *lines)
    settings = make_settings()
    found = []
    for most in (0, 1, 256):
        monkeypatch.setattr(compiler, "MAX_SHAPES", most)
        adapter = HL7Adapter(settings, SystemClock())
        for _ in range(2):
            message = await adapter.read(raw, settings.peers[0], {})
            intent, problems = await adapter.understand(message, settings.peers[0])
            assert problems == []
            found.append([(charge.values, charge.sources) for charge in intent.charges])
    assert all(it == found[0] for it in found)
    values = [it[0] for it in found[0]]
    assert [it["medins_list_name"] for it in values] == ["甲", "甲", "甲&乙", "甲"]
    assert [it.get("memo", "") for it in values] == ["", "", "", "note"]
    assert [it["bilg_dept_codg"] for it in values] == ["NK", "NK", "NK", "NK"]
    assert [it.get("acord_dept_codg", "") for it in values] == ["", "", "", ""]
    assert [it.get("orders_dr_code", "") for it in values] == ["", "2002", "", ""]


CONTACTS = read_document(
    "MSH|^~\\&|HIS\rPV1|1|I||N\rNK1|1|A|EMR\rNK1|2|B|OTH||||E\rNK1|3|C|SPO||||N\rNK1|4|D|FTH\r"
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("NK1[E]-2", "B"),
        ("NK1[N/E]-2", "B"),
        ("NK1[!E]-2", "A"),
        ("NK1[!E][3!=EMR]-2", "C"),
        ("NK1[3=FTH/MTH]-2", "D"),
        ("NK1[N][3=FTH]-2", None),
        ("PV1[4=N]-2", "I"),
        ("PV1[4!=N]-2", None),
    ],
)
def test_brackets_choose_one_segment(path: str, expected: str | None) -> None:
    """By the type of the segment or by any field: equal, another, one of several, two at once."""
    found = _get(path, CONTACTS)
    assert (found[0] if found else None) == expected


@pytest.mark.parametrize("path", ["PV1[N]-2", "NK1[E=]-2", "NK1[!]-2", "NK1[E][N][I]-2", "NK1[]-2"])
def test_brackets_of_another_form_are_refused(path: str) -> None:
    """PV1 has no type; a value is missing; more than two pairs."""
    with pytest.raises(ValueError, match=r"kind|transaction type|not an HL7 v2 path"):
        _get(path, CONTACTS)


def test_roles_belong_to_the_segment_right_before_them() -> None:
    """Behind a note too, but not behind IN1; one that was deleted is none."""
    message = read_document(
        "MSH|^~\\&|HIS\rPR1|1\rNTE|1\rROL||DE|PS|1\rROL||AD|PS|2\rPR1|2\rIN1|1\rROL||AD|PS|3\r"
    )
    first, second = HL7Language().each("PR1")(message)
    assert _get("ROL[PS]-4.1", first) == ("2", "ROL[2]-4[1].1")
    assert _get("ROL[PS]-4.1", second) is None


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("OBX|1|NM|W||2.85|kg", "2850"),
        ("OBX|1|NM|W||2850.5|g|||||F", "2850.5"),
        ("OBX|1|SN|W||=^2850|g", "2850"),
        ("OBX|1|SN|W||>^2850|g", None),
        ("OBX|1|CQ|W||2.85^kg", "2850"),
        ("OBX|1|NM|W||6.3|[lb_av]", "6.3 [lb_av]"),
        ("OBX|1|NM|W||2850", "2850 (no unit)"),
        ("OBX|1|NM|W||2850|g|||||W", None),
        ("OBX|1|NM|X||2850|g", None),
    ],
)
def test_a_weight_is_in_grams(segment: str, expected: str | None) -> None:
    """By OBX-6, or by the unit of the value itself; what is no result is nothing."""
    found = _get("OBX[W]-5 | grams", read_document(f"MSH|^~\\&|HIS\r{segment}\r"))
    assert found == ((expected, "OBX[1]-5[1]") if expected else None)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("OBX|1|ST|V||1/13/24", "1/13/24"),
        ("OBX|1|NM|V||2244|min", "1/13/24"),
        ("OBX|1|NM|V||2.5|h", "0/2/30"),
        ("OBX|1|NM|V||3|wk", "3 wk"),
        ("OBX|1|NM|V||-3|h", "-3 h"),
    ],
)
def test_a_duration_is_in_days_hours_and_minutes(segment: str, expected: str) -> None:
    """What cannot be converted stays with its unit, for the check of the list."""
    found = _get("OBX[V]-5 | duration", read_document(f"MSH|^~\\&|HIS\r{segment}\r"))
    assert found == (expected, "OBX[1]-5[1]")
