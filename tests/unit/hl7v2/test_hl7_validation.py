"""The compiled tables, alone and beside hl7apy's own validator."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.factories import datatype_factory
from hl7apy.parser import parse_message
from hl7apy.validation import Validator
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import (
    ConfigurationError,
    InvalidError,
    Problem,
    ProblemKind,
    Severity,
    UnreadableError,
)
from gateway.hl7v2 import events
from gateway.hl7v2.definitions import MODULES, definitions_of
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.validation import MAX_FINDINGS, fits_type, validate

EVN = "EVN||20260301\r"
PID = "PID|1||43^^^H^MR||Zhang^Wei||19800101|M\r"
PV1 = "PV1|1|O|NK||||1001^Chen||||||||||||V1\r"
FT1 = "FT1|1|1|B1|20260301||CG|YP001^x|||2|25.20\r"
DG1 = "DG1|1||I10^x|||A\r"
BODIES = {
    "ADT_A01": ("ADT^A04^ADT_A01", EVN + PID + PV1 + DG1),
    "ADT_A03": ("ADT^A03^ADT_A03", EVN + PID + PV1),
    "ADT_A09": ("ADT^A11^ADT_A09", EVN + PID + PV1),
    "DFT_P03": ("DFT^P03^DFT_P03", EVN + PID + PV1 + FT1 + FT1.replace("1|1|B1", "2|2|B1")),
    "BAR_P02": ("BAR^P02^BAR_P02", EVN + PID + PV1),
}
VERSIONS = ("2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2")
MUTATIONS: list[tuple[str, str]] = [
    ("", ""),
    (EVN, ""),
    (PID, ""),
    (PV1, ""),
    (PID, PID + PID),
    ("|CG|", "||"),
    ("|CG|", "|ZZ|"),
    ("|M\r", "|X\r"),
    ("43^^^H^MR", ""),
    ("Zhang^Wei", ""),
    ("PV1|1|O", "PV1|1|"),
    ("PV1|1|O", "PV1|1|Q"),
    ("|C1|", "||"),
    ("|P|", "||"),
    ("YP001^x", ""),
    ("|||A\r", "|||Q\r"),
    (DG1, DG1 + "ZZZ|1\r"),
    ("|M\r", "|M~F\r"),
]
DIFFERENCES = tomllib.loads(
    (Path(__file__).parents[3] / "docs/reference/hl7v2-differences.toml").read_text("utf-8")
)
UNLIKE = [row["theirs"] for row in DIFFERENCES["difference"]]
"""Findings of hl7apy that we do not have, or have in another form."""


_WITH_PARTS = re.compile(r"Value \S*[&^].* not in table")
"""A value that has parts where none are known: the first counts here, the whole for hl7apy."""


def _message(structure: str, version: str) -> str:
    event, body = BODIES[structure]
    return f"MSH|^~\\&|HIS|H1|G|F|20260301090000||{event}|C1|P|{version}\r{body}"


def _theirs(text: str, version: str, folder: Path) -> Counter[str]:
    """hl7apy's findings, in the words `missing`, `too often`, `table` and the place."""
    report = folder / "report"
    report.write_text("Error: Unknown element, hl7apy cannot parse the message\n")
    with contextlib.suppress(HL7apyException):
        Validator.validate(parse_message(text, find_groups=True), report_file=str(report))
    found: Counter[str] = Counter()
    definitions = definitions_of(version)
    for line in report.read_text().splitlines():
        if any(known in line for known in UNLIKE):
            continue
        missing = re.search(r"Missing required child \S+\.(\w+)", line)
        often = re.search(r"Child limit exceeded \S+\.(\w+)", line)
        table = re.search(r"not in table HL7(\d+) in element", line)
        part = re.fullmatch(r"([A-Z0-9]+)_(\d+)", missing[1]) if missing else None
        if part and definitions.segment(part[1]) is None:
            found[f"missing component {part[2]}"] += 1
        elif missing:
            found[f"missing {missing[1].replace('_', '-')}"] += 1
        elif often:
            found[f"too often {often[1]}"] += 1
        elif table:
            found[f"{'parts' if _WITH_PARTS.search(line) else 'table'} {table[1]}"] += 1
        else:
            found[line] += 1
    return found


def _ours(problems: list[Problem]) -> Counter[str]:
    found: Counter[str] = Counter()
    for problem in problems:
        place = re.sub(r"\[\d+\]", "", problem.place)
        if problem.en.endswith("component is missing"):
            found[f"missing component {place.rpartition('.')[2]}"] += 1
        elif problem.en.endswith("is missing"):
            found[f"missing {place}"] += 1
        elif (
            "too often" in problem.en and problem.kind is ProblemKind.STRUCTURE and "-" not in place
        ):
            found[f"too often {place}"] += 1
        elif problem.kind is ProblemKind.VALUE:
            found[f"table {problem.en[-4:]}"] += 1
    return found


@pytest.mark.parametrize("version", ["2.5", "2.8.2"])
@pytest.mark.parametrize("structure", sorted(BODIES))
def test_a_second_visit_is_found_by_both(structure: str, version: str, tmp_path: Path) -> None:
    """Where PV1 is in a repeating group, hl7apy finds a second group without its PID instead."""
    text = _message(structure, version).replace(PV1, PV1 + PV1)
    assert "too often PV1" in _ours(validate(read_document(text), structure, version))
    assert sum(_theirs(text, version, tmp_path).values()) > 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("structure", sorted(BODIES))
def test_the_findings_are_those_of_hl7apy(structure: str, version: str, tmp_path: Path) -> None:
    """Messages and mutations of them: the same missing parts, excesses and table values."""
    if definitions_of(version).structure(structure) is None:
        pytest.skip("the version has no such structure")
    whole = _message(structure, version)
    for old, new in MUTATIONS:
        text = whole.replace(old, new) if old else whole
        if old and old not in whole:
            continue
        assert _ours(validate(read_document(text), structure, version)) == _theirs(
            text, version, tmp_path
        ), (old, new)


COMPARABLE = {
    "NM": re.compile(r"[-+.0-9]{0,16}", re.ASCII),
    "SI": re.compile(r"[0-9]{0,4}|[A-Za-z. ]+", re.ASCII),
}
"""Values on which the two have to agree; the others are among the listed differences."""
TYPED = ["NM", "SI", "DT", "TM", "DTM"]
CHOSEN = [
    "1", "-1", "+1", "1.5", ".5", "1.", ".", "-", "1.2.3", "abc", "1,5", "12345",
    "1980", "198013", "198012", "19801231", "19801331", "20230229", "20240229", "20230230", "0000",
    "1980123", "2026030109", "202603010960", "2026030109301", "20260301093015",
    "20260301093015.1", "20260301093015.12345", "20260301093015.1234+0800", "20260301+0800",
    "202603012400", "20260301093015-1200", "20260301093015-1300", "20260301093015+1400",
    "20260301093015+1500", "20260301093015+0860", "20260301093015+08", "2026-03-01", "09", "0960", "0930", "093015",
    "093015.1234", "093015.12345", "24", "0930+0800", "0930-1300", "9",
]  # fmt: skip


def _hl7apy_takes(text: str, data_type: str, version: str) -> bool:
    try:
        datatype_factory(data_type, text, version, VALIDATION_LEVEL.STRICT)
    except (HL7apyException, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("data_type", "version"),
    [(data_type, version) for data_type in TYPED for version in ("2.5", "2.8.2")],
)
def test_a_value_fits_a_type_where_hl7apy_takes_it(data_type: str, version: str) -> None:
    """Numbers, set ids, days and times: the same ones, but for the listed differences."""
    comparable = COMPARABLE.get(data_type)
    values = [it for it in CHOSEN if comparable is None or comparable.fullmatch(it)]
    ours = {it for it in values if fits_type(it, data_type)}
    theirs = {it for it in values if _hl7apy_takes(it, data_type, version)}
    assert ours == theirs
    assert 0 < len(ours) < len(values)


@pytest.mark.parametrize("data_type", TYPED)
@given(text=st.from_regex(r"\A[0-9]{1,15}([.][0-9]{1,5})?([-+][01][0-9]{3})?\Z"))
def test_any_digits_fit_a_type_where_hl7apy_takes_them(data_type: str, text: str) -> None:
    """The same for texts that look like times and numbers."""
    comparable = COMPARABLE.get(data_type)
    assume(comparable is None or comparable.fullmatch(text))
    assert fits_type(text, data_type) == _hl7apy_takes(text, data_type, "2.5")


def test_every_difference_is_on_the_page_with_its_reason() -> None:
    """docs/reference/hl7v2.md shows what the comparison leaves out."""
    page = (Path(__file__).parents[3] / "docs/reference/hl7v2.md").read_text("utf-8")
    rows = [
        *((row["theirs"], row["ours"], row["reason"]) for row in DIFFERENCES["difference"]),
        *((row["type"], row["ours"], row["reason"]) for row in DIFFERENCES["type"]),
        *(("nothing", row["ours"], row["reason"]) for row in DIFFERENCES["more"]),
        *((row["subject"], "the same", row["reason"]) for row in DIFFERENCES["same"]),
    ]
    assert len(rows) > 10
    for theirs, ours, reason in rows:
        assert f"| {theirs} | {ours or 'nothing'} | {reason} |" in page


def test_segments_out_of_order_are_found() -> None:
    """R-011: 100 with the place of the segment; hl7apy does not look at the order."""
    text = _message("ADT_A01", "2.5").replace(EVN + PID, PID + EVN)
    found = validate(read_document(text), "ADT_A01", "2.5")
    assert [(it.kind, it.place) for it in found] == [(ProblemKind.STRUCTURE, "EVN[1]")]


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ("19800101", "1980X", ["PID[1]-7[1].1"]),
        ("19800101", "19801301", ["PID[1]-7[1].1"]),
        ("19800101", "19800230", ["PID[1]-7[1].1"]),
        ("19800101", '""', []),
        ("19800101", "198001", []),
        ("FT1|1|", "FT1|x|", ["FT1[1]-1[1]"]),
        ("|2|25.20", "|two|25.20", ["FT1[1]-10[1]", "FT1[2]-10[1]"]),
        ("|2|25.20", "|-.5|25.20", []),
        ("25.20", "25.2O&CNY^UP", ["FT1[1]-11[1].1.1", "FT1[2]-11[1].1.1"]),
    ],
)
def test_values_have_to_fit_their_data_type(old: str, new: str, places: list[str]) -> None:
    """R-013: 102 at the component; null and lesser precision fit."""
    text = _message("DFT_P03", "2.5").replace(old, new)
    found = validate(read_document(text), "DFT_P03", "2.5")
    assert [it.place for it in found] == places
    assert {it.kind for it in found} <= {ProblemKind.TYPE}


def test_user_tables_warn_and_hl7_tables_stop() -> None:
    """R-014: 103 for a value outside its table; a site may extend a table of type IS."""
    text = _message("ADT_A01", "2.5").replace("|M\r", "|X\r").replace("|P|2.5", "|P|2.5|||XX")
    found = validate(read_document(text), "ADT_A01", "2.5")
    assert [(it.place, it.severity) for it in found] == [
        ("MSH[1]-15[1]", Severity.ERROR),
        ("PID[1]-8[1]", Severity.WARNING),
    ]


def test_unknown_parts_are_ignored() -> None:
    """E-012, E-014, E-015: segments, fields, components that nobody knows; first repetition.

    Nothing of them stops the message; that a field repeats where it may not is told.
    """
    text = _message("ADT_A01", "2.5").replace("|M\r", "|M^x^y~F\r") + "ZZZ|1\rQQ1|1\r"
    text = text.replace("PV1|1|O", "PV1|1|O^more").replace("DG1|1|", "DG1|1^x&y^z|")
    found = validate(read_document(text + "NTE|1||x" + "|" * 200 + "x\r"), "ADT_A01", "2.5")
    assert [it.place for it in found if it.stops] == []
    assert [it.place for it in found if not it.stops] == ["PID[1]-8"]


def test_the_findings_are_bounded() -> None:
    """A message that is wrong everywhere does not cost without end."""
    text = _message("DFT_P03", "2.5") + FT1.replace("|CG|", "||") * 500
    assert len(validate(read_document(text), "DFT_P03", "2.5")) == MAX_FINDINGS


@pytest.mark.parametrize("version", events.VERSIONS)
def test_every_served_version_has_tables(version: str) -> None:
    """V-008: each version its own; the structures of served events are there."""
    definitions = definitions_of(version)
    assert definitions.segment("PID")
    assert definitions.structure("ADT_A01")
    assert set(events.VERSIONS) == set(MODULES)


def test_another_version_is_a_mistake_of_ours() -> None:
    """Headers of such messages are refused before."""
    with pytest.raises(ConfigurationError):
        definitions_of("2.9")


async def test_a_peer_is_taken_as_strictly_as_its_settings_say(
    make_raw: Callable[..., bytes], understand: Callable[..., Any]
) -> None:
    """Off, warn and strict: nothing, warnings, a refusal with all findings."""
    raw = make_raw("ADT^A04^ADT_A01", "EVN||202603010901", PID.strip(), "PV1|1|O|NK", "AL1|x")
    _, _, problems = await understand(raw)
    assert problems == []
    _, _, problems = await understand(raw, {"validation": "warn"})
    assert "AL1[1]-3" in {it.place for it in problems}
    assert not any(it.stops for it in problems)
    with pytest.raises(InvalidError) as caught:
        await understand(raw, {"validation": "strict"})
    assert {it.place for it in caught.value.problems} >= {"AL1[1]-3"}


SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "hl7v2"
FILES = sorted(path for path in SAMPLES.rglob("*") if path.is_file()) if SAMPLES.is_dir() else []


def _named(findings: set[str]) -> set[str]:
    """Where a group is broken, one of its segments is named here and others by hl7apy."""
    broken = re.compile(r"(missing|too often) [A-Z]\w{2}([-_][A-Z]\S*)?")
    return {"structure" if broken.fullmatch(it) else it for it in findings}


def _samples() -> list[bytes]:
    found: list[bytes] = []
    for path in FILES:
        raw = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        found += [part for part in re.split(rb"(?=MSH[|])", raw) if part.startswith(b"MSH")]
    return found


@pytest.mark.samples
@pytest.mark.skipif(not FILES, reason="the folder of samples is absent")
def test_messages_written_elsewhere_are_judged_as_by_hl7apy(tmp_path: Path) -> None:
    """What hl7apy finds in fields is found, but for the listed differences and these; structures see above.

    Fields that come too often, withdrawn ones among them, are warnings here. hl7apy asks for every
    member of a choice (ORM_O01), and gives up at a message with an unknown part. A segment that
    has no place in its group it leaves out with all that is wrong in it, which is found here.
    """
    compared = more = 0
    for raw in _samples():
        try:
            document = read_document(raw.decode())
        except (UnreadableError, UnicodeDecodeError):
            continue
        version, structure = (document.segments[0].get(*at) for at in ((12, 1), (9, 3)))
        if version not in VERSIONS or structure in {"", "ORM_O01"}:
            continue
        if definitions_of(version).structure(structure) is None:
            continue
        theirs = _theirs(raw.decode(), version, tmp_path)
        if any("Unknown element" in it for it in theirs):
            continue
        problems = validate(document, structure, version)
        if len(problems) == MAX_FINDINGS:
            continue
        ours = _ours(problems)
        apart = {it.replace("parts", "table") for it in theirs if it.startswith("parts")}
        expected = {it for it in theirs if not re.match(r"parts|too often \w+_\d", it)}
        found, wanted = _named(set(ours) - apart), _named(expected - apart)
        assert wanted - {"structure"} <= found
        more += found != wanted
        compared += 1
    assert compared > 50
    assert more < compared / 5
