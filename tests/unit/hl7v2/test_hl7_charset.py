"""Character sets of messages and replies."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidError, ProblemCode, ProblemKind
from gateway.hl7v2.charset import codec_of_setting, declared_charset, decode, encode


def _raw(charset: str, facility: str, codec: str, separator: str = "|") -> bytes:
    fields = ["MSH", "^~\\&", "HIS", facility, "", "", "", "", "ADT^A04", "1", "P", "2.5"]
    fields += [""] * 5 + [charset]
    return (separator.join(fields) + "\rPID|1\r").encode(codec)


def test_utf8_and_gb18030_are_decoded_by_their_standard_names() -> None:
    """H-001, H-002: the values of table 0211 say how the bytes are read."""
    assert "医院" in decode(_raw("UNICODE UTF-8", "医院", "utf-8")).text
    assert "医院" in decode(_raw("GB 18030-2000", "医院", "gb18030")).text


@pytest.mark.parametrize("name", ["GBK", "GB2312", "GB18030", "UTF-8"])
def test_other_names_are_known_only_by_the_peers_aliases(name: str) -> None:
    """H-003, H-006: without an alias the value is refused with 103 at MSH-18."""
    codec = "utf-8" if name == "UTF-8" else "gb18030"
    raw = _raw(name, "医院", codec)
    with pytest.raises(InvalidError) as caught:
        decode(raw)
    problem = caught.value.problems[0]
    assert (problem.kind, problem.place) == (ProblemKind.VALUE, "MSH[1]-18[1]")
    assert "医院" in decode(raw, aliases={name: name}).text


def test_blank_means_ascii_or_the_peers_default() -> None:
    """H-004, H-005: a byte beyond ASCII without default is refused as 207, naming the field."""
    assert decode(_raw("", "MAIN", "ascii")).codec == "ascii"
    raw = _raw("", "医院", "gb18030")
    with pytest.raises(InvalidError) as caught:
        decode(raw)
    assert caught.value.problems[0].kind is ProblemKind.BUSINESS
    assert caught.value.problems[0].code is ProblemCode.READ_CHARSET
    assert "医院" in decode(raw, default="GBK").text


def test_bytes_that_do_not_fit_are_refused_and_never_replaced() -> None:
    """H-007: no replacement character stands for a part of a name."""
    with pytest.raises(InvalidError) as caught:
        decode(_raw("UNICODE UTF-8", "长沙", "gb18030"))
    assert caught.value.problems[0].kind is ProblemKind.TYPE


@pytest.mark.parametrize("name", ["UNICODE UTF-16", "UNICODE UTF-32", "NONSENSE"])
def test_sets_that_cannot_travel_over_mllp_are_refused(name: str) -> None:
    """M-021: the bytes of UTF-16 and UTF-32 may be the marks of a frame."""
    with pytest.raises(InvalidError):
        decode(_raw(name, "MAIN", "ascii"))


def test_delimiter_bytes_inside_characters_do_not_split_the_header() -> None:
    """H-010: in GB 18030 the second byte of these characters is `|`, `^`, `~` or a backslash."""
    facility = "䫂瓅梊﨎" + "".join(bytes([0x81, low]).decode("gb18030") for low in b"|^~\\")
    raw = _raw("GB 18030-2000", facility, "gb18030")
    assert declared_charset(raw) == "GB 18030-2000"
    assert facility in decode(raw).text


def test_rare_characters_of_names_survive_the_way_there_and_back() -> None:
    """H-011: 4-byte GB 18030 characters are kept."""
    raw = _raw("GB 18030-2000", "㐂龘𠮷", "gb18030")
    decoded = decode(raw)
    assert encode(decoded.text, decoded.codec) == raw


def test_the_first_repetition_is_the_default_set() -> None:
    """H-009: alternates after `~` are not used."""
    assert declared_charset(_raw("GB 18030-2000~UNICODE UTF-8", "M", "ascii")) == "GB 18030-2000"


def test_a_setting_names_a_set_in_one_of_its_usual_spellings() -> None:
    """An unknown name is an error at start."""
    assert codec_of_setting("gbk") == "gb18030"
    with pytest.raises(ValueError, match="no character set"):
        codec_of_setting("EBCDIC")
