"""Whatever a user can set, call, scrape or be told stands in docs/reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.exits import MEANING, Exit
from gateway.cli.reference import PAGES, write
from gateway.errors import ProblemCode

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_rendered_page_is_up_to_date(name: str) -> None:
    """`python -m gateway.cli.reference docs/reference` was run after the last change."""
    assert (REFERENCE / name).read_text("utf-8") == PAGES[name]()


@pytest.mark.parametrize("code", list(ProblemCode))
def test_every_problem_code_is_documented(code: ProblemCode) -> None:
    """A sender who is told a code finds what to do."""
    assert f"| `{code}` |" in (REFERENCE / "problems.md").read_text("utf-8")


def test_no_code_is_documented_that_does_not_exist() -> None:
    """The page names nothing that was removed."""
    rows = [
        line.split("`")[1]
        for line in (REFERENCE / "problems.md").read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert set(rows) == {code.value for code in ProblemCode}


def test_every_setting_is_on_its_page_with_a_meaning() -> None:
    """A key without a docstring would leave an empty cell."""
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert "| `acct_used_flag`" not in text
    for key in ("max_body_bytes", "signing_key_file", "token_sha256", "identifier_aliases"):
        assert f"| `{key}` |" in text
    assert not [line for line in text.splitlines() if line.endswith("|  |")]


def test_every_command_of_the_first_day_is_documented() -> None:
    """The commands of the README exist under their names."""
    text = (REFERENCE / "commands.md").read_text("utf-8")
    for command in (
        "serve",
        "check-config",
        "explain",
        "send",
        "exchanges list",
        "exchanges show",
        "audit verify",
        "sandbox",
        "demo",
        "keys init",
        "keys list",
        "fsi list",
        "fsi show",
        "fsi dict",
        "regions show",
        "codes translate",
        "version",
    ):
        assert f"## `gateway {command}`" in text


def test_every_exit_code_has_a_meaning() -> None:
    """Scripts act upon them."""
    assert set(MEANING) == set(Exit)


def test_pages_are_written_to_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    """The renderer makes what it needs."""
    write(tmp_path / "new")
    made = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "new").as_posix() for path in made) == sorted(PAGES)
