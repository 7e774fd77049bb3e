"""The request as it is sent, and the text its signature covers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.sm import SigningKey
from gateway.fsi.envelope import (
    build_request,
    canonical_text,
    new_msgid,
    signature_text,
    text_to_sign,
    verifies,
)
from gateway.fsi.profiles import load_profile
from gateway.fsi.wire import decode_json, encode_json
from gateway.intents import Call
from tests.nesting import nested

NOW = datetime(2026, 3, 1, 1, 5, 7, tzinfo=UTC)
MSGID = "H43010000001202603010905070001"
KEY = SigningKey.generate()


def _call(**content: Any) -> Call:
    return Call(
        infno="2207",
        input={"data": content},
        fixmedins_code="H43010000001",
        fixmedins_name="长沙示范医院",
        mdtrtarea_admvs="430100",
        insuplc_admdvs="440300",
        opter="1001",
        opter_name="收费员",
    )


def _request(profile: str, signer: SigningKey | None, **content: Any) -> dict[str, Any]:
    call, regional = _call(**content), load_profile(profile)
    text = text_to_sign(call, regional)
    cainfo = signature_text(signer.sign(text)) if signer is not None and text is not None else ""
    body = build_request(call, msgid=MSGID, sign_no="S1", now=NOW, profile=regional, cainfo=cainfo)
    document = decode_json(body)
    assert isinstance(document, dict)
    return document


def test_canonical_text_of_the_vector() -> None:
    """Names ascending, empty members gone at every level, no blanks, Chinese as it is."""
    text = (
        '{"orgCodg":"H00000000001","payOrdId":"PO0001","userName":"测试","empty":"",'
        '"nested":{"b":2,"a":1},"flag":true,"list":["",{}],"amt":"12.30"}'
    )
    assert canonical_text(decode_json(text)) == (
        '{"amt":"12.30","flag":true,"nested":{"a":1,"b":2},"orgCodg":"H00000000001",'
        '"payOrdId":"PO0001","userName":"测试"}'
    )


def test_amounts_keep_their_digits_in_the_signed_text() -> None:
    """12.50 is not 12.5: the other side would compute another text."""
    assert canonical_text({"amt": Decimal("12.50"), "n": 0}) == '{"amt":12.50,"n":0}'


def test_numbers_are_written_without_exponent() -> None:
    """A computed Decimal may carry one; receivers expect plain digits."""
    assert encode_json({"a": Decimal("1E+2"), "b": Decimal("0.000001")}) == (
        b'{"a":100,"b":0.000001}'
    )
    assert canonical_text({"a": Decimal("1E+2")}) == '{"a":100}'


@pytest.mark.parametrize("value", [None, "", {}, [], {"a": [{"b": ""}]}])
def test_an_empty_value_has_an_empty_text(value: Any) -> None:
    """Emptiness is removed from the inside out."""
    assert canonical_text(value) == ""


def test_a_number_that_is_not_finite_cannot_be_sent() -> None:
    """JSON has no such number."""
    with pytest.raises(ValueError, match="finite"):
        encode_json({"a": Decimal("NaN")})


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'"\xff"', b"[" * 100_000, b"NaN", b"1e9999", b"9" * 5000, b'"\\ud800"'],
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    """One error for everything that cannot be read."""
    with pytest.raises(ValueError, match="not JSON"):
        decode_json(text)


def test_a_message_id_is_institution_time_and_serial() -> None:
    """F-001: 12 + 14 + 4 characters, the time in China Standard Time."""
    assert new_msgid("H43010000001", NOW, 1) == MSGID
    assert len(new_msgid("H43010000001", NOW, 9999)) == 30


@pytest.mark.parametrize(("code", "serial"), [("H4301000000", 1), ("H43010000001", 10_000)])
def test_a_message_id_of_another_length_is_refused(code: str, serial: int) -> None:
    """Rather no message than one whose id another could have."""
    with pytest.raises(ValueError, match="12"):
        new_msgid(code, NOW, serial)


def test_the_request_has_the_eighteen_members_in_their_order() -> None:
    """As the table of the envelope lists them."""
    request = _request("hunan", None, psn_no="43010000000000000001")
    assert list(request) == [
        "infno", "msgid", "mdtrtarea_admvs", "insuplc_admdvs", "recer_sys_code", "dev_no",
        "dev_safe_info", "cainfo", "signtype", "infver", "opter_type", "opter", "opter_name",
        "inf_time", "fixmedins_code", "fixmedins_name", "sign_no", "input",
    ]  # fmt: skip
    assert request["msgid"] == MSGID
    assert request["inf_time"] == "2026-03-01 09:05:07"
    assert (request["recer_sys_code"], request["infver"]) == ("99", "1.0.0")
    assert (request["insuplc_admdvs"], request["mdtrtarea_admvs"]) == ("440300", "430100")


def test_guangdong_names_the_receiving_region() -> None:
    """The further member is copied from the place of treatment."""
    assert _request("guangdong", None)["recer_admdvs"] == "430100"


def test_a_signed_input_verifies_after_its_way_over_the_wire() -> None:
    """What the other side decodes has the canonical text that was signed."""
    request = _request(
        "hunan", KEY, medfee_sumamt=Decimal("12.50"), psn_name="㐂龘𠮷", invono="", cnt=3
    )
    assert len(request["cainfo"]) == 88
    assert request["signtype"] == "SM2"
    assert verifies(request["cainfo"], request["input"], KEY.public_key())
    request["input"]["data"]["medfee_sumamt"] = Decimal("12.5")
    assert not verifies(request["cainfo"], request["input"], KEY.public_key())


def test_a_profile_without_signature_sends_none() -> None:
    """Jiangsu is not known to sign the input."""
    assert _request("jiangsu", KEY, psn_no="1")["cainfo"] == ""


@pytest.mark.parametrize("cainfo", ["", "null", "测试", "AAAA", "=" * 88])
def test_what_is_no_signature_does_not_verify(cainfo: str) -> None:
    """Any text in cainfo: False."""
    assert verifies(cainfo, {"a": 1}, KEY.public_key()) is False


json_values = nested(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=0, max_value=10**9)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_both_sides_compute_the_same_canonical_text(value: Any) -> None:
    """Encoding and decoding changes nothing that the signature covers."""
    assert canonical_text(decode_json(encode_json(value))) == canonical_text(value)


@given(json_values)
def test_the_canonical_text_of_itself_is_the_same(value: Any) -> None:
    """It is a normal form, and readable JSON unless it is empty."""
    text = canonical_text(value)
    if text:
        json.loads(text)
        assert canonical_text(decode_json(text)) == text
