"""Delimiters, escapes, segments, writing."""

from __future__ import annotations

import sys
import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidError, ProblemKind, UnreadableError
from gateway.hl7v2 import escapes, reader
from gateway.hl7v2.escapes import Delimiters, escape, unescape
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.writer import Raw, Subcomponents, components, message, segment

STANDARD = Delimiters()


def test_delimiters_come_from_the_message() -> None:
    """E-001, E-002: other delimiters give the same values."""
    usual = read_document("MSH|^~\\&|HIS|A&B\rPID|||1^^^X~2\r")
    other = read_document("MSH#*!@$#HIS#A$B\rPID###1***X!2\r")
    for document in (usual, other):
        assert document.segments[0].get(3) == "HIS"
        assert document.segments[0].get(4, 1, 2) == "B"
        person = document.all("PID")[0]
        assert (len(person.repetitions(3)), person.get(3, 4)) == (2, "X")


@pytest.mark.parametrize(
    "head", ["MSA|1", "MSH", "MSH|", "MSHA^~\\&", "MSH||", "MSH|^|", "MSH|^^~\\&|", "\vMSH|^~\\&|"]
)
def test_what_has_no_proper_header_is_unreadable(head: str) -> None:
    """A message begins with MSH and different delimiters that are no letters."""
    with pytest.raises(UnreadableError):
        read_document(head)


PIECES = st.sampled_from([
    "\\F\\", "\\X41\\", "\\X" + "42" * 4_000 + "\\", "\\X0", "\\", "\\.br\\", "\\Zlocal\\",
    "x" * 3_000, "张" * 9_000, "\\E" * 2_000,
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(PIECES, min_size=8, max_size=60))
def test_a_long_text_is_decoded_as_its_short_ones_are(pieces: list[str]) -> None:
    """Window by window, with the result that one look over the whole has."""
    text = "".join(pieces)
    with patch.object(escapes, "WINDOW", len(text) + 1):
        whole = unescape(text, STANDARD)
    with patch.object(escapes, "WINDOW", 2 * 8_200):
        assert unescape(text, STANDARD) == whole


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        ("a\\F\\b", "a|b"),
        ("\\S\\\\R\\\\T\\\\E\\", "^~&\\"),
        ("\\X4142\\", "AB"),
        ("\\XB0A1\\", "啊"),
        ("\\Zab\\", "\\Zab\\"),
        ("\\Q\\x", "\\Q\\x"),
        ("open \\F", "open \\F"),
        ("one\\.br\\two", "one two"),
        ("\\H\\loud\\N\\", "loud"),
        ("\\.fi\\x", "x"),
        ("\\E\\F\\E\\", "\\F\\"),
        ("\\P\\", "\\P\\"),
    ],
)
def test_escapes_become_data(raw: str, data: str) -> None:
    """E-006, E-008, E-009, E-021: known sequences are decoded, unknown and unfinished ones kept."""
    assert unescape(raw, STANDARD, "gb18030") == data


def test_truncation_is_an_escape_only_where_the_message_declares_it() -> None:
    """E-007: the fifth encoding character exists from 2.7."""
    assert unescape("\\P\\", Delimiters(truncation="#")) == "#"
    assert unescape("\\P\\", Delimiters()) == "\\P\\"
    for marks, data in (("^~\\&#", "a#"), ("^~\\&", "a\\P\\")):
        assert read_document(f"MSH|{marks}|\rPID|a\\P\\\r").segments[1].get(1) == data


def test_a_switch_of_the_character_set_is_refused() -> None:
    """E-022: unsupported switches give an error, not garbage."""
    for switch in ("\\C2842\\", "\\M2442\\", "\\M244228\\"):
        with pytest.raises(InvalidError) as caught:
            unescape(f"a{switch}b", STANDARD)
        assert caught.value.problems[0].kind is ProblemKind.BUSINESS  # 207


def test_control_characters_are_written_as_hexadecimal() -> None:
    """A line break in data neither ends a segment nor gets lost."""
    assert escape("a\rb|c", STANDARD) == "a\\X0D\\b\\F\\c"
    assert unescape("a\\X0D\\b", STANDARD) == "a\rb"


def test_null_and_absent_are_different() -> None:
    """E-010: `""` states that there is nothing, an empty field states nothing."""
    person = read_document('MSH|^~\\&|\rPID|1|""|\r').segments[1]
    assert person.repetitions(2) == [reader.NULL]
    assert person.repetitions(3) == []


def test_unknown_and_z_segments_are_kept_and_trailing_fields_may_miss() -> None:
    """E-011, E-012, E-014."""
    document = read_document("MSH|^~\\&|\rZZZ|x\rQQ1\rPID|1\r\r")
    assert [it.name for it in document.segments] == ["MSH", "ZZZ", "QQ1", "PID"]
    assert document.segments[3].field(30) == ""


def test_an_add_segment_continues_the_one_before() -> None:
    """E-019: its content is appended before fields are split."""
    document = read_document("MSH|^~\\&|\rNTE|1||long \rADD|text|more\r")
    assert document.segments[1].get(3) == "long text"
    assert document.segments[1].get(4) == "more"


def test_only_cr_ends_a_segment_unless_the_peer_is_tolerated() -> None:
    """E-004, E-005: LF and CRLF are taken by setting only."""
    for text in ("MSH|^~\\&|\nPID|1\n", "MSH|^~\\&|\r\nPID|1\r\n"):
        with pytest.raises(UnreadableError):
            read_document(text)
        assert len(read_document(text, line_feeds=True).segments) == 2


def test_a_segment_name_has_three_characters() -> None:
    """E-018: anything else is an error that says which segment."""
    with pytest.raises(UnreadableError) as caught:
        read_document("MSH|^~\\&|\rPATIENT|1\r")
    assert caught.value.problems[0].en == "segment 2 has no valid name"
    assert caught.value.problems[0].place == "MSH[1]"
    for name in ("PI", "P", "pid", "张三丰"):
        with pytest.raises(UnreadableError) as caught:
            read_document(f"MSH|^~\\&|\rNTE|1\rNTE|2\r{name}|1\r")
        assert caught.value.problems[0].place == "NTE[2]"


def test_too_many_segments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of segments is bounded."""
    monkeypatch.setattr(reader, "MAX_SEGMENTS", 3)
    with pytest.raises(UnreadableError):
        read_document("MSH|^~\\&|\r" + "NTE|1\r" * 3)


def test_occurrences_are_counted_by_name() -> None:
    """FT1[2] is the second FT1."""
    document = read_document("MSH|^~\\&|\rFT1|1\rNTE|1\rFT1|2\r")
    assert [(it.name, it.occurrence) for it in document.segments[1:]] == [
        ("FT1", 1),
        ("NTE", 1),
        ("FT1", 2),
    ]


def test_segments_are_written_escaped_and_without_empty_ends() -> None:
    """Texts are escaped, raw text is not, trailing empties are left out."""
    line = segment(
        "ZZZ",
        [
            "a|b",
            components("x", Subcomponents(("p&q", "r")), ""),
            ["1", "2"],
            Raw("raw^ok"),
            "",
            "",
        ],
        STANDARD,
    )
    assert line == "ZZZ|a\\F\\b|x^p\\T\\q&r|1~2|raw^ok"
    assert message([segment("MSH", ["HIS"], STANDARD), line]) == f"MSH|^~\\&|HIS\r{line}\r"


def test_too_many_repetitions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work that a segment can cause is bounded."""
    monkeypatch.setattr(reader, "MAX_REPETITIONS", 3)
    read_document("MSH|^~\\&|\rPID|1||a~b~c~d\r")
    with pytest.raises(UnreadableError) as caught:
        read_document("MSH|^~\\&|\rPID|1||a~b~c~d~e\r")
    assert caught.value.problems[0].place == "PID[1]"


def test_delimiters_that_are_not_declared_are_not_in_use() -> None:
    """Some systems leave the escape character or more of MSH-2 out."""
    document = read_document("MSH|^~|HIS\rPID|1||a&b\\F\\^c~d\r")
    person = document.segments[1]
    assert person.get(3) == "a&b\\F\\"
    assert (person.get(3, 2), len(person.repetitions(3))) == ("c", 2)


HEAD = "MSH|^~\\&|HIS|H1|||20260301||DFT^P03|1|P|2.5.1\r"
MEGABYTE = 1_000_000
LARGE = {
    "twenty thousand lines": HEAD + ("FT1|" + "x" * 490 + "|阿莫\r") * 19_990,
    "one line": HEAD + "OBX|1|TX|||" + "报告" * 5 * MEGABYTE,
    "a million fields": HEAD + "ZZZ" + "|" * MEGABYTE,
    "a million components": HEAD + "ZZZ|" + "^" * MEGABYTE,
    "a million escapes": HEAD + "ZZZ|" + "\\F\\" * MEGABYTE,
}


@pytest.mark.parametrize("form", sorted(LARGE))
def test_a_message_is_not_copied_more_than_twice(form: str) -> None:
    """Its lines are one copy; 1 kB is granted for each line that becomes a segment."""
    text = LARGE[form]
    lines = text.count("\r") + 1
    tracemalloc.start()
    document = read_document(text)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(document.segments) == lines - text.endswith("\r")
    assert peak <= 2 * sys.getsizeof(text) + 1_000 * lines
    assert held <= sys.getsizeof(text) + 1_000 * lines


def test_a_value_of_a_large_message_costs_one_more_copy_of_its_segment() -> None:
    """Ten megabytes in a field: it is split off once, and its data is taken without escapes."""
    text = LARGE["one line"]
    document = read_document(text)
    tracemalloc.start()
    assert len(document.segments[1].get(5)) == 10 * MEGABYTE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 3 * sys.getsizeof(text)


def test_a_million_fields_are_split_once() -> None:
    """Each further value is an index into the list that is there."""
    segment_of_fields = read_document(LARGE["a million fields"]).segments[1]
    assert segment_of_fields.get(MEGABYTE) == ""
    assert segment_of_fields.fields is segment_of_fields.fields
    assert len(segment_of_fields.fields) == MEGABYTE + 1
