"""`fsi`, `regions` and `codes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_transactions_are_listed_by_kind(run: Run) -> None:
    """Sign-in and sign-out are the two of the session."""
    code, out, _ = run("fsi", "list", "--kind", "session")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["9001", "9002"]


def test_a_transaction_is_shown_with_types_and_lengths(run: Run) -> None:
    """Amounts have 16 digits, 2 of them decimals."""
    code, out, _ = run("fsi", "show", "2207")
    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("medfee_sumamt\t")][:1]
    assert "number(16,2)" in row
    assert json.loads(run("fsi", "show", "2207", "--json")[1])["infno"] == "2207"


def test_a_transaction_is_shown_with_its_regional_differences(run: Run) -> None:
    """Hunan counts line numbers of 2204 as numbers since 2021-09-01."""
    code, out, _ = run("fsi", "show", "2204")
    assert code == 0
    assert "HN: input `feedetail.feedetl_sn`: type number" in out


def test_a_wrong_profile_is_explained(run: Run, tmp_path: Path) -> None:
    """Every wrong key with a reason, and the exit code of problems."""
    path = tmp_path / "city.toml"
    path.write_text('extends = "hunan"\nshceme = "csb"\n', encoding="utf-8")
    code, out, _ = run("fsi", "check-profile", str(path))
    assert code == 1
    assert "shceme\tunknown key; did you mean 'scheme'?" in out
    path.write_text('extends = "hunan"\n', encoding="utf-8")
    assert run("fsi", "check-profile", str(path))[0] == 0
    assert json.loads(run("fsi", "check-profile", str(path), "--json")[1]) == []


def test_a_profile_is_held_against_the_base(run: Run) -> None:
    """Guangdong names the receiver's region in the envelope."""
    code, out, _ = run("fsi", "diff", "guangdong")
    assert code == 0
    assert "envelope\trecer_admdvs\t\tcopy of mdtrtarea_admvs" in out
    found = json.loads(run("fsi", "diff", "guangdong", "--json")[1])
    assert {"kind": "profile", "place": "scheme", "base": "none", "here": "x-tif"} in found


def test_an_unknown_transaction_or_dictionary_ends_with_one(run: Run) -> None:
    """Looked for and not found."""
    assert run("fsi", "show", "9999")[0] == 1
    assert run("fsi", "dict", "no_such")[0] == 1


def test_an_unknown_edition_is_a_configuration_error(run: Run) -> None:
    """The list of editions is in the message."""
    code, _, err = run("fsi", "list", "--edition", "XX")
    assert code == 3
    assert "HN" in err


def test_a_dictionary_is_shown(run: Run) -> None:
    """1 is male in the national dictionary of sexes."""
    code, out, _ = run("fsi", "dict", "gend", "--json")
    assert code == 0
    assert "男" in json.loads(out)["1"]
    assert "gend" in run("fsi", "dict")[1].splitlines()


def test_a_region_is_shown_with_its_pool(run: Run) -> None:
    """Furong district pools with Changsha."""
    code, out, _ = run("regions", "show", "430102", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["name"], found["pool"], found["pool_name"]) == ("芙蓉区", "430100", "长沙市")


def test_the_pool_of_a_region_follows_the_tables_of_the_settings(
    run: Run, config: Path, tmp_path: Path
) -> None:
    """A site whose district pools alone sees what its gateway does, not the built-in default."""
    rules = "# source: the bureau\n# date: 2026-01-01\nscope,insutype,valid_from,valid_to,level,evidence\n"
    (tmp_path / "pooling.csv").write_text(f"{rules}430102,*,,,self,S\n", "utf-8")
    text = config.read_text("utf-8")
    config.write_text(f'{text}\n[regions]\nfiles = ["pooling.csv"]\n', "utf-8")
    code, out, _ = run("regions", "show", "430102", "--config", config, "--json")
    assert code == 0
    assert json.loads(out)["pool"] == "430102"


def test_what_is_no_region_ends_with_one(run: Run) -> None:
    """Five digits, and a province that does not exist."""
    assert run("regions", "show", "43010")[0] == 1
    assert run("regions", "show", "990000")[0] == 1


def test_a_day_has_one_form(run: Run) -> None:
    """A wrong one is a usage error, not today."""
    assert run("regions", "show", "430102", "--date", "01/03/2026")[0] == 2


def test_a_local_code_is_translated_and_its_row_named(run: Run, config: Path) -> None:
    """YP001 of the demo hospital is this amoxicillin."""
    code, out, _ = run("codes", "translate", "item", "YP001", "--json", "--config", config)
    found = json.loads(out)
    assert (code, found["code"]) == (0, "XJ01CAA040A001010405611")
    assert "items.csv" in found["source_row"]
    plain = run("codes", "translate", "item", "YP001", "--config", config)[1]
    assert plain.startswith("YP001 → XJ01CAA040A001010405611")


def test_a_code_without_mapping_ends_with_one_and_says_why(run: Run, config: Path) -> None:
    """YP999 is unmapped on purpose."""
    code, _, err = run("codes", "translate", "item", "YP999", "--config", config)
    assert code == 1
    assert "YP999" in err


def test_an_unknown_kind_of_code_is_a_usage_error(run: Run, config: Path) -> None:
    """The five kinds are fixed."""
    assert run("codes", "translate", "colour", "red", "--config", config)[0] == 2
