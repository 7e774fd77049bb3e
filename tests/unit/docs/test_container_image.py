"""The Dockerfile, read as text: no engine is needed to see what would go wrong."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def steps(root: Path) -> list[tuple[str, str]]:
    """Instruction and its arguments, continued lines joined."""
    text = (root / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(arguments.split())) for name, arguments in lines]


def _of(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [arguments for instruction, arguments in steps if instruction == name]


def test_the_image_is_built_in_two_stages_from_a_base_of_choice(
    steps: list[tuple[str, str]],
) -> None:
    """Tools of the build stay behind; the base is an argument with a slim default."""
    assert _of(steps, "FROM") == ["${BASE} AS build", "${BASE}"]
    assert _of(steps, "ARG") == ["BASE=python:3.11-slim"]
    assert steps[0][0] == "ARG"


def test_packages_come_from_the_pinned_and_hashed_lists_only(
    root: Path, steps: list[tuple[str, str]]
) -> None:
    """Every installation is either by hash from a lock file or of our own wheel, offline.

    `build.txt` is the part of `dev.txt` that makes a wheel.
    """
    installs = re.findall(r"pip install ([^&]+)", " && ".join(_of(steps, "RUN")))
    assert ["--require-hashes" in one for one in installs] == [True, True, False]
    assert [re.findall(r"--requirement (\S+)", one) for one in installs] == [
        [".ci/lock/build.txt"],
        [".ci/lock/run.txt", ".ci/lock/postgres.txt"],
        [],
    ]
    assert "--no-index --no-deps dist/*.whl" in installs[2]
    assert ".ci/lock/dev.txt > .ci/lock/build.txt" in _of(steps, "RUN")[0]
    assert (root / ".ci/lock/run.txt").is_file()


def test_the_back_end_and_all_it_needs_are_cut_out_of_the_developers_list(
    root: Path, steps: list[tuple[str, str]]
) -> None:
    """The names in the Dockerfile are hatchling and its requirements, each pinned in dev.txt."""
    found = re.search(r"/\^\(([^)]+)\)==/", _of(steps, "RUN")[0])
    assert found is not None
    names = set(found.group(1).split("|"))
    needed = {"hatchling"} | {
        re.split(r"[^A-Za-z0-9-]", requirement)[0]
        for requirement in metadata.requires("hatchling") or []
        if "python_version <" not in requirement
    }
    assert names == needed
    lock = (root / ".ci" / "lock" / "dev.txt").read_text("utf-8")
    for name in names:
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_the_image_has_the_driver_of_postgresql_as_the_developers_have_it(
    root: Path, steps: list[tuple[str, str]]
) -> None:
    """The list of the extra is the driver's part of dev.txt, the driver needs nothing else, and
    the build fails where the journal on PostgreSQL cannot be loaded.
    """
    developers = (root / ".ci" / "lock" / "dev.txt").read_text("utf-8")
    (driver,) = re.findall(r"^asyncpg==(?:.*\\\n)*.*\n(?:    #.*\n)*", developers, re.MULTILINE)
    assert (root / ".ci" / "lock" / "postgres.txt").read_text("utf-8") == driver
    assert driver.count("--hash=sha256:") > 10
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extra = project["optional-dependencies"]["postgres"]
    assert [re.split(r"[^a-z]", one)[0] for one in extra] == ["asyncpg"]
    needed = [one for one in metadata.requires("asyncpg") or [] if "extra ==" not in one]
    assert [one for one in needed if "python_version <" not in one] == []
    assert 'python -c "import gateway.journal.postgres"' in _of(steps, "RUN")[2]


def test_every_file_that_is_copied_exists_and_reaches_the_build(
    root: Path, steps: list[tuple[str, str]]
) -> None:
    """What COPY names is in the project and is not kept out by .dockerignore."""
    ignored = (root / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    for arguments in _of(steps, "COPY"):
        if arguments.startswith("--from="):
            continue
        for source in arguments.split()[:-1]:
            assert (root / source).exists(), source
            assert f"!{source}" in ignored, source


def test_the_process_is_nobody_special_and_writes_to_data_only(
    steps: list[tuple[str, str]],
) -> None:
    """The last user is a number other than 0; the one volume is /data, and no code is cached."""
    assert _of(steps, "USER") == ["10001:10001"]
    assert _of(steps, "VOLUME") == ["/data"]
    assert _of(steps, "WORKDIR")[-1] == "/data"
    after = [name for name, _ in steps[steps.index(("USER", "10001:10001")) :]]
    assert "RUN" not in after
    assert "PYTHONDONTWRITEBYTECODE=1" in _of(steps, "ENV")[-1]


def test_the_image_serves_both_ports_and_says_how_it_is(steps: list[tuple[str, str]]) -> None:
    """HL7 v2 and HTTP are exposed, the check asks /health/ready, and the settings are mounted."""
    assert _of(steps, "EXPOSE") == ["2575 8080"]
    (check,) = _of(steps, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "HEALTH_URL=http://127.0.0.1:8080/health/ready" in _of(steps, "ENV")[-1]
    (entry,) = _of(steps, "ENTRYPOINT")
    assert json.loads(entry) == ["gateway", "serve", "--config", "/etc/gateway/gateway.toml"]


def test_no_secret_and_no_address_stands_in_the_image(root: Path) -> None:
    """Keys are mounted: the Dockerfile names none, and .dockerignore keeps them out."""
    text = (root / "Dockerfile").read_text("utf-8").lower()
    assert re.search(r"password|passwd|token|secret|\.pem|\.key|https?://(?!127\.)", text) is None
    ignored = (root / ".dockerignore").read_text("utf-8").splitlines()
    assert {"**/*.pem", "**/*.key", "**/*.secret", "**/*.db"} <= set(ignored)
