"""Everything wrong in a profile is named at once, and what a profile changes can be listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.fsi.differences import Difference, profile_differences
from gateway.fsi.profiles import checking, profile_names
from gateway.fsi.profiles.checking import Finding, check_profile

SHIPPED = Path(checking.__file__).parent


def _checked(folder: Path, text: str) -> list[Finding]:
    path = folder / "city.toml"
    path.write_text(text, encoding="utf-8")
    return check_profile(path)


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_has_no_finding(name: str) -> None:
    """What comes with the gateway passes its own check."""
    assert check_profile(SHIPPED / f"{name}.toml") == []


def test_every_error_is_found_at_once(tmp_path: Path) -> None:
    """Nine errors, nine findings, each at its key."""
    found = _checked(
        tmp_path,
        """
extends = "hunnan"
edition = "XX"
shceme = "csb"
batch_lines = "many"
money = ["2207", "9999"]
reversible = ["2204"]
strict_rules = ["line-amout"]

[header_copy]
recer_admdvs = "mdtrtarea"

[[error_patterns]]
pattern = "("
means = "not-filed"
""",
    )
    assert [finding.place for finding in found] == [
        "shceme",
        "batch_lines",
        "extends",
        "edition",
        "money[1]",
        "strict_rules[0]",
        "reversible[0]",
        "header_copy.recer_admdvs",
        "error_patterns[0].pattern",
    ]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('shceme = "csb"', "shceme", "did you mean 'scheme'?"),
        ('strict_rules = ["line-amout"]', "strict_rules[0]", "did you mean 'line-amount'?"),
        ('[header_copy]\nx = "mdtrtarea"', "header_copy.x", "mdtrtarea_admvs"),
        ('scheme = "xml"', "scheme", "Invalid enum value 'xml'"),
        ("money = [2207]", "money[0]", "Expected `str`"),
        ("money = 2207", "money", "Expected `array`"),
        ("[[error_patterns]]\nmeans = 'not-filed'", "error_patterns[0]", "pattern"),
        ("[[error_patterns]]\npattern='x'\nmeans='odd'", "error_patterns[0].means", "odd"),
        ("[service_paths]\n9999 = '/x'", "service_paths.9999", "no transaction '9999'"),
        ("url_form = 'service-path'", "", "service_paths is empty"),
        ('extends = "other.toml"', "extends", "no file other.toml"),
        ("scheme = ", "", "TOML"),
        ('name = "city"', "name", "unknown key"),
    ],
)
def test_a_finding_says_what_is_wrong(tmp_path: Path, text: str, place: str, reason: str) -> None:
    """The place is a key, and a near name is offered."""
    (found,) = _checked(tmp_path, text)
    assert found.place == place
    assert reason in found.reason


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """A wrong path is told, not raised."""
    (found,) = check_profile(tmp_path / "nowhere.toml")
    assert "cannot be read" in found.reason


def test_guangdong_differs_in_keys_envelope_and_fields() -> None:
    """A key, a member copied into the envelope, and a field of its edition are listed."""
    found = profile_differences("guangdong")
    assert Difference("profile", "scheme", "none", "x-tif") in found
    assert Difference("profile", "med_types.inpatient", "21", "2101") in found
    assert Difference("envelope", "recer_admdvs", "", "copy of mdtrtarea_admvs") in found
    added = "2203 input mdtrtinfo.expi_gestation_nub_of_m"
    assert Difference("field", added, "", "type string") in found


def test_hunan_requires_what_the_base_leaves_open() -> None:
    """The number of a certificate in 2207, fewer values in a dictionary, fewer reversals."""
    found = profile_differences("hunan")
    place = "2207 input data.mdtrt_cert_no"
    base, here = "type string max_length 50", "type string required max_length 50"
    assert Difference("field", place, base, here) in found
    assert any(d.kind == "dictionary" and d.place == "med_type" for d in found)
    reversals = [d for d in found if d.place == "2601 cancels"]
    assert [d.here for d in reversals] == ['["2102","2207","2304","2401"]']


def test_the_base_does_not_differ_from_itself() -> None:
    """An empty list, and no profile is an error."""
    assert profile_differences("generic") == []
    with pytest.raises(ConfigurationError):
        profile_differences("atlantis")
