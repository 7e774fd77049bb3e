"""Texts of the project stand for themselves: they name no machine and no place of download."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FILES = ("*.md", "*.toml", "Dockerfile", "Makefile", "LICENSE", ".dockerignore", ".gitignore")
FOLDERS = ("gateway", "mappings", "conformance", "certs", "tests", "docs", ".ci")
SUFFIXES = {".py", ".md", ".toml", ".txt", ".csv", ".json", ".map", ".sql", ".hl7", ".cfg", ""}

# The marks are put together here, so that this file is looked through as well.
FOLDER = r"(?<![\w.])/(?:work|tmp|root|home)/\w"
DOWNLOADS = r"https?://(?:files|packages|registry|proxy|mirrors?|index)\."
INDEX = "--(?:extra-)?index" + r"-url\b"
PLACES = re.compile(f"{FOLDER}|{DOWNLOADS}|{INDEX}")
MARKS = re.compile(rf"\b(?:{'TO' + 'DO'}|{'FIX' + 'ME'}|{'X' * 3})\b")


def _texts(root: Path) -> Iterator[Path]:
    for pattern in FILES:
        yield from root.glob(pattern)
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path


def test_no_text_names_a_machine_or_a_registry(root: Path) -> None:
    """A clone works anywhere: no absolute path of a machine, no download address in a lock."""
    found = [
        f"{path.relative_to(root)}: {match.group()}"
        for path in _texts(root)
        for match in PLACES.finditer(path.read_text("utf-8", errors="replace"))
    ]
    assert found == []


def test_no_mark_of_unfinished_work_is_left(root: Path) -> None:
    """What is not there yet is said in the README, not in marks within the code."""
    found = [
        f"{path.relative_to(root)}"
        for path in _texts(root)
        if path.suffix in {".py", ".md", ".sql", ".map"}
        and MARKS.search(path.read_text("utf-8", errors="replace"))
    ]
    assert found == []


def test_the_lock_files_pin_and_hash_every_package(root: Path) -> None:
    """An installation gets the bytes that were tested, wherever it gets them from."""
    for name in ("run.txt", "dev.txt"):
        text = (root / ".ci" / "lock" / name).read_text("utf-8")
        assert "://" not in text
        packages = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert len(packages) > 20
        for package in packages:
            assert re.match(r"[a-z0-9._-]+==[\w.]+", package), package[:60]
            assert "--hash=sha256:" in package, package[:60]
