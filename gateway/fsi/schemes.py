"""Headers of the outer gateways: x-tif, CSB `_api_*`, apikey (reference: signing, 1 to 3).

A province's platform stands behind one of three kinds of service gateway, each with its own
request headers. They prove who sends and when; the body takes no part in any of them. `headers`
makes them, `verify` is the other side, for a platform that plays its region.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from gateway.fsi.profiles import Profile


class Refusal(StrEnum):
    """Why an outer gateway refuses, in the words of the CSB gateway's document."""

    MISSING = "缺少服务网关的请求头!"
    EXPIRED = "签名时间戳超时!"
    UNKNOWN = "非法用户!"
    DIFFERS = "签名不一致!"


def x_tif_signature(timestamp: str, secret: str, nonce: str) -> str:
    """Lower-case hex SHA-256 of timestamp, secret, nonce, timestamp.

    >>> x_tif_signature("1700000000", "test-secret-0001", "abc123")
    '4d042450ffb787d6aa442e9ea3f862d3204862754ed275777e50ba07743a184b'
    """
    return hashlib.sha256(f"{timestamp}{secret}{nonce}{timestamp}".encode()).hexdigest()


def csb_signature(access_key: str, name: str, timestamp: str, version: str, secret: str) -> str:
    """Base64 HMAC-SHA1 over the four `_api_*` members in ascending order of their names.

    >>> csb_signature("AK0001", "1101", "1700000000000", "1.0.0", "SK0001")
    'XcGskPUgXjStiWs0ZvbEWQnJZvw='
    """
    text = (
        f"_api_access_key={access_key}&_api_name={name}"
        f"&_api_timestamp={timestamp}&_api_version={version}"
    )
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def headers(
    profile: Profile, infno: str, *, account: str, secret: str, now: datetime, nonce: str
) -> dict[str, str]:
    """The gateway headers of one request; empty for a region without such a gateway.

    `now` is aware; `nonce` is random text that is not used twice.
    """
    if profile.scheme == "apikey":
        return {"apikey": secret}
    if profile.scheme == "x-tif":
        timestamp = _timestamp(profile, now)
        return {
            "x-tif-paasid": account,
            "x-tif-timestamp": timestamp,
            "x-tif-nonce": nonce,
            "x-tif-signature": x_tif_signature(timestamp, secret, nonce),
        }
    if profile.scheme == "csb":
        timestamp, version = _timestamp(profile, now), profile.api_version
        return {
            "_api_name": infno,
            "_api_version": version,
            "_api_timestamp": timestamp,
            "_api_access_key": account,
            "_api_signature": csb_signature(account, infno, timestamp, version, secret),
        }
    return {}


def verify(
    profile: Profile,
    given: Mapping[str, str],
    *,
    secrets: Mapping[str, str],
    now: datetime,
) -> Refusal | None:
    """Why the headers are refused, None when they are good.

    `given` maps header names (looked up regardless of case) to values, `secrets` accounts to
    their secrets. A value outside ASCII counts as missing; a CSB name is not compared with the
    body.
    """
    found = {name.lower(): value for name, value in given.items() if value.isascii()}
    if profile.scheme == "apikey":
        if "apikey" not in found:
            return Refusal.MISSING
        known = [_same(secret, found["apikey"]) for secret in secrets.values()]
        return None if any(known) else Refusal.UNKNOWN
    if profile.scheme == "x-tif":
        return _verify_x_tif(profile, found, secrets, now)
    if profile.scheme == "csb":
        return _verify_csb(profile, found, secrets, now)
    return None


def _verify_x_tif(
    profile: Profile, found: dict[str, str], secrets: Mapping[str, str], now: datetime
) -> Refusal | None:
    names = ("x-tif-paasid", "x-tif-timestamp", "x-tif-nonce", "x-tif-signature")
    if not all(found.get(name) for name in names):
        return Refusal.MISSING
    account, timestamp, nonce, signature = (found[name] for name in names)
    if refusal := _account_and_time(profile, account, timestamp, secrets, now):
        return refusal
    expected = x_tif_signature(timestamp, secrets[account], nonce)
    return None if _same(expected, signature) else Refusal.DIFFERS


def _verify_csb(
    profile: Profile, found: dict[str, str], secrets: Mapping[str, str], now: datetime
) -> Refusal | None:
    names = ("_api_access_key", "_api_name", "_api_timestamp", "_api_version", "_api_signature")
    if not all(found.get(name) for name in names):
        return Refusal.MISSING
    account, name, timestamp, version, signature = (found[name] for name in names)
    if refusal := _account_and_time(profile, account, timestamp, secrets, now):
        return refusal
    expected = csb_signature(account, name, timestamp, version, secrets[account])
    return None if _same(expected, signature) else Refusal.DIFFERS


def _account_and_time(
    profile: Profile, account: str, timestamp: str, secrets: Mapping[str, str], now: datetime
) -> Refusal | None:
    if account not in secrets:
        return Refusal.UNKNOWN
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
        return Refusal.EXPIRED
    off = now.timestamp() - int(timestamp) / _per_second(profile)
    return Refusal.EXPIRED if abs(off) > profile.timestamp_window else None


def _timestamp(profile: Profile, now: datetime) -> str:
    return str(int(now.timestamp() * _per_second(profile)))


def _per_second(profile: Profile) -> int:
    return 1000 if profile.timestamp_unit == "milliseconds" else 1


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
