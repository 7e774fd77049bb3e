"""The wire of the platform against the vectors of the reference."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from conformance.platform.wire import (
    HEADER_MISSING,
    SIGNATURE_DIFFERS,
    TIME_EXPIRED,
    UNKNOWN_ACCOUNT,
    GatewayCheck,
    canonical_text,
    decode,
    encode,
)

AT = datetime.fromtimestamp(1_700_000_000, UTC)

CSB_HEADERS = {
    "_api_access_key": "AK0001",
    "_api_name": "1101",
    "_api_timestamp": "1700000000000",
    "_api_version": "1.0.0",
    "_api_signature": "XcGskPUgXjStiWs0ZvbEWQnJZvw=",
}
"""The computed vector of the reference (signing, section 2)."""

X_TIF_HEADERS = {
    "x-tif-paasid": "demo",
    "x-tif-timestamp": "1700000000",
    "x-tif-nonce": "abc123",
    "x-tif-signature": "4d042450ffb787d6aa442e9ea3f862d3204862754ed275777e50ba07743a184b",
}
"""The computed vector of the reference (signing, section 1)."""


def csb(headers: dict[str, str], *, at: datetime = AT) -> str:
    """What the CSB gateway of the vector says."""
    return GatewayCheck("csb", "AK0001", "SK0001", lambda: at).refusal(headers)


def x_tif(headers: dict[str, str]) -> str:
    """What the x-tif gateway of the vector says."""
    return GatewayCheck("x-tif", "demo", "test-secret-0001", lambda: AT).refusal(headers)


def test_the_csb_vector_is_let_through() -> None:
    """A CSB request signed as the reference computed it is good."""
    assert csb(CSB_HEADERS) == ""


def test_the_x_tif_vector_is_let_through() -> None:
    """An x-tif request signed as the reference computed it is good."""
    assert x_tif(X_TIF_HEADERS) == ""


@pytest.mark.parametrize("name", sorted(CSB_HEADERS))
def test_a_csb_header_missing_is_refused(name: str) -> None:
    """Every one of the five headers is needed."""
    assert csb({k: v for k, v in CSB_HEADERS.items() if k != name}) == HEADER_MISSING


@pytest.mark.parametrize("name", sorted(X_TIF_HEADERS))
def test_an_x_tif_header_missing_is_refused(name: str) -> None:
    """Every one of the four headers is needed."""
    assert x_tif({k: v for k, v in X_TIF_HEADERS.items() if k != name}) == HEADER_MISSING


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("_api_access_key", "AK0002", UNKNOWN_ACCOUNT),
        ("_api_name", "2207", SIGNATURE_DIFFERS),
        ("_api_signature", "AAAA", SIGNATURE_DIFFERS),
        ("_api_signature", "签名", SIGNATURE_DIFFERS),
        ("_api_timestamp", "1700000000", TIME_EXPIRED),
        ("_api_timestamp", "yesterday", TIME_EXPIRED),
        ("_api_timestamp", "1700000000001", SIGNATURE_DIFFERS),
    ],
)
def test_a_changed_csb_header_is_refused(name: str, value: str, refusal: str) -> None:
    """Each refusal has the text of the gateway's document."""
    assert csb({**CSB_HEADERS, name: value}) == refusal


def test_a_timestamp_of_more_than_half_an_hour_ago_is_refused() -> None:
    """30 minutes is the default of the gateway's document."""
    late = datetime.fromtimestamp(1_700_000_000 + 1801, UTC)
    on_time = datetime.fromtimestamp(1_700_000_000 + 1800, UTC)
    assert csb(CSB_HEADERS, at=late) == TIME_EXPIRED
    assert csb(CSB_HEADERS, at=on_time) == ""


def test_an_apikey_is_compared() -> None:
    """The scheme of a single key."""
    check = GatewayCheck("apikey", "", "key-1", lambda: AT)
    assert check.refusal({"apikey": "key-1"}) == ""
    assert check.refusal({"apikey": "key-2"}) == UNKNOWN_ACCOUNT
    assert check.refusal({}) == HEADER_MISSING


def test_the_canonical_text_is_that_of_the_reference() -> None:
    """The computed example of the reference (signing, section 5.6)."""
    data = decode(
        '{"orgCodg":"H00000000001","payOrdId":"PO0001","userName":"测试","empty":"",'
        '"nested":{"b":2,"a":1},"flag":true,"list":["",{}],"amt":"12.30"}'.encode()
    )
    assert canonical_text(data) == (
        '{"amt":"12.30","flag":true,"nested":{"a":1,"b":2},"orgCodg":"H00000000001",'
        '"payOrdId":"PO0001","userName":"测试"}'
    )


def test_the_canonical_text_of_nothing_is_empty() -> None:
    """A refusal has no output; its signature covers no bytes."""
    assert canonical_text(None) == ""
    assert canonical_text({"a": [], "b": {"c": ""}}) == ""


def test_numbers_keep_their_digits_both_ways() -> None:
    """12.50 is read and written as 12.50, never as 12.5."""
    assert decode(b'{"a":12.50}') == {"a": Decimal("12.50")}
    assert encode({"a": Decimal("12.50")}) == b'{"a":12.50}'


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "half", "latin", "deep"]
)
def test_bytes_that_are_no_json_are_a_value_error(body: bytes) -> None:
    """Any bytes: a value or this one error."""
    with pytest.raises(ValueError, match="not JSON"):
        decode(body)
