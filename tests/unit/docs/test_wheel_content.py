"""The wheel that the image installs has everything that the code reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("gateway", "mappings", "conformance", "certs")


@pytest.fixture(scope="module")
def wheel_names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from a copy of the project."""
    copy = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package, copy / package, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    (wheel,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_data_file_of_the_packages(root: Path, wheel_names: set[str]) -> None:
    """Definitions, profiles, maps, code and region tables, SQL and made-up people are in it."""
    data = {
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    kinds = {Path(name).suffix for name in data}
    assert kinds >= {".json", ".toml", ".map", ".csv", ".sql", ".typed"}
    assert data - wheel_names == set()


def test_the_wheel_has_neither_tests_nor_documentation(wheel_names: set[str]) -> None:
    """A site installs the product and nothing else."""
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
