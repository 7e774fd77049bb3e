"""The top level is the one that the documentation describes, and files stay readable."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDERS = {"gateway", "mappings", "conformance", "certs", "tests", "docs"}
FILES = {"Dockerfile", "pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"}
READMES = {"README.md", "README.zh-CN.md"}
PRODUCT = ("gateway/", "mappings/", "conformance/", "certs/")
LONGEST = 400


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[str]:
    """Every file of the project, from the top."""
    git = shutil.which("git")
    assert git is not None, "a checkout needs git"
    listed = subprocess.run(  # noqa: S603 - git itself, with fixed words
        [git, "ls-files"], cwd=root, check=True, capture_output=True, text=True
    )
    return listed.stdout.splitlines()


def test_the_top_level_has_these_and_no_others(tracked: list[str]) -> None:
    """A new room at the top is a decision, not an accident."""
    tops = {name.partition("/")[0] for name in tracked}
    assert {name for name in tops if not name.startswith(".")} == FOLDERS | FILES | READMES


def test_both_readmes_say_what_is_in_each_folder(root: Path) -> None:
    """A newcomer finds every room of the top level in either language."""
    silent = {
        (readme, folder)
        for readme in READMES
        for folder in FOLDERS
        if f"`{folder}/" not in (root / readme).read_text("utf-8")
    }
    assert silent == set()


def test_no_file_of_the_product_is_longer_than_a_reader_holds_in_mind(
    root: Path, tracked: list[str]
) -> None:
    """Past that length a file has two subjects."""
    lengths = {
        name: len((root / name).read_text("utf-8").splitlines())
        for name in tracked
        if name.startswith(PRODUCT) and name.endswith(".py") and (root / name).exists()
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
