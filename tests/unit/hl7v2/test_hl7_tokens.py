"""The e-voucher token and the fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.hl7v2.adapter import HL7Adapter
from gateway.settings import Settings

PV1 = "PV1|1|O"
Make = Callable[..., bytes]


def _pid(token: str, kind: str = "ECTOKEN") -> str:
    return f"PID|1||430199198001010010^^^^NNCHN~{token}^^^医保^{kind}||张^三"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_the_token_is_masked_and_nothing_else(
    make_adapter: Callable[..., HL7Adapter], make_raw: Make, codec: str
) -> None:
    """F-033: what the journal keeps has a star in its place."""
    raw = make_raw("ADT^A04", _pid("SECRET9"), PV1, codec=codec)
    assert make_adapter().redact(raw) == raw.replace(b"SECRET9", b"*")


def test_a_peers_own_name_for_the_token_is_known(
    make_adapter: Callable[..., HL7Adapter], make_raw: Make
) -> None:
    """identifier_aliases that mean ECTOKEN count everywhere."""
    raw = make_raw("ADT^A04", _pid("SECRET9", "DZPZ"), PV1)
    assert b"SECRET9" in make_adapter().redact(raw)
    assert b"SECRET9" not in make_adapter({"identifier_aliases": {"DZPZ": "ECTOKEN"}}).redact(raw)


@pytest.mark.parametrize(
    "qpd",
    [
        "QPD|Q22|T|@PID.3.1^SECRET9~@PID.3.5^ECTOKEN",
        "QPD|Q22|T|@PID.3^SECRET9&&&&ECTOKEN",
    ],
)
async def test_the_token_of_a_query_is_masked_in_journal_context_and_reply(
    make_settings: Callable[..., Settings],
    make_adapter: Callable[..., HL7Adapter],
    make_raw: Make,
    qpd: str,
) -> None:
    """RSP^K22 repeats QPD, but not the token."""
    adapter = make_adapter()
    raw = make_raw("QBP^Q22", qpd, "RCP|I")
    message = await adapter.read(raw, make_settings().peers[0], {})
    assert b"SECRET9" not in adapter.redact(raw)
    assert "SECRET9" not in repr(message.context)
    intent, _ = await adapter.understand(message, make_settings().peers[0])
    assert intent.person.get("mdtrt_cert_no") == "SECRET9"


async def test_messages_that_differ_in_the_token_only_are_the_same(
    make_settings: Callable[..., Settings],
    make_adapter: Callable[..., HL7Adapter],
    make_raw: Make,
) -> None:
    """The fingerprint leaves the token out and nothing else."""
    adapter, peer = make_adapter(), make_settings().peers[0]

    async def fingerprint(*segments: str, **changes: Any) -> str:
        return (await adapter.read(make_raw("ADT^A04", *segments, **changes), peer, {})).fingerprint

    first = await fingerprint(_pid("AAA"), PV1)
    assert await fingerprint(_pid("BBBBB"), PV1) == first
    assert await fingerprint(_pid("AAA"), "PV1|1|I") != first
    assert len(first) == 64


def test_messages_that_cannot_be_read_are_masked_as_far_as_possible(
    make_adapter: Callable[..., HL7Adapter], make_raw: Make
) -> None:
    """Bytes of no character set do not keep the token from being found."""
    raw = make_raw("ADT^A04", _pid("SECRET9"), PV1).replace("张".encode(), b"\xff\xff")
    assert b"SECRET9" not in make_adapter().redact(raw)
    assert make_adapter().redact(b"ECTOKEN") == b"ECTOKEN"
