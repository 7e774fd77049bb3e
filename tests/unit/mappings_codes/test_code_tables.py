import codecs
from datetime import date
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from mappings.codes import CodeBook

DAY = date(2026, 11, 22)
HEADER = (
    "kind,local_code,local_name,national_code,national_name,"
    "valid_from,valid_to,source,reviewer,reviewed_on\n"
)
GOOD = "item,A,静脉输液㐂,001204000060000,静脉输液,,,s,r,2025-01-01\n"


def load(folder: Path, content: bytes | str) -> CodeBook:
    """The built-in lists and one file."""
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "items.csv").write_bytes(raw)
    return CodeBook.load([folder], "default")


def refused(folder: Path, content: bytes | str) -> ConfigurationError:
    """The error of a file."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, content)
    assert caught.value.file.endswith("items.csv")
    return caught.value


@pytest.mark.parametrize(
    "raw",
    [
        (HEADER + GOOD).encode(),
        codecs.BOM_UTF8 + (HEADER + GOOD).encode(),
        (HEADER + GOOD).encode("gb18030"),
        (HEADER + GOOD).replace("\n", "\r\n").encode(),
        ("# source: site, 2026,,,,,,,,\n\n" + HEADER + GOOD + ",,,,,,,,,\n").encode(),
    ],
    ids=["utf-8", "byte order mark", "gb18030", "windows line ends", "metadata and blank rows"],
)
def test_what_a_spreadsheet_writes_is_read(tmp_path: Path, raw: bytes) -> None:
    """Encodings, line ends and padding of exported tables."""
    book = load(tmp_path, raw)
    assert book.translate("item", "A", on=DAY).code == "001204000060000"
    assert [row.row["local_name"] for row in book.mappings()] == ["静脉输液㐂"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("item,A,,1.204E+12,,,,s,r,2025-01-01", "damaged by a spreadsheet"),
        ("item,2.5E+14,,001204000060000,,,,s,r,2025-01-01", "damaged by a spreadsheet"),
        ("item,A,,1204000060000,,,,s,r,2025-01-01", "lost its leading zeros"),
        ("operation,A,,0.01,,,,s,r,2025-01-01", "lost its leading zeros"),
        ("drug,A,,001204000060000,,,,s,r,2025-01-01", "unknown kind 'drug'"),
        ("item,A,,J06.900,,,,s,r,2025-01-01", "not the form of a charge item code"),
        ("diagnosis,A,,001204000060000,,,,s,r,2025-01-01", "not the form of a diagnosis code"),
        ("item,A,,XA02AXX095A0,,,,s,r,2025-01-01", "western_drug: InvalidLength"),
        ("physician,A,,1001,,,,s,r,2025-01-01", "not the form of a physician code"),
        ("department,A,,NK,,,,s,r,2025-01-01", "not the form of a department code"),
        ("item,,,001204000060000,,,,s,r,2025-01-01", "local_code is empty"),
        ("item,A,,,,,,s,r,2025-01-01", "national_code is empty"),
        ("item,A,,001204000060000,,,,,r,2025-01-01", "source is empty"),
        ("item,A,,001204000060000,,2026/1/1,,s,r,2025-01-01", "valid_from '2026/1/1'"),
        ("item,A,,001204000060000,,45292,,s,r,2025-01-01", "valid_from '45292'"),
        ("item,A,,001204000060000,,20260101,,s,r,2025-01-01", "valid_from '20260101'"),
        ("item,A,,001204000060000,,2026-02-30,,s,r,2025-01-01", "valid_from '2026-02-30'"),
        ("item,A,,001204000060000,,2026-02-01,2026-01-01,s,r,2025-01-01", "before valid_from"),
        ("item,A,,001204000060000,,,,s,r,", "go together"),
        ("item,A,,001204000060000,,,,s,r", "9 cells where the header has 10"),
        ("physician,A,,D430100000009,,,,s,r,2025-01-01", "national_name is empty"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    """The good row stands in line 3, the wrong one in line 4."""
    error = refused(tmp_path, "# source: site\n" + HEADER + GOOD + row + "\n")
    assert reason in error.reason
    assert error.line == 4


def test_two_rows_of_one_code_for_the_same_day_are_refused(tmp_path: Path) -> None:
    """The order of lines must not decide; the other line is named."""
    error = refused(
        tmp_path,
        HEADER
        + "item,A,,001204000060000,,,2026-06-30,s,r,2025-01-01\n"
        + "item,A,,001101000010000,,2026-06-30,,s,r,2025-01-01\n",
    )
    assert error.line == 3
    assert "line 2" in error.reason


def test_the_line_of_a_row_behind_a_cell_with_line_breaks_is_right(tmp_path: Path) -> None:
    """The quoted cell takes lines 2 and 3, so the wrong row is in line 4."""
    quoted = 'item,A,"two\nlines",001204000060000,,,,s,r,2025-01-01\n'
    assert refused(tmp_path, HEADER + quoted + "item,B,,1,,,,s,r,2025-01-01\n").line == 4


def test_a_list_type_that_does_not_fit_the_code_is_refused(tmp_path: Path) -> None:
    """301 is the list of consumables, 001204000060000 a service item."""
    error = refused(
        tmp_path,
        HEADER.replace("source", "list_type,source")
        + "item,A,,001204000060000,,,,301,s,r,2025-01-01\n",
    )
    assert "list_type 301" in error.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no header"),
        ("# source: nothing\n", "no header"),
        ("a,b\n1,2\n", "none of the known forms"),
        ("kind,local_code\n", "no column local_name"),
        (HEADER.replace("source", "source,colour"), "unknown column colour"),
        (HEADER.replace("source", "kind"), "a column name stands twice"),
        ("# edition: X\ncode,name\n", "metadata 'system'"),
        ("# system: disease\ncode,name\n", "no metadata 'edition'"),
        ("# system: disease\n# edition: X\n# complete: maybe\ncode,name\n", "'complete'"),
        ("# system: disease\n# edition: X\ncode,name\nI10,高血压\n", "'I10'"),
        ("# system: disease\n# edition: X\ncode,name\nI10.x00,\n", "name is empty"),
        ("# system: disease\n# edition: X\ncode,name,gray\nI10.x00,n,yes\n", "gray"),
        ("# system: disease\n# edition: X\ncode,name\nI10.x00,a\nI10.x00,b\n", "same days"),
        ("from_list,from_code,to_list,to_code\na,b,没有,c\n", "no loaded list"),
        (
            (
                "from_list,from_code,to_list,to_code\n"
                "国临9.0,A,医保2.0,J06.900\n国临9.0,A,医保2.0,J18.900\n"
            ),
            "two targets",
        ),
        ("alias,edition\n,医保2.0\n", "kind is empty"),
        ('kind,local_code\n"item', "unexpected end"),
        (b"\xff\xfek\0i\0", "UTF-16"),
        (b"kind,local_code\n\xff\xff\xff\n", "neither UTF-8 nor GB18030"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    """Every defect has one sentence."""
    assert reason in refused(tmp_path, content).reason


def test_a_complete_list_has_to_have_every_mapped_code(tmp_path: Path) -> None:
    """With the whole list at hand a mapping to a vanished code shows at start."""
    (tmp_path / "drugs.csv").write_text(
        "# system: western_drug\n# edition: 医保西药\n# complete: yes\n"
        "code,name\nXJ01CAA040A001010405611,阿莫西林片\n",
        "utf-8",
    )
    row = "item,A,,XS02AAY040Q010010100830,滴眼液,,,s,r,2025-01-01\n"
    assert "not in the western_drug list" in refused(tmp_path, HEADER + row).reason


def test_a_lost_rare_character_is_noted(tmp_path: Path) -> None:
    """A private-use character in a name is what conversion leaves of a rare one."""
    row = "physician,A,,D430100000009,陈\ue863,,,s,r,2025-01-01\n"
    (finding,) = [f for f in load(tmp_path, HEADER + row).findings if "items.csv" in f.file]
    assert finding.line == 2


def test_a_missing_folder_or_catalogue_is_refused(tmp_path: Path) -> None:
    """A wrong path does not quietly mean that nothing is mapped."""
    with pytest.raises(ConfigurationError, match="not a folder"):
        CodeBook.load([tmp_path / "nowhere"], "default")
    with pytest.raises(ConfigurationError, match="catalogue 'east'"):
        CodeBook.load([tmp_path], "east")
    with pytest.raises(ConfigurationError, match="not the name of a folder"):
        CodeBook.load([tmp_path], "../east")
