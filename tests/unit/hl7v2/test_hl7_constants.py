"""Constants in acknowledgements that a peer's program expects (`reply_constants`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import ConfigurationError, InvalidError
from gateway.intents import Result, Status

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK||||1001^陈||||||||||||V1"


async def test_a_constant_fills_what_an_answer_leaves_empty(
    make_raw: Callable[..., bytes], understand: Any, make_adapter: Any
) -> None:
    """Matrix 1.11: MSA-4 100 and MSH-8; what the answer says itself stays."""
    dialect = {"reply_constants": {"MSA-4": "100", "MSH-8": "X", "MSA-1": "AR", "MSH-12": "2.9"}}
    adapter = make_adapter(dialect)
    message, intent, _ = await understand(make_raw("ADT^A04", "EVN||20260301", PID, PV1), dialect)
    body = adapter.answer(message.kind, message.context, Result(status=Status.DONE, intent=intent))
    lines = body.body.decode().split("\r")
    assert lines[1] == "MSA|AA|C1||100"
    assert (lines[0].split("|")[7], lines[0].split("|")[11]) == ("X", "2.5.1")
    refused = adapter.refuse(b"", {}, InvalidError([]), message.context).body.decode()
    assert "\rMSA|AE|C1||100\r" in refused


@pytest.mark.parametrize(
    "constants", [{"MSA": "1"}, {"PID-3": "1"}, {"MSH-1": "#"}, {"MSA-4": "a|b"}, {"MSA-4": "中"}]
)
def test_a_constant_has_a_place_and_breaks_nothing(
    make_adapter: Any, constants: dict[str, str]
) -> None:
    """Fields of MSH and MSA only, not the delimiters, and no text that would divide a segment."""
    with pytest.raises(ConfigurationError, match="reply_constants"):
        make_adapter({"reply_constants": constants})
