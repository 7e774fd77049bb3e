"""One invariant: what makes a segment plain or not never changes what is understood of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidError
from gateway.hl7v2.getters import groups
from gateway.hl7v2.paths import HL7Language
from gateway.hl7v2.reader import read_document

PATHS = (
    "FT1-2.1", "FT1-3", "FT1-3.1", "FT1-3.2", "FT1-3.1.2", "FT1-5 | money", "FT1-7 | staff",
    "FT1-7 | name", "FT1-9 | coded NHSA", "FT1-3[NNCHN].1", "NTE-3", "PV1-3.1", "ORC-2.1",
)  # fmt: skip
FIELDS = st.lists(
    st.text(alphabet='aB7张.^&~ \\F"', max_size=8) | st.sampled_from(["CNY", "9.5&CNY", '""']),
    min_size=9,
    max_size=12,
)


def _found(language: HL7Language, path: str, node: Any, *, narrowed: bool) -> object:
    get = language.narrowed(path, node) if narrowed else language.value(path)
    try:
        return None if get is None else get(node)
    except InvalidError as error:
        return [(problem.code, problem.place) for problem in error.problems]


@given(fields=FIELDS, tail=st.sampled_from(["", "NTE|1||x^y\r", "ORC|RE|P9\r"]))
def test_a_segment_gives_the_same_with_and_without_its_shortcuts(
    fields: list[str], tail: str
) -> None:
    """An escape in a field far behind makes the segment not plain; no other value may change."""
    language = HL7Language()
    line = "FT1|" + "|".join(fields)
    head = "MSH|^~\\&|\rPV1|1|O|NK&x^301\r"
    quick = groups(read_document(f"{head}{line}|\r{tail}"), "FT1")[0]
    slow = groups(read_document(f"{head}{line}|" + "|" * 30 + f"\\T\\\r{tail}"), "FT1")[0]
    for path in PATHS:
        expected = _found(language, path, slow, narrowed=False)
        assert _found(language, path, quick, narrowed=False) == expected, path
        assert _found(language, path, quick, narrowed=True) == expected, path
        assert _found(language, path, slow, narrowed=True) == expected, path


def _taken(language: HL7Language, path: str, node: Any) -> tuple[str, str] | str | None:
    """What stands in its field by the quick way of a row; a text where it says to look."""
    place = language.column(path, node)
    if place is None:
        return "no column"
    texts, label, marks = language.texts(node)
    text = texts[place.at]
    found = text if place.whole and text.isalnum() else place.take(text, marks)
    if found is None:
        return "left to the getter"
    return (found, label + place.suffix) if found else None


@given(fields=FIELDS)
def test_a_row_takes_of_a_field_what_its_path_gives(fields: list[str]) -> None:
    """Lines are read field by field: what a field is taken for is what the path finds there."""
    language = HL7Language()
    node = groups(read_document("MSH|^~\\&|\rFT1|" + "|".join(fields) + "|\r"), "FT1")[0]
    for path in PATHS:
        target = language.target(path)
        if target.segment != "FT1" or not node.anchor.field(target.field):
            continue
        taken = _taken(language, path, node)
        if not isinstance(taken, str):
            assert taken == _found(language, path, node, narrowed=False), path
