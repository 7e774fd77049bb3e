"""Replies in every observed form are read alike; what cannot be read is unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.fsi.definitions import Definitions
from gateway.fsi.replies import decode_reply, read_reply
from gateway.fsi.wire import encode_json
from tests.nesting import nested

HUNAN = Definitions.load("HN")


def _read(infno: str, output: Any, **members: Any) -> dict[str, Any]:
    body = encode_json({"infcode": 0, "output": output, **members})
    return decode_reply(body, HUNAN.transaction(infno)).output


@pytest.mark.parametrize("infcode", [b"0", b'"0"', b'" 0 "', b"0.0", b"-0"])
def test_zero_is_success_however_it_is_written(infcode: bytes) -> None:
    """Deployed platforms write a number or a text."""
    assert read_reply(b'{"infcode":%b}' % infcode).accepted


@pytest.mark.parametrize("infcode", [b"-1", b'"-1"', b"1", b'"1"', b'"E01"'])
def test_anything_else_is_a_refusal(infcode: bytes) -> None:
    """Success is 0 and nothing else."""
    assert not read_reply(b'{"infcode":%b,"err_msg":"no"}' % infcode).accepted


def test_a_refusal_with_nulls_and_a_long_text() -> None:
    """The table gives err_msg 200 characters; longer ones occur and are kept."""
    text = "超" * 5000
    body = encode_json(
        {"infcode": -1, "inf_refmsgid": None, "err_msg": text, "output": None, "warn_msg": None}
    )
    reply = decode_reply(body)
    assert (reply.infcode, reply.inf_refmsgid, reply.err_msg) == ("-1", "", text)
    assert reply.output == {}


def test_unknown_members_are_kept() -> None:
    """Of the envelope and of the output."""
    body = b'{"infcode":"0","refmsg_time":"20260301","brand_new":1,"output":{"x":{"y":[]}}}'
    envelope = read_reply(body, HUNAN.transaction("2207"))
    assert envelope.extra == {"refmsg_time": "20260301", "brand_new": 1}
    assert envelope.reply.output == {"x": {"y": []}}


def test_amounts_are_exact_decimals_however_they_are_written() -> None:
    """A number, a whole number or a text: the same kind of value, with its digits."""
    info = _read("2207", {"setlinfo": {"medfee_sumamt": Decimal("12.50"), "acct_pay": 3}})
    assert info["setlinfo"] == {"medfee_sumamt": Decimal("12.50"), "acct_pay": Decimal(3)}
    assert str(info["setlinfo"]["medfee_sumamt"]) == "12.50"
    assert type(info["setlinfo"]["acct_pay"]) is Decimal
    text = _read("2207", {"setlinfo": {"medfee_sumamt": "12.50", "acct_pay": ""}})
    assert text["setlinfo"] == {"medfee_sumamt": Decimal("12.50"), "acct_pay": ""}


def test_a_number_in_a_text_field_becomes_its_digits() -> None:
    """feedetl_sn goes out as a number and comes back as a text; ids are compared as texts."""
    rows = _read("2204", {"result": [{"feedetl_sn": 123456789012345}]})
    assert rows == {"result": [{"feedetl_sn": "123456789012345"}]}


def test_one_row_of_a_repeating_node_may_be_an_object() -> None:
    """The sample of 1101 shows insuinfo as an object."""
    output = _read("1101", {"baseinfo": {"psn_no": "1"}, "insuinfo": {"insutype": "310"}})
    assert output["insuinfo"] == [{"insutype": "310"}]


def test_a_single_node_may_be_a_list_of_one() -> None:
    """The other way round."""
    output = _read("1101", {"baseinfo": [{"psn_no": "1"}], "insuinfo": None, "idetinfo": ""})
    assert output == {"baseinfo": {"psn_no": "1"}, "insuinfo": [], "idetinfo": []}


def test_two_rows_of_a_single_node_are_not_guessed_about() -> None:
    """Which of two settlements would be meant?"""
    with pytest.raises(UnknownOutcomeError, match="setlinfo"):
        _read("2207", {"setlinfo": [{"setl_id": "1"}, {"setl_id": "2"}]})


@pytest.mark.parametrize("content", ["text", 1, [1], ["a"], True])
def test_a_node_that_is_no_object_is_not_readable(content: Any) -> None:
    """A settlement whose figures cannot be found is not a settlement that is known."""
    with pytest.raises(UnknownOutcomeError):
        _read("2207", {"setlinfo": content})


def test_other_spellings_are_read() -> None:
    """pdn_cash_pay of 2208 and expContent of several regions."""
    output = _read("2208", {"setlinfo": {"pdn_cash_pay": Decimal("3.10"), "expContent": "{}"}})
    assert output["setlinfo"] == {"psn_cash_pay": Decimal("3.10"), "exp_content": "{}"}


def test_the_right_spelling_wins_over_the_wrong_one() -> None:
    """Both at once: the name of the table counts, the other is kept as it is."""
    output = _read("2208", {"setlinfo": {"psn_cash_pay": 1, "pdn_cash_pay": 2}})
    assert output["setlinfo"] == {"psn_cash_pay": Decimal(1), "pdn_cash_pay": 2}


def test_an_output_that_is_a_list_stands_under_a_name() -> None:
    """5204 answers with rows and no node."""
    assert _read("5204", [{"feedetl_sn": 7}]) == {"output": [{"feedetl_sn": "7"}]}
    assert _read("5204", []) == {"output": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"infcode":null}',
        b'{"infcode":true}',
        b'{"infcode":{}}',
        b'{"infcode":""}',
        b'{"infcode":0,"output":"x"}',
        b'{"infcode":0,"output":{"setlinfo":{"medfee',
        b'{"code":500,"message":"busy"}',
        b'{"code":401}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_reply_leaves_the_outcome_unknown(body: bytes) -> None:
    """Never an acceptance, never a refusal."""
    with pytest.raises(UnknownOutcomeError):
        decode_reply(body, HUNAN.transaction("2207"))


@pytest.mark.parametrize("code", [b"401", b'"401"'])
def test_the_outer_gateway_refuses_before_anything_happened(code: bytes) -> None:
    """Its refusals are JSON of their own kind (header missing, time, account, signature)."""
    body = b'{"code":%b,"message":"\xe9\x9d\x9e\xe6\xb3\x95\xe7\x94\xa8\xe6\x88\xb7!"}' % code
    with pytest.raises(NotSentError, match="非法用户"):
        decode_reply(body)


values = nested(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["setlinfo", "setldetail", "setl_id", "acct_pay"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(values, values)
def test_any_reply_is_read_or_unknown(infcode: Any, output: Any) -> None:
    """No value anywhere in a reply raises anything else."""
    try:
        body = encode_json({"infcode": infcode, "output": output})
    except ValueError:
        return
    try:
        reply = decode_reply(body, HUNAN.transaction("2207"))
    except UnknownOutcomeError:
        return
    assert isinstance(reply.output.get("setlinfo", {}), dict)
    assert isinstance(reply.output.get("setldetail", []), list)


def test_a_spelling_of_one_transaction_is_read_in_others() -> None:
    """The slip pdn_cash_pay in 2305, and the end of a download spelt both ways."""
    output = _read("2305", {"setlinfo": {"pdn_cash_pay": "3.10"}})
    assert output["setlinfo"] == {"psn_cash_pay": Decimal("3.10")}
    output = _read("1301", {"file_qury_no": "1", "dld_endtime": "2026-03-01 00:00:00"})
    assert output == {"file_qury_no": "1", "dld_end_time": "2026-03-01 00:00:00"}
