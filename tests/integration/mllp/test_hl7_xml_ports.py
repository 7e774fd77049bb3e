"""HL7 v2.xml over MLLP and HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from gateway.hl7v2.xml_reader import xml_to_er7
from gateway.hl7v2.xml_writer import er7_to_xml
from gateway.inbound.hl7_forms import Form
from gateway.inbound.mllp_client import MLLPClient
from gateway.inbound.mllp_framing import frame

XML = "application/hl7-v2+xml"
ER7 = "application/hl7-v2"
Make = Callable[..., bytes]
Start = Callable[..., Any]
Post = Callable[..., Any]


def _codes(body: bytes) -> list[str]:
    text = (xml_to_er7(body) if body.startswith(b"<") else body).decode()
    return ["|".join(it.split("|")[1:3]) for it in text.split("\r") if it.startswith("MSA")]


def _xml(framed: bytes) -> bytes:
    return er7_to_xml(framed[1:-2])


async def test_a_message_in_xml_is_answered_in_xml(start_port: Start, make_message: Make) -> None:
    """By the profile of the peer; CA and AA are documents of their own, and ER7 is still read."""
    port = await start_port({"encoding": "xml"})
    sender = await port.connect()
    await sender.send(frame(_xml(make_message("C1", m15="AL", m16="AL"))) + make_message("C2"))
    bodies = [await sender.body() for _ in range(3)]
    assert [_codes(body) for body in bodies] == [["CA|C1"], ["AA|C1"], ["AA|C2"]]
    assert [body[:5] for body in bodies] == [b"<?xml", b"<?xml", b"MSH|^"]
    assert etree.QName(etree.fromstring(bodies[1])).localname == "ACK"


async def test_the_form_makes_no_other_message_of_it(start_port: Start, make_message: Make) -> None:
    """The same message in ER7 and in XML is done once."""
    port = await start_port({"encoding": "xml"})
    sender = await port.connect()
    await sender.send(make_message("C1") + frame(_xml(make_message("C1"))))
    assert [_codes(await sender.body()) for _ in range(2)] == [["AA|C1"], ["AA|C1"]]
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C1"]


async def test_xml_is_refused_where_it_is_not_agreed(start_port: Start, make_message: Make) -> None:
    """AR in XML; nothing was accepted."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(frame(_xml(make_message("C1"))))
    body = await sender.body()
    assert _codes(body) == ["AR|C1"]
    assert "该发送方未约定使用 XML" in body.decode()
    assert port.pipeline.steps == []


@pytest.mark.parametrize("bad", [b"<ACK>", b"<!DOCTYPE x><ACK><MSH/></ACK>", b"<x/>"])
async def test_bad_xml_is_answered_and_the_connection_goes_on(
    start_port: Start, make_message: Make, bad: bytes
) -> None:
    """An acknowledgement without a control id, in XML, as other bytes without a header get one."""
    port = await start_port({"encoding": "xml"})
    sender = await port.connect()
    await sender.send(frame(bad) + make_message("C1"))
    body = await sender.body()
    assert (body[:5], [it[:2] for it in _codes(body)]) == (b"<?xml", ["AR"])
    assert _codes(await sender.body()) == ["AA|C1"]


async def test_the_client_speaks_xml(start_port: Start, make_message: Make) -> None:
    """Messages and replies are ER7 for its user."""
    port = await start_port({"encoding": "xml"})
    async with MLLPClient("127.0.0.1", port.server.port, form=Form.XML) as client:
        found = await client.send(make_message("C1", m15="AL", m16="AL")[1:-2])
    assert [(it.code, it.control_id) for it in found] == [("CA", "C1"), ("AA", "C1")]
    assert found[1].body.startswith(b"MSH|")


@pytest.mark.parametrize(
    ("sent", "accept", "expected"),
    [
        (XML, "", XML),
        ("text/xml; charset=utf-8", "*/*", XML),
        ("application/xml", "application/*;q=0.8", XML),
        (XML, ER7, ER7),
        (XML, f"{ER7};q=0.5, text/xml;q=0.4", ER7),
        (ER7, "", ER7),
        (ER7, "text/html, */*;q=0.1", ER7),
        (ER7, f"{XML}", XML),
        (ER7, f"{ER7}, {XML}", ER7),
        (ER7, f"{ER7};q=0, */*", XML),
        (ER7, f"*/*;q=0.5, {ER7};q=0", XML),
        (XML, f"{XML}; q=0.0, application/*;q=0.2", ER7),
        (XML, f"{XML};q=0, text/xml", "text/xml"),
        (ER7, "text/plain", "text/plain"),
        (ER7, "text/plain;q=0.3, application/xml;q=0.7", "application/xml"),
        (ER7, f"{ER7};q=0.3, {ER7};q=0.9, {XML};q=0.5", ER7),
        (ER7, f"{ER7.upper()};Q=0.001", ER7),
    ],
)
async def test_the_answer_has_the_form_that_is_accepted(
    post: Post, make_message: Make, sent: str, accept: str, expected: str
) -> None:
    """That of the message where nothing else is wanted."""
    message = make_message("C1")
    body = _xml(message) if "xml" in sent else message[1:-2]
    headers = {"Content_Type": sent} | ({"Accept": accept} if accept else {})
    status, media, answer = await post(body, **headers)
    assert (status, media, _codes(answer)) == (200, expected, ["AA|C1"])
    assert answer.startswith(b"<?xml") is ("xml" in expected)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html", f"{XML};q=0", "image/*", "nonsense", "*/*;q=0", "*;q=1",
        f"application/*;q=0, text/*;q=0.000, {ER7};q=0",
    ],
)  # fmt: skip
async def test_an_answer_that_nobody_accepts_is_406(
    post: Post, make_message: Make, accept: str
) -> None:
    """Before anything is done."""
    status, _, body = await post(_xml(make_message("C1")), Content_Type=XML, Accept=accept)
    assert (status, b"Accept" in body) == (406, True)


async def test_other_media_types_are_415(post: Post, make_message: Make) -> None:
    """JSON is no form of HL7 v2."""
    status, _, _ = await post(make_message("C1")[1:-2], Content_Type="application/json")
    assert status == 415


async def test_a_batch_has_no_form_in_xml(post: Post, make_message: Make) -> None:
    """It is answered in ER7, and 406 where only XML is accepted."""
    batch = b"BHS|^~\\&|HIS\r" + make_message("C1")[1:-2] + b"BTS|1\r"
    status, media, _ = await post(batch, Content_Type=ER7, Accept=f"{XML}, {ER7};q=0.1")
    assert (status, media) == (200, ER7)
    assert (await post(batch, Content_Type=ER7, Accept=XML))[0] == 406


async def test_the_header_states_the_character_set(post: Post, make_message: Make) -> None:
    """It goes before what the document says, as for any XML over HTTP."""
    text = _xml(make_message("C1")).decode().partition("?>")[2]
    status, _, answer = await post(text.encode("gb18030"), Content_Type="text/xml; charset=GB18030")
    assert (status, _codes(answer)) == (200, ["AA|C1"])


async def test_bad_xml_is_an_answer_too(post: Post) -> None:
    """As bad ER7 is: a refusal is no fault of the transport."""
    status, media, answer = await post(b"<ACK>", Content_Type=XML)
    assert (status, media, [it[:2] for it in _codes(answer)]) == (200, XML, ["AR"])
