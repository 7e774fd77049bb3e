"""One-time tokens in what is kept."""

from __future__ import annotations

import json

import pytest

from gateway.fhir.decode import decode_own
from gateway.fhir.tokens import redact, without_certificate


def certificate(kind: str | None, number: str) -> dict[str, object]:
    """The extension with this type and number."""
    parts = [{"url": "value", "valueString": number}, {"url": "card-sn", "valueString": "SN"}]
    if kind is not None:
        parts.insert(0, {"url": "type", "valueCode": kind})
    return {"url": "https://h.example/StructureDefinition/mdtrt-cert", "extension": parts}


@pytest.mark.parametrize("kind", ["01", None])
def test_the_number_of_a_voucher_is_masked_wherever_it_stands(kind: str | None) -> None:
    """Also of a certificate whose type nobody stated; the rest keeps every digit."""
    message = {
        "resourceType": "Claim",
        "insurance": [{"extension": [certificate(kind, "T0K")]}],
        "contained": [{"extension": [certificate(kind, "T0K")]}],
    }
    raw = json.dumps(message).replace('"Claim"', '"Claim", "total": {"value": 12.50}').encode()

    kept = redact(raw)

    assert b"T0K" not in kept
    assert b'"value":12.50' in kept
    parts = decode_own(kept)["insurance"][0]["extension"][0]["extension"]
    assert [part for part in parts if part["url"] == "value"] == [
        {"url": "value", "valueString": "***"}
    ]


def test_a_card_or_identity_number_is_no_token() -> None:
    """It is needed to take an unfinished exchange up again, and stays in the journal only."""
    raw = json.dumps({"extension": [certificate("02", "43019919800101001X")]}).encode()

    assert redact(raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b'{"url":"x/mdtrt-cert","extension":[{"url":"value","valueString":"T0K"}',
        b'{"url":"x/mdtrt-cert","extension":[{"url":"value","valueString" : "T0K',
        b'{"url":"x/mdtrt-cert","extension":[{"url":"value","valueString":"T0K\xff"}]}',
    ],
)
def test_a_token_in_what_cannot_be_read_is_masked_too(raw: bytes) -> None:
    """A body that is cut short goes to the log of refused messages at most."""
    assert b"T0K" not in redact(raw)


def test_an_escaped_name_hides_nothing() -> None:
    r"""`\u006ddtrt-cert` is mdtrt-cert."""
    raw = json.dumps({"extension": [certificate("01", "T0K")]})
    raw = raw.replace("mdtrt-cert", "\\u006ddtrt-cert")

    assert b"T0K" not in redact(raw.encode())


def test_what_is_kept_has_no_certificate_at_all() -> None:
    """The extension is write-only, whatever its type; other extensions stay."""
    resource = {
        "extension": [certificate("02", "1"), {"url": "x/med-type", "valueCode": "11"}],
        "insurance": [{"extension": [certificate("03", "2")], "sequence": 1}],
    }

    assert without_certificate(resource) == {
        "extension": [{"url": "x/med-type", "valueCode": "11"}],
        "insurance": [{"sequence": 1}],
    }
