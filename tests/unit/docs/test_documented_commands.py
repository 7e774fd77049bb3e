"""What a page tells a reader to type exists."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import typer.main

from gateway.cli.commands import app
from gateway.settings import load_settings


def _targets(root: Path) -> set[str]:
    makefile = (root / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_make_command_of_the_pages_is_a_target(
    root: Path, commands: list[tuple[str, str]]
) -> None:
    """`make demo` and the others do something."""
    asked = {
        (page, name) for page, text in commands for name in re.findall(r"^make ([a-z-]+)", text)
    }
    assert {name for _, name in asked} >= {"demo", "test", "install", "check"}
    assert sorted(entry for entry in asked if entry[1] not in _targets(root)) == []


def test_the_readme_begins_with_the_two_commands(pages: dict[str, str]) -> None:
    """The first block of each README is `make demo` and `make test`."""
    for name in ("README.md", "README.zh-CN.md"):
        first = re.search(r"^```console\n(.*?)^```", pages[name], re.MULTILINE | re.DOTALL)
        assert first is not None
        typed = re.findall(r"^\$ (make \w+)", first.group(1), re.MULTILINE)
        assert typed == ["make demo", "make test"]


def test_every_gateway_command_of_the_pages_exists_with_its_options(
    commands: list[tuple[str, str]],
) -> None:
    """A reader never types a command, sub-command or option that the program does not have."""
    seen = 0
    for page, text in commands:
        words = _words(text)
        if words[:1] != ["gateway"] or len(words) < 2:
            continue
        command: Any = typer.main.get_command(app)
        rest = words[1:]
        while rest and hasattr(command, "commands"):
            assert rest[0] in command.commands, f"{page}: {text}"
            command, rest = command.commands[rest[0]], rest[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        used = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert used <= known | {"--help"}, f"{page}: {text}"
        seen += 1
    assert seen > 30


def _words(text: str) -> list[str]:
    """The words of a command, without variables set before it; none when it is no command."""
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if any(re.search(r"[^\w./:@=,*-]", word) for word in words[:2]):
        return []
    return words


def test_every_first_day_tool_is_shown_in_the_readme(pages: dict[str, str]) -> None:
    """The README shows each tool that a newcomer meets."""
    for tool in (
        "sandbox",
        "serve",
        "check-config",
        "explain",
        "send",
        "exchanges list",
        "audit verify",
    ):
        assert f"$ gateway {tool}" in pages["README.md"], tool


def test_the_settings_of_the_readme_load(pages: dict[str, str], tmp_path: Path) -> None:
    """The example of the README is a whole file, accepted as it stands."""
    block = re.search(r"^```toml\n(.*?)^```", pages["README.md"], re.MULTILINE | re.DOTALL)
    assert block is not None
    path = tmp_path / "gateway.toml"
    path.write_text(block.group(1), "utf-8")
    settings = load_settings(path, environment={})
    assert settings.channels[0].profile == "hunan"
    assert settings.peers[0].hl7v2.reply_segments == ["ZMI", "ZSL"]


def test_every_toml_block_of_the_pages_can_be_read(pages: dict[str, str]) -> None:
    """A fragment that a reader copies is valid TOML."""
    for page, text in pages.items():
        for block in re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            assert tomllib.loads(block), page


def test_the_readme_shows_the_end_of_the_demo(pages: dict[str, str]) -> None:
    """All six scenes stand in the README, and their last line says how many checks held."""
    shown = pages["README.md"]
    scenes = re.findall(r"^─+ (\d)  .+ ─+$", shown, re.MULTILINE)
    assert scenes == ["1", "2", "3", "4", "5", "6"]
    assert re.search(r"^─+ all \d+ checks held in [\d.]+ seconds ─+$", shown, re.MULTILINE)
    assert shown.count("  ✓ ") == int(re.findall(r"all (\d+) checks held", shown)[0])
