"""HL7 v2 over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

ER7 = "application/hl7-v2; charset=utf-8"
Post = Callable[..., Any]


@pytest.fixture
def tell(post: Post) -> Post:
    """Posts a message in ER7; gives status, content type and text."""

    async def send(body: bytes, **headers: str) -> tuple[int, str, str]:
        status, media_type, answer = await post(body, **{"Content-Type": ER7} | headers)
        return status, media_type, answer.decode("utf-8")

    return send


def _codes(body: str) -> list[str]:
    return ["|".join(it.split("|")[1:3]) for it in body.split("\r") if it.startswith("MSA")]


async def test_a_message_is_answered_in_the_response(
    tell: Post, make_message: Callable[..., bytes]
) -> None:
    """Original mode: one acknowledgement; a frame of MLLP around the message is taken off."""
    status, media_type, body = await tell(make_message("C1")[1:-2])
    assert (status, media_type, _codes(body)) == (200, "application/hl7-v2", ["AA|C1"])
    assert _codes((await tell(make_message("C2")))[2]) == ["AA|C2"]


async def test_a_refusal_is_an_answer(tell: Post, make_message: Callable[..., bytes]) -> None:
    """The status says that the message was dealt with, MSA-1 how."""
    status, _, body = await tell(make_message("C1", m12="9.9")[1:-2])
    assert (status, _codes(body)) == (200, ["AR|C1"])


async def test_the_response_carries_what_the_sender_wants(
    tell: Post, make_message: Callable[..., bytes]
) -> None:
    """Enhanced mode: the application's word, else the accept acknowledgement, else nothing."""
    assert _codes((await tell(make_message("C1", m15="AL", m16="AL")[1:-2]))[2]) == ["AA|C1"]
    assert _codes((await tell(make_message("C2", m15="AL", m16="NE")[1:-2]))[2]) == ["CA|C2"]
    assert (await tell(make_message("C3", m15="NE", m16="NE")[1:-2]))[0] == 202
    assert (await tell(make_message("C4", m9="ACK")[1:-2]))[0] == 202


async def test_a_batch_is_answered_by_a_batch(
    tell: Post, make_message: Callable[..., bytes]
) -> None:
    """B-004 over HTTP, and B-008: a wrong count does nothing."""
    head = b"BHS|^~\\&|HIS||||20260301||||B9\r"
    messages = make_message("C1")[1:-2] + make_message("C2", m12="")[1:-2]
    _, _, body = await tell(head + messages + b"BTS|2\r")
    assert _codes(body) == ["AA|C1", "AE|C2"]
    assert _codes((await tell(head + messages + b"BTS|3\r"))[2]) == ["AE|B9"]


async def test_other_requests_are_refused_in_hl7(
    tell: Post, make_message: Callable[..., bytes]
) -> None:
    """A foreign content type and a missing token are refusals, not messages."""
    message = make_message("C1")[1:-2]
    status, _, body = await tell(message, **{"Content-Type": "application/json"})
    assert status == 415
    assert _codes(body) == ["AR"]
    assert (await tell(message, Authorization="Bearer x"))[0] == 401
