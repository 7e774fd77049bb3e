"""The reference pages of the interface are made from the tables, and every statement has its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.fsi.definitions import Definitions
from gateway.fsi.describe import pages, write
from gateway.fsi.rules import BUILT_IN, HEADER_RULES, RULE_NAMES, RULES
from gateway.fsi.rules.statements import load_statements

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGES = dict(pages())
STATEMENTS = load_statements()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_of_the_interface_is_up_to_date(name: str) -> None:
    """`python -m gateway.fsi.describe docs/reference` was run after the last change."""
    assert (REFERENCE / name).read_text("utf-8") == PAGES[name]


def test_every_transaction_has_a_page_and_there_are_no_others() -> None:
    """A page that is no longer made does not stay behind."""
    infnos = Definitions.load().infnos()
    names = {path.stem for path in (REFERENCE / "transactions").glob("*.md")}
    assert names == {*infnos, "index", "dictionaries", "envelope"}


def test_the_pages_are_written_into_a_folder(tmp_path: Path) -> None:
    """The folder need not exist."""
    write(tmp_path / "reference")
    assert (
        (tmp_path / "reference" / "transactions" / "2207.md")
        .read_text("utf-8")
        .startswith("# 2207 门诊结算\n")
    )


def test_every_statement_of_sections_1_to_19_is_listed_once() -> None:
    """Numbers run through each section without a gap."""
    assert set(STATEMENTS.sections) == {str(number) for number in range(1, 20)}
    for section in STATEMENTS.sections:
        ids = [s.id for s in STATEMENTS.statements if s.section == section]
        assert ids == [f"{section}.{at}" for at in range(1, len(ids) + 1)]
        assert ids


def test_every_statement_is_a_check_or_has_a_reason() -> None:
    """Nothing is silently missing, and nothing has both a check and a reason."""
    for statement in STATEMENTS.statements:
        checks = [rule.name for rule in statement.rules()] + list(statement.built_in)
        assert bool(checks) != bool(statement.reason), statement.id
        assert set(statement.built_in) <= BUILT_IN.keys()
        assert not statement.reason or statement.reason in STATEMENTS.reasons


def test_every_reason_is_used() -> None:
    """A reason that no statement has would explain nothing."""
    assert {s.reason for s in STATEMENTS.statements if s.reason} == set(STATEMENTS.reasons)


def test_every_rule_comes_from_a_statement_or_a_standard() -> None:
    """A source that is a number names a statement that exists."""
    ids = {statement.id for statement in STATEMENTS.statements}
    for rule in (*RULES, *HEADER_RULES):
        assert rule.source, rule.name
        assert {s for s in rule.source if not s.startswith("GB ")} <= ids, rule.name


def test_the_name_of_a_rule_is_its_own() -> None:
    """A profile switches one rule, not two."""
    assert len(RULE_NAMES) == len(RULES) + len(HEADER_RULES)


def test_a_rule_of_which_every_source_is_doubtful_only_warns() -> None:
    """What the text leaves open stops nobody unless a profile says so."""
    marks = {statement.id: statement.mark for statement in STATEMENTS.statements}
    doubt_is_elsewhere = {
        "line-number-once",  # 9.14 is in doubt about the length of the number
        "refund-flags",  # 15.3 is in doubt about how refunds are grouped
    }
    for rule in RULES:
        sources = {marks[source] for source in rule.source if source in marks}
        if sources == {"doubtful"}:
            assert rule.doubt or rule.name in doubt_is_elsewhere, rule.name
