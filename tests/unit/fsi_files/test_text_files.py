"""The form of files: UTF-8, TAB, one record a line, alone in a ZIP; and ZIP files of strangers."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fsi.files.archive import FileError, Limits, check_archive
from gateway.fsi.files.textfile import LineEnd, Row, Short, Shorts, read_rows, write_rows

SMALL = Limits(entries=2, ratio=20, total_bytes=100_000, directory_bytes=4_096, line_bytes=1_000)


def packed(path: Path, text: bytes, name: str = "a.txt") -> Path:
    """A ZIP file of one entry."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return path


def text_in(path: Path) -> bytes:
    """The only entry of a ZIP file."""
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        return archive.read(name)


def test_an_empty_value_is_the_word_null(tmp_path: Path) -> None:
    """LF between the lines, none after the last."""
    path = tmp_path / "a.zip"
    assert write_rows(path, "a.txt", [["1", "", "甲"], ["2", "x", ""]]) == 2
    assert text_in(path) == "1\tnull\t甲\n2\tx\tnull".encode()


def test_the_other_form_ends_each_line_with_a_tab_and_crlf(tmp_path: Path) -> None:
    """As some senders write it."""
    path = tmp_path / "a.zip"
    write_rows(path, "a.txt", [["1", ""], ["2", "x"]], line_end=LineEnd.TAB_CRLF)
    assert text_in(path) == b"1\tnull\t\r\n2\tx\t\r\n"


@pytest.mark.parametrize(
    "text", ["1\tnull\n2\tx", "1\tnull\r\n2\tx\r\n", "1\tnull\t\r\n2\tx\t\r\n"]
)
def test_both_line_ends_are_read(tmp_path: Path, text: str) -> None:
    """With and without an end after the last line, with and without the TAB before it."""
    path = packed(tmp_path / "a.zip", text.encode())
    assert list(read_rows(path, 2)) == [Row(1, ("1", ""), ()), Row(2, ("2", "x"), ())]


def test_extra_columns_are_kept(tmp_path: Path) -> None:
    """Later versions append columns."""
    path = packed(tmp_path / "a.zip", b"1\t2\tnew\tnull\n")
    assert list(read_rows(path, 2)) == [Row(1, ("1", "2"), ("new", ""))]


def test_a_line_of_an_older_version_is_filled_up(tmp_path: Path) -> None:
    """At least two of three columns."""
    path = packed(tmp_path / "a.zip", b"1\t2\n")
    assert list(read_rows(path, 3, least=2)) == [Row(1, ("1", "2", ""), ())]


def test_a_short_line_is_reported_with_its_number_and_left_out(tmp_path: Path) -> None:
    """The empty second line counts, and is no record."""
    path = packed(tmp_path / "a.zip", b"1\t2\n\n3\n4\t5\n")
    short = Shorts()
    assert [row.line for row in read_rows(path, 2, short=short)] == [1, 4]
    assert (short.count, short.first) == (1, [Short(line=3, found=1, expected=2)])


def test_a_short_line_that_nobody_asks_for_stops_the_reading(tmp_path: Path) -> None:
    """Details of settlements are never left out silently."""
    path = packed(tmp_path / "a.zip", b"1\t2\n3\n")
    with pytest.raises(FileError, match="line 2: 1 columns instead of 2"):
        list(read_rows(path, 2))


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """Windows editors put one in front."""
    path = packed(tmp_path / "a.zip", "\ufeff1\t2".encode())
    assert list(read_rows(path, 2)) == [Row(1, ("1", "2"), ())]


def test_a_line_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    """GBK, for instance."""
    path = packed(tmp_path / "a.zip", b"1\t2\n3\t" + "甲".encode("gbk"))
    with pytest.raises(FileError, match="line 2: is not UTF-8"):
        list(read_rows(path, 2))


def test_a_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    """1,001 bytes where 1,000 are allowed."""
    path = packed(tmp_path / "a.zip", b"1\t2\n" + b"x" * 1_001)
    with pytest.raises(FileError, match="line 2: longer than 1000 bytes"):
        list(read_rows(path, 2, limits=SMALL))


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\rb"])
def test_a_value_that_would_break_the_form_is_not_written(tmp_path: Path, value: str) -> None:
    """Nothing appears at the path, and nothing stays beside it."""
    with pytest.raises(FileError, match="line 2: a value has a TAB or a line end in it"):
        write_rows(tmp_path / "a.zip", "a.txt", [["1"], [value]])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_writing_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    """A new file takes its place in one step."""
    path = tmp_path / "a.zip"
    write_rows(path, "a.txt", [["1"]])
    with pytest.raises(FileError):
        write_rows(path, "a.txt", [["2"], ["\n"]])
    assert list(read_rows(path, 1)) == [Row(1, ("1",), ())]


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    """Details of settlements name persons."""
    write_rows(tmp_path / "a.zip", "a.txt", [["1"]])
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n\ufeff"))


@given(
    rows=st.lists(st.lists(TEXT.filter(lambda text: text != "null"), min_size=3, max_size=3)),
    line_end=st.sampled_from(LineEnd),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], line_end: LineEnd
) -> None:
    """Any text but the word null itself, in both forms."""
    path = tmp_path_factory.mktemp("rows") / "a.zip"
    write_rows(path, "a.txt", rows, line_end=line_end)
    assert [list(row.values) for row in read_rows(path, 3)] == rows


# ZIP files of strangers -------------------------------------------------------------------------


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """At any place: the end of a ZIP file holds its directory."""
    path = packed(tmp_path / "a.zip", b"1\t2\n" * 50)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            check_archive(path)


def test_a_changed_byte_of_the_content_is_found(tmp_path: Path) -> None:
    """By the checksum; the entry is stored as it is."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.txt", bytes(range(256)))
    whole = path.read_bytes()
    at = whole.index(bytes(range(256)))
    for place in range(at, at + 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(FileError):
            check_archive(path)


def test_an_entry_that_expands_too_much_is_refused(tmp_path: Path) -> None:
    """90,000 zeros in about 100 bytes."""
    path = packed(tmp_path / "a.zip", b"0" * 90_000)
    with pytest.raises(FileError, match="expands more than 20 times"):
        check_archive(path, SMALL)


def test_a_sum_of_entries_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    """Two of 60,000 bytes that do not compress, where 100,000 are allowed."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.txt", b"a" * 60_000)
        archive.writestr("b.txt", b"b" * 60_000)
    with pytest.raises(FileError, match="unpacks to more than 100000 bytes"):
        check_archive(path, SMALL)


def test_a_false_size_does_not_pass(tmp_path: Path) -> None:
    """The directory says 10 bytes; what unpacks is more, and its checksum another."""
    path = packed(tmp_path / "a.zip", b"0" * 90_000)
    content = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(sign) + offset
        content[at : at + 4] = struct.pack("<L", 10)
    path.write_bytes(content)
    with pytest.raises(FileError):
        check_archive(path, SMALL)


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    """Three where two are allowed."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in "abc":
            archive.writestr(name, name)
    with pytest.raises(FileError, match="more than 2 entries"):
        check_archive(path, SMALL)


def test_a_large_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """1,000 entries: their directory alone is beyond 4,096 bytes."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1_000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(FileError, match="directory is too large"):
        check_archive(path, SMALL)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    """Nobody has its password."""
    path = packed(tmp_path / "a.zip", b"1")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match="is encrypted"):
        check_archive(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_the_usual_compression_is_read(tmp_path: Path, method: int) -> None:
    """Deflate, or none."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.txt", "1")
    with pytest.raises(FileError, match=f"method {method}"):
        check_archive(path)


@pytest.mark.parametrize("names", [[], ["a.txt", "b.txt"], ["a/"]])
def test_there_is_one_text(tmp_path: Path, names: list[str]) -> None:
    """Not none, not two, no folder."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    with pytest.raises(FileError, match="text files in the ZIP file, where one is due"):
        list(read_rows(path, 1))


@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Never another error."""
    path = tmp_path_factory.mktemp("bytes") / "a.zip"
    path.write_bytes(content)
    with pytest.raises(FileError):
        check_archive(path)


@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_a_file_with_any_byte_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    """A change that passes leaves the rows what they were."""
    path = packed(tmp_path_factory.mktemp("bytes") / "a.zip", b"1\t2\n3\t4")
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        rows = [row.values for row in read_rows(path, 2)]
    except FileError:
        return
    assert rows == [("1", "2"), ("3", "4")]
