"""The certificate extension: taken out of what is kept, masked in what is stored raw.

An e-voucher number (mdtrt_cert_type 01) is a one-time token. It is not part of what makes two
messages the same, and stands in no journal row, log line or answer (F-033).
"""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.decode import decode_own, encode, may_be_escaped
from gateway.fhir.names import CERTIFICATE, VOUCHER, is_extension
from gateway.fhir.references import as_list

_VALUES = re.compile(rb'("value[A-Za-z]+"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.DOTALL)


def without_certificate(value: Any) -> Any:
    """A copy of a tree without any certificate extension: what may be kept and sent back."""
    if isinstance(value, dict):
        copy = {}
        for name, inner in value.items():
            if name == "extension" and isinstance(inner, list):
                inner = [item for item in inner if not _is_certificate(item)]  # noqa: PLW2901 - the member that is copied
                if not inner:
                    continue
            copy[name] = without_certificate(inner)
        return copy
    if isinstance(value, list):
        return [without_certificate(item) for item in value]
    return value


def may_hold_certificate(raw: bytes) -> bool:
    """False when no certificate extension can stand in these bytes, plainly or escaped."""
    return CERTIFICATE.encode() in raw or may_be_escaped(raw)


def without_token(value: Any) -> Any:
    """A copy of a tree in which the numbers of e-vouchers are masked."""
    if isinstance(value, dict):
        return {name: without_token(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(item) if _is_voucher(item) else without_token(item) for item in value]
    return value


def redact(raw: bytes) -> bytes:
    """The bytes with every e-voucher number masked by `*`, whether or not they can be read."""
    if not may_hold_certificate(raw):
        return raw
    try:
        tree = decode_own(raw)
        return encode(without_token(tree)) if _has_token(tree) else raw
    except (AssertionError, ValueError, ArithmeticError, RecursionError):
        return _VALUES.sub(rb'\1"*"', raw)


def _is_certificate(item: Any) -> bool:
    return isinstance(item, dict) and is_extension(item.get("url"), CERTIFICATE)


def _part(item: dict[str, Any], name: str) -> Any:
    for inner in as_list(item.get("extension")):
        if isinstance(inner, dict) and is_extension(inner.get("url"), name):
            return next((v for key, v in inner.items() if key.startswith("value")), None)
    return None


def _is_voucher(item: Any) -> bool:
    """True for a certificate extension whose type is the e-voucher, or not said."""
    return _is_certificate(item) and _part(item, "type") in (None, VOUCHER)


def _masked(item: dict[str, Any]) -> dict[str, Any]:
    parts = []
    for inner in as_list(item.get("extension")):
        if isinstance(inner, dict) and not is_extension(inner.get("url"), "type"):
            inner = {  # noqa: PLW2901 - the part that is copied
                key: "*" * len(value)
                if key.startswith("value") and isinstance(value, str)
                else value
                for key, value in inner.items()
            }
        parts.append(inner)
    return {**item, "extension": parts}


def _has_token(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_token(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_is_voucher(item) or _has_token(item) for item in value)
    return False
