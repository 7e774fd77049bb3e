"""Lengths of values: what each version states, how they are counted, what a peer is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from gateway.errors import InvalidError, Problem, ProblemKind, Severity
from gateway.hl7v2.definitions import MODULES, Composite, Leaf, definitions_of
from gateway.hl7v2.escapes import Delimiters, length_of
from gateway.hl7v2.profile_pages import MAPS, page, sheets_of
from gateway.hl7v2.profiles import profile_of, to_xml
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.validation import MAX_FINDINGS, validate
from mappings.messages.compiler import read_maps

HEAD = "MSH|^~\\&|HIS|H1|G|F|20260301090000||ADT^A04^ADT_A01|C1|P|{version}\rEVN||20260301\r"
PID = "PID|1||43^^^H^MR||张^伟||19800101|M"
PV1 = "\rPV1|1|O|NK\r"


def _lengths(text: str, version: str) -> list[Problem]:
    """The findings about lengths in an ADT^A04."""
    document = read_document(HEAD.format(version=version) + text)
    found = validate(document, "ADT_A01", version)
    return [it for it in found if it.kind is ProblemKind.LENGTH]


def _told(problems: list[Problem]) -> list[tuple[str, Severity]]:
    return [(it.place, it.severity) for it in problems]


@pytest.mark.parametrize(
    ("version", "segment", "field", "length"),
    [
        ("2.3", "PID", 5, 48),
        ("2.3", "PID", 19, 16),
        ("2.3.1", "FT1", 4, 26),
        ("2.4", "PID", 5, 250),
        ("2.5", "MSH", 10, 20),
        ("2.5.1", "FT1", 12, 12),
        ("2.6", "MSH", 10, 199),
        ("2.6", "IVC", 4, 2),
        ("2.7", "MSH", 10, 199),
        ("2.7.1", "PID", 1, 4),
        ("2.8.2", "FT1", 2, 12),
        ("2.8.2", "PID", 5, 0),
        ("2.3", "NTE", 3, 0),
    ],
)
def test_fields_have_the_length_of_their_version(
    version: str, segment: str, field: int, length: int
) -> None:
    """As the attribute tables print them; 64K and no length are no limit."""
    assert definitions_of(version).length(segment, field) == length


@pytest.mark.parametrize("version", MODULES)
def test_every_length_belongs_to_a_field_of_the_version(version: str) -> None:
    """And from 2.7 on, where lengths are normative, to one that has no parts."""
    definitions = definitions_of(version)
    stated = 0
    for name in definitions.lengths.segments:
        rules = definitions.segment(name)
        assert rules
        row = definitions.lengths.segments[name]
        assert len(row) <= max(rule.number for rule in rules)
        known = {rule.number: rule.value for rule in rules}
        for number, length in enumerate(row, start=1):
            stated += length > 0
            if length and version >= "2.7":
                assert isinstance(known[number], Leaf), (name, number)
    for name, row in definitions.lengths.types.items():
        value = definitions.datatype(name)
        assert isinstance(value, Composite)
        assert len(row) <= len(value.parts)
    assert stated > 200
    assert bool(definitions.lengths.types) == (version >= "2.5")


@pytest.mark.parametrize("version", MODULES)
def test_no_length_is_shorter_than_a_code_of_its_own_table(version: str) -> None:
    """A value of the table is never too long for the field that the table is for."""
    definitions = definitions_of(version)
    for name in definitions.lengths.segments:
        for rule in definitions.segment(name) or ():
            if rule.length and isinstance(rule.value, Leaf) and rule.value.values:
                codes = [it for it in rule.value.values if it.isalnum() and it.isascii()]
                assert max(map(len, codes), default=0) <= rule.length, (name, rule.number)


@pytest.mark.parametrize("version", MODULES)
def test_every_segment_of_a_version_can_be_checked(version: str) -> None:
    """Those too that the version has only the name of (QRD in 2.7) and with withdrawn fields (TQ1)."""
    definitions = definitions_of(version)
    for name in ("MSH", "PID", "QRD", "QRF", "TQ1", "URD"):
        text = HEAD.format(version=version) + PID + PV1 + f"{name}|1|2^3|x\r"
        assert isinstance(validate(read_document(text), "ADT_A01", version), list)
    assert definitions.segment("PID")


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        ("abc", 3),
        ("张伟", 2),
        ("𠮷野", 2),
        ("a^b&c", 5),
        (r"a\F\b", 3),
        (r"a\.br\b", 5),
        (r"\X0D0A\x", 6),
        ("a\\b", 3),
        (r"\F\ab\c", 5),
        ("", 0),
    ],
)
def test_characters_are_counted_as_the_standard_counts(raw: str, length: int) -> None:
    r"""Characters, not bytes; separators count; of an escape what is between its two marks counts."""
    assert length_of(raw, Delimiters()) == length


def test_without_an_escape_character_every_character_counts() -> None:
    r"""A sender may have none (MSH-2 of two or three characters)."""
    assert length_of("a\\F\\b", Delimiters(escape="")) == 5


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5", "2.6"])
def test_before_2_7_a_field_without_parts_has_its_maximum_length(version: str) -> None:
    """R-015: PID-19 has 16 characters; the 17th is an error, in both languages, with the numbers."""
    field = "|" * (19 - 8)
    assert _lengths(f"{PID}{field}{'x' * 16}{PV1}", version) == []
    (found,) = _lengths(f"{PID}{field}{'x' * 17}{PV1}", version)
    assert (found.place, found.severity) == ("PID[1]-19[1]", Severity.ERROR)
    assert found.zh == "取值过长：17 个字符，最多 16 个"
    assert found.en == "the value is too long: 17 characters, at most 16"
    assert "xxx" not in found.zh + found.en + found.detail


def test_chinese_characters_are_one_each() -> None:
    """PID-19 in 2.5: sixteen characters are forty-eight bytes and fit; an escape is one character."""
    field = "|" * (19 - 8)
    assert _lengths(f"{PID}{field}{'张' * 16}{PV1}", "2.5") == []
    assert _lengths(f"{PID}{field}{'张' * 15}\\T\\{PV1}", "2.5") == []
    assert len(_lengths(f"{PID}{field}{'张' * 16}\\T\\{PV1}", "2.5")) == 1


def test_each_repetition_has_the_length_for_itself() -> None:
    """The place names the repetition that is too long; the repetition separator does not count."""
    names = "~".join(["x" * 200, "y" * 251, "z" * 200])
    found = _lengths(PID.replace("张^伟", names) + PV1, "2.4")
    assert _told(found) == [("PID[1]-5[2]", Severity.WARNING)]


def test_lengths_of_fields_with_parts_and_of_components_warn_before_2_7() -> None:
    """An identity card has 18 characters, and CX.1 of 2.5 has 15: the message is not refused."""
    card = PID.replace("43^^^H^MR", "110101198001010010^^^H^NI")
    assert _told(_lengths(card + PV1, "2.5")) == [("PID[1]-3[1].1", Severity.WARNING)]
    assert _told(_lengths(card + PV1, "2.4")) == []
    assert _told(_lengths(card + PV1, "2.8.2")) == []
    inner = PID.replace("43^^^H^MR", f"43^^^{'H' * 21}^MR")
    assert _told(_lengths(inner + PV1, "2.5")) == [("PID[1]-3[1].4.1", Severity.WARNING)]


def test_from_2_7_only_normative_lengths_are_errors() -> None:
    """Chapter 2, 2.5.5: a conformance length says what a receiver keeps, and refuses nothing."""
    long = PID.replace("张", "张" * 300).replace("43^", "4" * 60 + "^")
    assert _lengths(long + PV1, "2.7") == []
    assert _lengths(long + PV1, "2.8.2") == []
    document = HEAD.format(version="2.8.2").replace("|C1|", f"|{'C' * 200}|") + PID + PV1
    found = validate(read_document(document), "ADT_A01", "2.8.2")
    assert _told(found) == [("MSH[1]-10[1]", Severity.ERROR)]
    scheme = PID.replace("43^^^H^MR", "43^1^M10X^H^MR")
    assert _told(_lengths(scheme + PV1, "2.8.2")) == [("PID[1]-3[1].3", Severity.ERROR)]


def test_a_value_that_its_sender_has_cut_off_is_told() -> None:
    """Chapter 2, 2.5.5.2: the truncation character of MSH-2 at the end, from 2.7 on."""
    text = (HEAD.format(version="2.7") + PID + PV1).replace("^~\\&", "^~\\&#")
    cut = text.replace("伟", "伟伟#").replace("|NK\r", "|NK^#1\r")
    found = validate(read_document(cut), "ADT_A01", "2.7")
    told = [it for it in found if it.kind is ProblemKind.LENGTH]
    assert _told(told) == [("PID[1]-5[1].2", Severity.WARNING)]
    assert told[0].zh == "取值已被发送方截断"
    plain = validate(read_document(cut.replace("^~\\&#", "^~\\&")), "ADT_A01", "2.7")
    assert [it for it in plain if it.kind is ProblemKind.LENGTH] == []


def test_codes_that_sites_extend_have_no_length_here() -> None:
    """Identifier types (CX.5) and coding systems are those of the peer, however long."""
    text = PID.replace("^MR", "^SHEBAOKA").replace("||19800101", "||19800101", 1)
    for version in ("2.5", "2.6", "2.7", "2.8", "2.8.2"):
        assert _lengths(text + PV1, version) == []


def test_null_has_no_length() -> None:
    """PID-24 has one character, and `""` says to delete it."""
    field = "|" * (24 - 8)
    assert _lengths(f'{PID}{field}""{PV1}', "2.5") == []


def test_warnings_do_not_stand_before_an_error() -> None:
    """As many warnings as there may be findings, and the error that comes behind them is told."""
    names = "~".join("x" * 251 for _ in range(MAX_FINDINGS + 20))
    text = f"{PID.replace('张^伟', names)}{PV1}AL1|x\r"
    document = read_document(HEAD.format(version="2.4") + text)
    found = validate(document, "ADT_A01", "2.4")
    assert sum(not it.stops for it in found) == MAX_FINDINGS
    assert "AL1[1]-3" in {it.place for it in found if it.stops}


async def test_a_value_that_is_too_long_is_refused_warned_of_or_let_pass(
    make_raw: Callable[..., bytes], understand: Callable[..., Any]
) -> None:
    """Off, warn and strict, as for every other finding."""
    raw = make_raw("ADT^A04^ADT_A01", "EVN||202603010901", PID + "|" * 11 + "x" * 17, "PV1|1|O|NK")
    place = "PID[1]-19[1]"
    _, _, problems = await understand(raw)
    assert place not in {it.place for it in problems}
    _, _, problems = await understand(raw, {"validation": "warn"})
    assert (place, Severity.WARNING) in _told(problems)
    with pytest.raises(InvalidError) as caught:
        await understand(raw, {"validation": "strict"})
    assert (place, Severity.ERROR) in _told(list(caught.value.problems))


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("2.3", "102"),
        ("2.4", "102"),
        ("2.5.1", "102"),
        ("2.6", "102"),
        ("2.7", "104"),
        ("2.8.2", "104"),
    ],
)
async def test_the_code_of_a_value_too_long_is_that_of_the_version(
    make_raw: Callable[..., bytes],
    understand: Callable[..., Any],
    make_adapter: Callable[..., Any],
    version: str,
    code: str,
) -> None:
    """R-015: FT1-2 has 12 characters in every version; a strict peer is told 104, before 2.7 102."""
    line = "FT1|1|" + "7" * 13 + "||20260301||CG|YP001|||2|25.20"
    raw = make_raw("DFT^P03", "EVN||20260301", PID, "PV1|1|O|NK", line, m12=version)
    with pytest.raises(InvalidError) as caught:
        await understand(raw, {"validation": "strict"})
    body = make_adapter().refuse(raw, {"peer": "his"}, caught.value).body.decode()
    errors = [row for row in body.split("\r") if row.startswith("ERR")]
    place = "FT1^1^2^" if version < "2.5" else "FT1^1^2^1|"
    (told,) = [row for row in errors if place in row]
    assert told.partition(place)[2].startswith(code)


def test_profiles_show_lengths() -> None:
    """In the page's column and in the XML's attribute Length, of fields and of components."""
    sheets = sheets_of(read_maps(MAPS), "DFT^P03")
    profile = profile_of("DFT^P03", sheets, "2.5.1")
    assert "| PID-5 Patient Name | R | 1..* | XPN | 250 |" in page(profile)
    document = etree.fromstring(to_xml(profile))
    (card,) = document.xpath("//Segment[@Name='PID']/Field[3]")
    assert card.get("Length") == "250"
    assert card.xpath("Component[1]/@Length") == ["15"]
    newest = etree.fromstring(to_xml(profile_of("DFT^P03", sheets, "2.8.2")))
    assert newest.xpath("//Segment[@Name='PID']/Field[3]/@Length") == []
    assert newest.xpath("//Segment[@Name='FT1']/Field[2]/@Length") == ["12"]
