"""The national envelope is read tolerantly where hospitals differ and strictly where money is."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProblemCode, UnreadableError
from gateway.inbound.national_envelope import (
    MAX_DEPTH,
    canonical,
    charset_of,
    input_of,
    parse,
    redacted,
)
from tests.nesting import nested

TOKEN = "ec0f9b1d7a3344e2b8c1ZxYw"


def code_of(raw: bytes, charset: str = "") -> ProblemCode:
    """The code of the one problem of an unreadable body."""
    with pytest.raises(UnreadableError) as caught:
        parse(raw, charset)
    (problem,) = caught.value.problems
    return problem.code


def test_numbers_keep_the_digits_that_were_written() -> None:
    """12.50 yuan stays 12.50, and 0.1 is not 0.1000000000000000055."""
    document = parse(b'{"a": 12.50, "b": 0.1, "c": 7, "d": 1e2}')
    assert document == {
        "a": Decimal("12.50"),
        "b": Decimal("0.1"),
        "c": Decimal(7),
        "d": Decimal("1E+2"),
    }
    assert str(document["a"]) == "12.50"


def test_a_byte_order_mark_is_no_error() -> None:
    """Windows clients write one."""
    assert parse(b'\xef\xbb\xbf{"infno": "1101"}') == {"infno": "1101"}


def test_a_repeated_member_is_refused_with_its_name() -> None:
    """Which of two amounts is meant cannot be guessed."""
    with pytest.raises(UnreadableError) as caught:
        parse(b'{"input": {"medfee_sumamt": 1, "medfee_sumamt": 2}}')
    (problem,) = caught.value.problems
    assert problem.place == "medfee_sumamt"
    assert "medfee_sumamt" in problem.zh


def test_a_repeated_member_that_may_be_a_name_is_not_quoted() -> None:
    """Problems never hold what may identify a patient."""
    with pytest.raises(UnreadableError) as caught:
        parse('{"张伟示": 1, "张伟示": 2}'.encode())
    assert "张伟示" not in caught.value.problems[0].zh


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    """JSON has no NaN; an amount least of all."""
    assert code_of(f'{{"a": {number}}}'.encode()) is ProblemCode.READ_SYNTAX


@pytest.mark.parametrize("number", ["1" * 33, "1e999999999", "1e-999999999", "9E21"])
def test_numbers_beyond_any_amount_are_refused(number: str) -> None:
    """Writing 1e999999999 out would fill the memory."""
    assert code_of(f'{{"a": {number}}}'.encode()) is ProblemCode.READ_LIMIT


def test_nesting_is_bounded_to_the_level() -> None:
    """One level more than the limit is refused, and a hundred thousand do not overflow."""
    assert parse(b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1))
    assert code_of(b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH) is ProblemCode.READ_LIMIT
    assert code_of(b"[" * 100_000 + b"]" * 100_000) is ProblemCode.READ_LIMIT


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": 1,}', b"[1]", b'"text"', b"null", b"{'a': 1}"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    """Nothing is repaired."""
    assert code_of(raw) is ProblemCode.READ_SYNTAX


@pytest.mark.parametrize("raw", [rb'{"a": "\ud800"}', rb'{"\udfff": 1}', b'{"a": "x\\u0000"}'])
def test_text_that_cannot_be_written_again_is_refused(raw: bytes) -> None:
    """Half a surrogate pair or a NUL would fail only when the call is sent."""
    assert code_of(raw) is ProblemCode.READ_SYNTAX


def test_gb18030_without_a_charset_is_refused_with_the_remedy() -> None:
    """The bytes are not guessed: the client is told to say its charset."""
    with pytest.raises(UnreadableError) as caught:
        parse('{"psn_name": "张伟示"}'.encode("gb18030"))
    (problem,) = caught.value.problems
    assert problem.code is ProblemCode.READ_CHARSET
    assert "charset=GB18030" in problem.remedy_zh


@pytest.mark.parametrize("charset", ["gb18030", "gbk", "gb2312"])
def test_gb18030_is_read_when_the_charset_says_so(charset: str) -> None:
    """Clients that say GBK send characters that only GB18030 has."""
    raw = '{"psn_name": "㐂龘𠮷"}'.encode("gb18030")
    assert parse(raw, charset) == {"psn_name": "㐂龘𠮷"}


def test_other_charsets_are_refused() -> None:
    """UTF-16 is no charset of the interface."""
    assert code_of('{"a": 1}'.encode("utf-16"), "utf-16") is ProblemCode.READ_CHARSET


def test_the_charset_is_found_in_the_content_type() -> None:
    """With and without quotes, in any case."""
    assert charset_of('application/json; Charset="GB18030"') == "gb18030"
    assert charset_of("application/json;charset=utf-8") == "utf-8"
    assert charset_of("application/json") == ""


def test_an_input_written_as_text_is_read() -> None:
    """Some clients encode the input twice."""
    assert input_of(parse(rb'{"input": "{\"data\": {\"cnt\": 1.0}}"}')) == {
        "data": {"cnt": Decimal("1.0")}
    }
    assert input_of({"input": "text"}) is None
    assert input_of({}) is None


def test_the_token_of_an_e_voucher_is_masked_wherever_it_stands() -> None:
    """Type 01 makes the number a secret; other members are left as they were."""
    raw = (
        '{"input": {"data": {"mdtrt_cert_type": "01", "mdtrt_cert_no": "%s", "a": 12.50}}}' % TOKEN  # noqa: UP031 - braces of JSON
    ).encode()
    kept = redacted(raw)
    assert TOKEN.encode() not in kept
    assert b"12.50" in kept
    assert parse(kept)["input"]["data"]["mdtrt_cert_no"] == "*" * len(TOKEN)


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"input": {"data": {"mdtrt_cert_type": 1, "mdtrt_cert_no": "%s"}}}',
        rb'{"input": "{\"data\": {\"mdtrt_cert_type\": \"01\", \"mdtrt_cert_no\": \"%s\"}}"}',
        rb'{"input": {"data": {"ecToken": "%s"}}}',
        rb'{"input": {"data": {"mdtrt_cert_type": "01", "mdtrt\u005fcert_no": "%s"}}}',
        rb'{"input": {"data": {"mdtrt_cert_type": "01", "mdtrt_cert_no": "%s"',
    ],
    ids=["type as number", "input as text", "other member", "escaped key", "broken JSON"],
)
def test_a_token_is_masked_in_every_spelling(raw: bytes) -> None:
    """Neither a spelling nor a broken body brings a token into the journal."""
    assert TOKEN.encode() not in redacted(raw.replace(b"%s", TOKEN.encode()))


@pytest.mark.parametrize("stated", [b"", b'"mdtrt_cert_type":"",', b'"mdtrt_cert_type":"09",'])
def test_a_number_without_a_known_type_may_be_a_token_and_is_masked(stated: bytes) -> None:
    """F-033: only an identity card (02) and an insurance card (03) are known to last."""
    raw = b'{"input":{"data":{' + stated + b'"mdtrt_cert_no":"TOKEN-CANARY"}}}'
    assert b"TOKEN-CANARY" not in redacted(raw)


def test_a_body_without_token_is_kept_byte_by_byte() -> None:
    """What can be kept is kept as evidence."""
    raw = b'{ "input":{"data" :{"mdtrt_cert_type":"02","mdtrt_cert_no":"43019919800101001X"}}}'
    assert redacted(raw) is raw


def test_equal_content_has_one_canonical_spelling() -> None:
    """Order and text-or-number do not make another message; another amount does."""
    assert canonical(parse(b'{"a": 12.50, "b": "1"}')) == canonical(
        parse(b'{"b": 1, "a": "12.50"}')
    )
    assert canonical(parse(b'{"a": 12.50}')) != canonical(parse(b'{"a": 12.51}'))


def envelope_or_problems(raw: bytes) -> object:
    """What was read, or what is said of it: never neither."""
    try:
        return parse(raw)
    except UnreadableError as error:
        return error.problems and all(problem.zh and problem.en for problem in error.problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_our_one_way(raw: bytes) -> None:
    """Parse, or raise UnreadableError; redaction never fails."""
    redacted(raw)
    assert envelope_or_problems(raw)


@given(
    nested(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    )
)
def test_any_json_is_read_or_refused_in_our_one_way(value: object) -> None:
    """The same for what is JSON, with any text and nesting."""
    with suppress(UnreadableError):
        assert "input" in parse(json.dumps({"input": value}).encode())
