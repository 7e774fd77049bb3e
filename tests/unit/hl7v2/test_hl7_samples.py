"""Messages written elsewhere: each gets a proper answer, none another exception."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import Result, Status
from gateway.settings import Settings

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "hl7v2"
FILES = sorted(path for path in SAMPLES.rglob("*") if path.is_file()) if SAMPLES.is_dir() else []

pytestmark = [
    pytest.mark.samples,
    pytest.mark.skipif(not FILES, reason="the folder of samples is absent"),
]


def _messages(raw: bytes) -> list[bytes]:
    """The messages of a file: one, or several back to back or in a batch."""
    parts = re.split(rb"(?=MSH[|])", raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r"))
    return [part for part in parts if part.startswith(b"MSH")] or [raw]


@pytest.mark.parametrize("name", ["strict", "tolerant"])
async def test_every_sample_gets_an_acknowledgement_of_its_version(
    make_settings: Callable[..., Settings], make_adapter: Callable[..., HL7Adapter], name: str
) -> None:
    """Read and understood, or refused with `MessageError`; the reply repeats control id and version."""
    dialect = {"default_charset": "UTF-8", "charset_aliases": {"UTF-8": "UTF-8"}}
    chosen = dialect if name == "tolerant" else {}
    adapter, peer = make_adapter(chosen), make_settings(chosen).peers[0]
    codes: Counter[str] = Counter()
    for path in FILES:
        for raw in _messages(path.read_bytes()):
            try:
                message = await adapter.read(raw, peer, {})
                intent, problems = await adapter.understand(message, peer)
                result = Result(status=Status.INVALID, intent=intent, problems=problems)
                body = adapter.answer(message.kind, message.context, result).body
            except MessageError as error:
                body = adapter.refuse(raw, {"peer": "his"}, error).body
            adapter.redact(raw)
            if body:
                text = body.decode("utf-8")
                assert re.match(r"MSH.\S{2,5}.FSI-GATEWAY", text), path.name
                code = re.search(r"\rMSA.([AC][AER])", text)
                assert code is not None, path.name
                codes[code[1]] += 1
    assert codes.total() > 100
    assert set(codes) <= {"AE", "AR", "CE", "CR"}
