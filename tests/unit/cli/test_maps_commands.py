"""`gateway maps`: what maps read and fill, and what cannot be meant in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def overlay(config: Path) -> Callable[[str, str], Path]:
    """Write a map of the peer's overlay and name its folder in the settings."""
    folder = config.parent / "maps"
    folder.mkdir()
    config.write_text(config.read_text("utf-8") + 'map_overlay = "maps"\n', "utf-8")

    def add(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(text, "utf-8")
        return path

    return add


def test_the_standard_maps_leave_nothing_to_remark(run: Run, config: Path) -> None:
    """With and without settings."""
    assert run("maps", "lint", "--config", config)[:2] == (0, "nothing to remark\n")
    missing = config.parent / "none.toml"
    assert run("maps", "lint", "--config", missing)[:2] == (0, "nothing to remark\n")


def test_what_cannot_be_meant_is_shown_with_file_and_line(
    run: Run, config: Path, overlay: Callable[[str, str], Path]
) -> None:
    """A misspelt field, a field HL7 does not have, a wrong code, a dead source, unused values."""
    overlay(
        "ADT_A04.map",
        "event ADT^A04\n"
        "person.psn_nmae <- PID-5 | name\n"
        "person.tel <- PID-99\n"
        "person.gend <- '7'\n"
        "person.naty <- PID-10.1 | default 01, PID-22.1\n"
        "values nothing_uses_me\n"
        "  1 = 1\n",
    )
    code, out, _ = run("maps", "lint", "--config", config, "--json")
    found = {(it["place"], it["en"]) for it in json.loads(out)}
    assert code == 1
    assert found == {
        ("maps/ADT_A04.map:2", "psn_nmae is no field of any transaction"),
        ("maps/ADT_A04.map:3", "no version of HL7 v2 has PID-99"),
        ("maps/ADT_A04.map:4", "7 is not in the dictionary of gend"),
        (
            "maps/ADT_A04.map:5",
            "source 1 always states something: what follows it is never reached",
        ),
        ("hl7v2/ADT_A01_A04.map:2", "no rule uses the value map nothing_uses_me"),
    }


def test_a_map_that_cannot_be_read_is_an_error_of_the_configuration(
    run: Run, config: Path, overlay: Callable[[str, str], Path]
) -> None:
    """Exit code 3 with file, line and reason; as `check-config` says it."""
    overlay("ADT_A04.map", "event ADT^A04\nperson.tel <- PID_13\n")
    code, _, error = run("maps", "lint", "--config", config)
    assert code == 3
    assert "ADT_A04.map:2" in error


def test_every_required_field_of_the_standard_maps_has_a_source(run: Run, config: Path) -> None:
    """The transactions behind every event and interaction can be filled."""
    code, out, _ = run("maps", "coverage", "--config", config, "--json")
    found = json.loads(out)
    assert code == 0
    assert {"DFT^P03", "ADT^A04", "claim Claim"} <= set(found)
    rows = {(row["infno"], row["path"]): row for _, row in found["DFT^P03"]}
    count = rows["2204", "feedetail.cnt"]
    assert (count["required"], count["supply"]) == (True, "map")
    assert count["by"].startswith("hl7v2/common/charges.map:")
    assert rows["2204", "feedetail.mdtrt_id"]["supply"] in {"map", "earlier"}
    assert rows["2207", "data.psn_setlway"]["supply"] == "default"
    assert rows["2207", "data.fulamt_ownpay_amt"]["supply"] == "earlier"


def test_a_required_field_that_nobody_fills_is_named(
    run: Run, config: Path, overlay: Callable[[str, str], Path]
) -> None:
    """2201 wants the name of the department, 2401 that of the ward: an overlay that takes the rule away loses it."""
    overlay("ADT_A04.map", "event ADT^A04\nvisit.dept_name <-\n")
    code, out, _ = run("maps", "coverage", "ADT^A04", "--config", config, "--peer", "HIS")
    assert code == 1
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[1:3] for row in rows if row[5] == "NOTHING"] == [
        ["2201", "data.dept_name"],
        ["2401", "mdtrtinfo.adm_dept_name"],
    ]
    code, out, _ = run("maps", "coverage", "--config", config, "--peer", "HIS")
    assert [line for line in out.splitlines() if "\t2201 data.dept_name, 2401" in line] != []


def test_a_default_of_the_peer_is_a_source(
    run: Run, config: Path, overlay: Callable[[str, str], Path]
) -> None:
    """The same with `defaults` in the settings."""
    overlay("ADT_A04.map", "event ADT^A04\nvisit.dept_name <-\n")
    config.write_text(config.read_text("utf-8") + 'defaults = { dept_name = "内科" }\n', "utf-8")
    code, out, _ = run("maps", "coverage", "ADT^A04", "--config", config, "--peer", "HIS")
    assert code == 0
    assert "data.dept_name\t科室名称\trequired\tdefault\tsettings of the peer" in out


def test_an_event_without_a_map_is_said(run: Run, config: Path) -> None:
    """With the events that have one."""
    code, _, error = run("maps", "coverage", "ADT^A99", "--config", config)
    assert (code, "ADT^A04" in error) == (1, True)
    code, _, error = run("maps", "profile", "ADT^A99", "--config", config)
    assert (code, "ADT^A04" in error) == (1, True)


def test_a_profile_is_printed_as_a_page_or_as_xml(
    run: Run, config: Path, overlay: Callable[[str, str], Path]
) -> None:
    """Of another version, and with what the overlay of a peer reads."""
    overlay("ADT_A04.map", "event ADT^A04\nvisit.adm_bed <- PV1-11.3\n")
    code, out, _ = run(
        "maps", "profile", "ADT^A04", "--version", "2.8", "--config", config, "--peer", "HIS"
    )
    assert code == 0
    assert out.startswith("# ADT^A04\n")
    assert "| PV1-11 Temporary Location | RE | 0..1 | PL |" in out
    code, out, _ = run("maps", "profile", "ADT^A04", "--xml", "--config", config)
    assert out.startswith("<?xml")
    assert 'MsgStructID="ADT_A01"' in out
    code, _, error = run("maps", "profile", "BAR^P12", "--version", "2.3", "--config", config)
    assert (code, error) == (1, "BAR^P12 has no structure in version 2.3\n")
