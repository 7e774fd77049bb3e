"""Headers of the outer gateways: published vectors, and each refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fsi.profiles import Profile, load_profile
from gateway.fsi.schemes import Refusal, csb_signature, headers, verify, x_tif_signature

NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
"""1,700,000,000 seconds after the start of 1970."""
SECRETS = {"account": "secret"}


def _headers(profile: Profile, now: datetime = NOW) -> dict[str, str]:
    return headers(profile, "2207", account="account", secret="secret", now=now, nonce="n0nce")


def test_x_tif_vector() -> None:
    """SHA-256 over timestamp, secret, nonce, timestamp."""
    expected = "4d042450ffb787d6aa442e9ea3f862d3204862754ed275777e50ba07743a184b"
    assert x_tif_signature("1700000000", "test-secret-0001", "abc123") == expected


def test_csb_vector() -> None:
    """HMAC-SHA1 over the four members in ascending order."""
    signature = csb_signature("AK0001", "1101", "1700000000000", "1.0.0", "SK0001")
    assert signature == "XcGskPUgXjStiWs0ZvbEWQnJZvw="


def test_x_tif_counts_seconds() -> None:
    """The four headers of Guangdong."""
    made = _headers(load_profile("guangdong"))
    assert made["x-tif-timestamp"] == "1700000000"
    assert made["x-tif-paasid"] == "account"
    assert made["x-tif-nonce"] == "n0nce"
    assert made["x-tif-signature"] == x_tif_signature("1700000000", "secret", "n0nce")


@pytest.mark.parametrize(
    ("name", "timestamp"), [("hunan", "1700000000000"), ("jiangsu", "1700000000")]
)
def test_csb_counts_as_the_region_does(name: str, timestamp: str) -> None:
    """Hunan writes 13 digits, Jiangsu 10; the transaction is named in the header."""
    made = _headers(load_profile(name))
    assert (made["_api_timestamp"], made["_api_name"]) == (timestamp, "2207")


def test_apikey_is_one_header() -> None:
    """The key alone; no time, no signature."""
    assert _headers(load_profile("apikey")) == {"apikey": "secret"}


def test_a_region_without_a_gateway_has_no_headers() -> None:
    """A front-end machine on the intranet asks for nothing, and nothing is refused."""
    profile = load_profile("generic")
    assert _headers(profile) == {}
    assert verify(profile, {}, secrets=SECRETS, now=NOW) is None


@pytest.mark.parametrize("name", ["hunan", "jiangsu", "guangdong", "apikey"])
def test_what_is_made_verifies_whatever_the_case_of_the_names(name: str) -> None:
    """HTTP header names have no case."""
    profile = load_profile(name)
    made = {header.upper(): value for header, value in _headers(profile).items()}
    assert verify(profile, made, secrets=SECRETS, now=NOW) is None


@pytest.mark.parametrize("name", ["hunan", "jiangsu", "guangdong"])
@pytest.mark.parametrize(
    ("minutes", "refusal"), [(29, None), (-29, None), (31, Refusal.EXPIRED), (-31, Refusal.EXPIRED)]
)
def test_a_timestamp_may_be_off_by_thirty_minutes(
    name: str, minutes: int, refusal: Refusal | None
) -> None:
    """The window of the CSB document, either way."""
    profile = load_profile(name)
    later = NOW + timedelta(minutes=minutes)
    assert verify(profile, _headers(profile), secrets=SECRETS, now=later) is refusal


@pytest.mark.parametrize("name", ["hunan", "jiangsu", "guangdong", "apikey"])
def test_each_refusal_has_its_own_reason(name: str) -> None:
    """A missing header, an unknown account, another secret."""
    profile = load_profile(name)
    made = _headers(profile)
    for missing in made:
        rest = {header: value for header, value in made.items() if header != missing}
        assert verify(profile, rest, secrets=SECRETS, now=NOW) is Refusal.MISSING
    assert verify(profile, made, secrets={}, now=NOW) is Refusal.UNKNOWN
    wrong = verify(profile, made, secrets={"account": "other"}, now=NOW)
    assert wrong is (Refusal.UNKNOWN if name == "apikey" else Refusal.DIFFERS)


@given(
    st.dictionaries(
        st.sampled_from(sorted(_headers(load_profile("hunan")))),
        st.text() | st.text(st.characters(categories=["Cs"])),
    )
)
def test_any_header_values_are_answered(given_headers: dict[str, str]) -> None:
    """Whatever stands in the headers, they are refused and nothing is raised."""
    profile = load_profile("hunan")
    assert verify(profile, given_headers, secrets=SECRETS, now=NOW) is not None
