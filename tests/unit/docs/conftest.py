"""The documentation as files, and what its pages say."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def pages(root: Path) -> dict[str, str]:
    """Every page of Markdown: path from the top to text."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sorted(found)}


@pytest.fixture(scope="session")
def commands(pages: dict[str, str]) -> list[tuple[str, str]]:
    """Page and command: the lines behind `$` in console blocks, and code in running text."""
    return [(page, command) for page, text in pages.items() for command in _commands_of(text)]


def _commands_of(text: str) -> Iterator[str]:
    for kind, block in FENCE.findall(text):
        if kind == "console":
            joined = block.replace("\\\n", " ")
            yield from re.findall(r"^[$#] (.+?)(?:\s{2,}#.*)?$", joined, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


@pytest.fixture(scope="session")
def diagrams(root: Path) -> ModuleType:
    """The script that draws pages."""
    spec = importlib.util.spec_from_file_location("diagrams", root / "docs" / "diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
