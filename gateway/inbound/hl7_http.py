"""HL7 v2 over HTTP: one message or batch in a POST, its answer in the response.

The body is ER7 (`application/hl7-v2`, also with `text/plain`), its character set that of MSH-18, or
HL7 v2.xml (`application/hl7-v2+xml`, also with `text/xml`), its character set that of the header or
of the document. The answer has the form of the message unless `Accept` wants the other (RFC 9110).

The peer is known by its token, not by MSH-3. The response carries one acknowledgement: that of
the application, or the accept acknowledgement where MSH-16 wants no other. Its status is 200
whatever the acknowledgement says, because a refusal is an answer and must not be repeated by
something in between; 202 without body tells that the sender wants no acknowledgement. Only where
the bounds of the peer kept the message out, and nothing looked at it, the status says so beside
the acknowledgement: 429 with Retry-After for the rate and for too many connections, of which the
further one is closed, and 413 for the length.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.hl7v2.adapter import CONTENT_TYPE, HL7Adapter
from gateway.hl7v2.batch import is_batch
from gateway.hl7v2.beside import beside
from gateway.inbound.clients import CLIENT
from gateway.inbound.hl7_exchange import SingleAnswer
from gateway.inbound.hl7_forms import Form, to_er7, written
from gateway.inbound.hl7_limits import LimitError, Limits, Seat
from gateway.inbound.http_connection import Connection
from gateway.inbound.http_routes import NO_WISH, PEER, Mount, Permission, Refusal, Route, Wish
from gateway.inbound.mllp_exchange import PROTOCOL, Pipeline

PREFIX = "/hl7v2"
XML_TYPE = "application/hl7-v2+xml"
TYPES = {
    CONTENT_TYPE: Form.ER7,
    "application/hl7-v2+er7": Form.ER7,
    "x-application/hl7-v2+er7": Form.ER7,
    "text/plain": Form.ER7,
    XML_TYPE: Form.XML,
    "x-application/hl7-v2+xml": Form.XML,
    "application/xml": Form.XML,
    "text/xml": Form.XML,
}
"""Media types of bodies, and the form of each."""
MAX_ACCEPTED = 32
"""Media ranges of `Accept` that are looked at."""

_MEDIA_TYPE = re.compile(r"\s*([^;,\s]+)\s*(;[^,]*)?")
_CHARSET = re.compile(r";\s*charset=\"?([A-Za-z0-9_.-]{1,40})\"?", re.IGNORECASE)
_QUALITY = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)", re.IGNORECASE)
_WRONG_TYPE = Problem(
    kind=ProblemKind.UNSUPPORTED_TYPE,
    code=ProblemCode.NOT_SUPPORTED,
    zh="请求内容类型应为 application/hl7-v2 或 application/hl7-v2+xml",
    en="The content type has to be application/hl7-v2 or application/hl7-v2+xml",
)
_NOT_ACCEPTABLE = Problem(
    kind=ProblemKind.UNSUPPORTED_TYPE,
    code=ProblemCode.NOT_SUPPORTED,
    zh="无法按请求头 Accept 的类型应答",
    en="The answer cannot be written in a type of the header Accept",
    remedy_zh="请接受 application/hl7-v2 或 application/hl7-v2+xml；批的应答只有前者",
    remedy_en=f"accept {CONTENT_TYPE} or {XML_TYPE}; the answer to a batch has the first only",
)


def hl7_mount(pipeline: Pipeline[Any], adapter: HL7Adapter, limits: Limits) -> Mount:
    """`POST /hl7v2`: a message or a batch; the pipeline carries it out.

    `limits` counts the connections of a peer, those of MLLP and of HTTP together.
    """
    exchange = _Exchange(pipeline, adapter, limits)
    route = Route(
        method="POST",
        path="",
        handler=exchange.post,
        permission=Permission.PEER,
        summary="One HL7 v2 message (ER7 or XML) or batch (ER7)",
    )
    return Mount(prefix=PREFIX, protocol=PROTOCOL, routes=[route], refuse=exchange.refuse)


class _Exchange:
    def __init__(self, pipeline: Pipeline[Any], adapter: HL7Adapter, limits: Limits) -> None:
        self._single = SingleAnswer(pipeline, adapter)
        self._adapter = adapter
        self._limits = limits
        self._seats: dict[Connection, Seat] = {}

    async def post(self, request: web.Request) -> web.Response:
        try:
            self._sit_down(request)
        except LimitError as error:
            response = self.refuse(429, error.problems)
            response.headers.update(_retry(error))
            response.force_close()
            return response
        form, charset = _form(request.headers.get("Content-Type", CONTENT_TYPE))
        raw = await request.read()
        batch = form is Form.ER7 and await beside(len(raw), is_batch, _unframed(raw))
        wanted = _wanted(request.headers.get("Accept", ""), form, batch=batch)
        peer, remote = request[PEER], request.remote or ""
        proof = request[CLIENT].proof.value
        limit: LimitError | None = None
        try:
            raw = _unframed(raw) if form is Form.ER7 else await to_er7(raw, charset)
        except UnreadableError as error:
            body = self._adapter.refuse(b"", {"peer": peer.name}, error).body
        else:
            carried = await self._single.carry(raw, peer, remote, proof=proof)
            body, limit = carried.body, carried.limit
        status = 200 if limit is None else 429 if limit.wait else 413
        response = _response(await written(body, TYPES[wanted]), status, wanted)
        if limit is not None:
            response.headers.update(_retry(limit))
        return response

    def _sit_down(self, request: web.Request) -> None:
        """Count the connection among those of the peer, until it ends.

        Raises:
            LimitError: the peer has as many as it may.
        """
        connection = request.protocol
        assert isinstance(connection, Connection)
        seat = self._seats.get(connection)
        if seat is None:
            seat = self._seats[connection] = Seat(self._limits)
            connection.at_end(lambda: self._seats.pop(connection).leave())
        seat.take(request[PEER].name)

    def refuse(
        self,
        status: int,
        problems: Sequence[Problem],
        _wish: Wish = NO_WISH,
        /,
    ) -> web.Response:
        """A refusal of the port: an acknowledgement without the control id, which was not read."""
        answer = self._adapter.refuse(b"", {}, InvalidError(problems))
        return _response(answer.body, status, CONTENT_TYPE)


def _retry(limit: LimitError) -> dict[str, str]:
    """When the same may come again, in whole seconds."""
    return {"Retry-After": str(math.ceil(limit.wait))} if limit.wait else {}


def _unframed(raw: bytes) -> bytes:
    """Some senders put the frame of MLLP around the message here too."""
    return raw.removeprefix(b"\x0b").removesuffix(b"\x1c\r")


def _form(content_type: str) -> tuple[Form, str]:
    """The form of the body, and the character set that the header states.

    Raises:
        Refusal: 415.
    """
    match = _MEDIA_TYPE.match(content_type)
    form = TYPES.get(match[1].lower()) if match else None
    if match is None or form is None:
        raise Refusal(415, _WRONG_TYPE)
    charset = _CHARSET.search(match[2] or "")
    return form, charset[1] if charset else ""


def _wanted(accept: str, form: Form, *, batch: bool) -> str:
    """The media type of the answer: the best that is accepted, else in the form of the message.

    Raises:
        Refusal: 406.
    """
    if not accept.strip():
        return CONTENT_TYPE if form is Form.ER7 else XML_TYPE
    weights = _weights(accept)
    best = max(
        (name for name in TYPES if not (batch and TYPES[name] is Form.XML)),
        key=lambda name: (
            _weight(weights, name), name in {CONTENT_TYPE, XML_TYPE}, TYPES[name] is form,
        ),
    )  # fmt: skip
    if not _weight(weights, best):
        raise Refusal(406, _NOT_ACCEPTABLE)
    return best


def _weights(accept: str) -> dict[str, float]:
    """The media ranges of `Accept` and how much each is wanted; one stated twice counts once."""
    found: dict[str, float] = {}
    for text in accept.split(",")[:MAX_ACCEPTED]:
        match = _MEDIA_TYPE.match(text)
        if match is not None:
            quality = _QUALITY.search(match[2] or "")
            weight = min(1.0, float(quality[1])) if quality else 1.0
            found[match[1].lower()] = max(weight, found.get(match[1].lower(), 0.0))
    return found


def _weight(weights: Mapping[str, float], media_type: str) -> float:
    """How much a type is wanted: the most specific range decides (RFC 9110, 12.5.1)."""
    whole = f"{media_type.partition('/')[0]}/*"
    return next((weights[it] for it in (media_type, whole, "*/*") if it in weights), 0.0)


def _response(body: bytes, status: int, media_type: str) -> web.Response:
    if TYPES[media_type] is Form.XML:
        media_type = f"{media_type}; charset=utf-8"
    return web.Response(
        status=status if body or status != 200 else 202,
        body=body or None,
        headers={"Content-Type": media_type, "Cache-Control": "no-store"},
    )
