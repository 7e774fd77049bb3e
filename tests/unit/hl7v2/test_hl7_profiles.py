"""Message profiles of our own interface: made from the maps, up to date, read by a stranger."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hl7apy.parser import parse_message
from lxml import etree

from gateway.demo.messages import HIS, OUTPATIENT_ITEMS, ZHANG
from gateway.hl7v2.profile_pages import FOLDER, MAPS, events_of, pages, sheets_of, write
from gateway.hl7v2.profiles import Part, SegmentProfile, profile_of, to_xml, versions_of
from mappings.messages.compiler import read_maps

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
REDRAW = "python -m gateway.hl7v2.profile_pages docs/reference"
PAGES = dict(pages())
EVENTS = events_of(read_maps(MAPS))


def segments(event: str, version: str = "") -> dict[str, SegmentProfile]:
    """The segments of a profile by name; of one that stands in several groups the last."""
    profile = profile_of(event, sheets_of(read_maps(MAPS), event), version)
    return {it.name: it for member in profile.members for it in member.segments()}


def field(event: str, name: str, number: int) -> Part:
    """A field of a profile."""
    return segments(event)[name].fields[number - 1]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_profile_is_up_to_date(name: str) -> None:
    """The committed page says what the maps say now."""
    same = (REFERENCE / name).read_text("utf-8") == PAGES[name]
    assert same, f"{name} is out of date: run `{REDRAW}` and commit what it writes"


def test_no_profile_stays_behind() -> None:
    """A page of an event that has no map any more is taken away."""
    committed = {f"{FOLDER}/{path.name}" for path in (REFERENCE / FOLDER).iterdir()}
    assert committed == set(PAGES), f"run `{REDRAW}`, and remove the pages of events that are gone"


def test_every_event_that_has_a_map_and_a_structure_has_a_profile() -> None:
    """Twenty-eight events of the first maps, and whatever is added."""
    assert {"ADT^A01", "ADT^A04", "DFT^P03", "BAR^P12", "QBP^Q22", "RQI^I01"} <= set(EVENTS)
    assert {f"{FOLDER}/{event.replace('^', '_')}.xml" for event in EVENTS} <= set(PAGES)


def test_a_field_that_a_map_reads_says_what_it_becomes() -> None:
    """FT1-10 of common/charges.map is the quantity; its table in 2.5.1 has it optional, once."""
    quantity = field("DFT^P03", "FT1", 10)
    assert (quantity.usage, quantity.least, quantity.most) == ("RE", 0, 1)
    assert (quantity.type, quantity.name) == ("NM", "Transaction Quantity")
    assert quantity.becomes[0].startswith("charges.cnt (hl7v2/common/charges.map:")


def test_usage_is_required_read_ignored_or_withdrawn() -> None:
    """Four fields of 2.5.1 and 2.8.2: PID-5 R, PID-8 RE, PID-15 O; IN1-37 X from 2.7 on."""
    assert field("ADT^A04", "PID", 5).usage == "R"
    assert field("ADT^A04", "PID", 8).usage == "RE"
    assert field("ADT^A04", "PID", 15).usage == "O"
    assert segments("ADT^A04", "2.8.2")["PID"].fields[1].usage == "X"


def test_components_are_listed_where_a_field_is_read() -> None:
    """FT1-7.1 is the local item, 7.2 its name; the codes of other systems are looked through."""
    parts = field("DFT^P03", "FT1", 7).parts
    assert [part.usage for part in parts] == ["RE", "RE", "RE", "RE", "O", "RE"]


def test_what_the_event_requires_is_required_though_the_table_does_not() -> None:
    """DFT^P03 needs FT1; ADT^A04 needs PV1, which both have in their tables as R."""
    assert segments("DFT^P03")["FT1"].least == 1
    assert segments("ADT^A04")["PV1"].usage == "R"


def test_segments_that_nobody_reads_are_left_out() -> None:
    """ADT_A01 has AL1, GT1 and others, which no rule of the maps names."""
    assert {"MSH", "EVN", "PID", "PV1", "DG1", "IN1"} <= set(segments("ADT^A04"))
    assert not {"AL1", "GT1", "PR1"} & set(segments("ADT^A04"))


def test_roles_are_read_behind_procedures_alone() -> None:
    """ADT_A03 has ROL behind PID, PV2, PR1 and IN1; only those of procedures are read."""
    profile = profile_of("ADT^A03", sheets_of(read_maps(MAPS), "ADT^A03"))
    with_roles = [
        [one.name for one in member.segments()]
        for member in profile.members
        if "ROL" in {one.name for one in member.segments()}
    ]
    assert with_roles == [["PR1", "ROL"]]


def test_the_fields_that_choose_a_segment_are_read() -> None:
    """NK1-7 and OBX-3 fill no field, and say which NK1 and which OBX is meant."""
    assert field("ADT^A03", "NK1", 7).becomes[0].startswith("which NK1 is meant")
    assert field("ADT^A03", "OBX", 3).becomes[0].startswith("which OBX is meant")
    assert field("ADT^A03", "OBX", 6).usage == "RE"


def test_a_version_without_the_structure_has_no_profile() -> None:
    """BAR^P12 exists since 2.5."""
    assert versions_of("BAR^P12")[0] == "2.5"
    with pytest.raises(KeyError):
        profile_of("BAR^P12", [], "2.4")


def test_the_document_is_a_conformance_profile() -> None:
    """Root, static definition, and attributes of chapter 2.12 with values of their sets."""
    profile = profile_of("DFT^P03", sheets_of(read_maps(MAPS), "DFT^P03"))
    root = etree.fromstring(to_xml(profile))
    assert (root.tag, root.get("HL7Version")) == ("HL7v2xConformanceProfile", "2.5.1")
    body = root.find("HL7v2xStaticDef")
    assert body is not None
    assert (body.get("MsgType"), body.get("EventType"), body.get("MsgStructID")) == (
        "DFT",
        "P03",
        "DFT_P03",
    )
    usages = {it.get("Usage") for it in body.iter("Segment", "SegGroup", "Field", "Component")}
    assert usages <= {"R", "RE", "O", "X"}
    assert {it.tag for it in body.iter()} <= {
        "HL7v2xStaticDef", "MetaData", "Segment", "SegGroup", "Field", "Component", "ImpNote",
    }  # fmt: skip


def test_hl7apy_reads_the_document_and_a_message_by_it(tmp_path: Path) -> None:
    """Its own tool turns the XML into a profile, and a message of the demonstration parses by it."""
    write(tmp_path)
    tool = Path(sys.executable).parent / "hl7apy_profile_parser"
    made = tmp_path / "made"
    source = tmp_path / FOLDER / "DFT_P03.xml"
    subprocess.run(  # noqa: S603 - the library's own tool on a file of ours
        [sys.executable, str(tool), "-o", str(made), str(source)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    profile = pickle.loads((made / "DFT_P03").read_bytes())  # noqa: S301 - written a line above
    text = HIS("UNICODE UTF-8", "utf-8").charges(ZHANG, "O1", "O", OUTPATIENT_ITEMS).decode()
    message = parse_message(text, message_profile=profile, find_groups=True)
    assert len(message.dft_p03_financial) == len(OUTPATIENT_ITEMS)
    assert message.dft_p03_financial[1].ft1.ft1_7.ft1_7_1.value == "YP001"
