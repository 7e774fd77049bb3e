"""The two forms of an HL7 v2 message, ER7 and XML, at the ports.

Everything behind the ports works with ER7: a message in XML is written as ER7 when it comes in,
and its answer as XML when it goes out, so that a message has one meaning whatever its form, and
one stored answer where its ER7 has no empty parts at the ends. A large message is worked on in a
thread, beside the event loop.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from gateway.errors import UnreadableError
from gateway.hl7v2.beside import beside
from gateway.hl7v2.xml_reader import looks_like_xml, xml_to_er7
from gateway.hl7v2.xml_writer import er7_to_xml


class Form(StrEnum):
    """How a message is written."""

    ER7 = "er7"
    XML = "xml"


def form_of(raw: bytes) -> Form:
    """The form that the bytes have."""
    return Form.XML if looks_like_xml(raw) else Form.ER7


async def to_er7(raw: bytes, charset: str = "") -> bytes:
    """A message in XML as ER7 in UTF-8.

    Raises:
        UnreadableError: it is no message in XML.
    """
    return await beside(len(raw), xml_to_er7, raw, charset)


async def written(body: bytes, form: Form) -> bytes:
    """An answer in the form; what is no single message (a batch, nothing) stays as it is."""
    if form is Form.ER7 or not body:
        return body
    try:
        # in a thread in any case: the first message of a version loads its tables
        return await asyncio.to_thread(er7_to_xml, body)
    except UnreadableError:
        return body
