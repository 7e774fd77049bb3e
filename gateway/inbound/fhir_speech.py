"""Answers on the wire: from the inner form to the release and the format that the client takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import InvalidError, MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.forms import Forms
from gateway.fhir.names import Names
from gateway.fhir.outcome import operation_outcome, status_of
from gateway.fhir.xml import decode_xml, encode_xml
from gateway.inbound.fhir_negotiation import Format, refusal_format
from gateway.inbound.http_routes import NO_WISH, Refusal, Wish


class Reply(msgspec.Struct, kw_only=True):
    """What is answered, before it has a form: status, headers, and a resource in the inner form."""

    status: int
    body: bytes = b""
    """JSON in the inner form; empty for an answer without body."""
    headers: dict[str, str] = {}
    made_here: bool = False
    """The body was written for this question: it has nothing that only another release has."""
    formed: bool = False
    """The body has the form of the release already."""

    def tree(self) -> dict[str, Any]:
        """The resource of the body."""
        return decode_own(self.body)


def reply(
    status: int, resource: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Reply:
    """A reply with a resource."""
    return Reply(status=status, body=encode(resource), headers=dict(headers or {}))


class Speech:
    """Words replies of one release."""

    def __init__(self, names: Names, forms: Forms, max_depth: int) -> None:
        self.names = names
        self.forms = forms
        self._max_depth = max_depth

    def response(self, answer: Reply, form: Format) -> web.Response:
        """The response in the release of this port and the format of the client.

        Raises:
            Refusal: 406, the resource has no form in this release.
        """
        body = answer.body
        formed = answer.formed or (answer.made_here and self.forms.plain(body))
        if body and not (formed and form is Format.JSON):
            tree = decode_own(body)
            outer = tree if formed else self.outer(tree)
            body = encode_xml(outer, self.forms.shapes) if form is Format.XML else encode(outer)
        headers = {"Cache-Control": "no-store", **answer.headers}
        headers["Content-Type"] = form.media_type
        return web.Response(status=answer.status, body=body or None, headers=headers)

    def outer(self, tree: dict[str, Any]) -> dict[str, Any]:
        """A resource in the form of this release.

        Raises:
            Refusal: 406, it has none.
        """
        outer = self.forms.outward(tree)
        if outer is None:
            raise Refusal(406, _formless())
        return outer

    def refuse(
        self,
        status: int,
        problems: Sequence[Problem],
        wish: Wish = NO_WISH,
        /,
    ) -> web.Response:
        """An OperationOutcome, in the form that the client takes where it takes one of ours."""
        form = refusal_format(wish, self.forms.release.mime_version)
        return self.response(self.outcome(status, problems), form)

    def outcome(self, status: int, problems: Sequence[Problem]) -> Reply:
        """The reply with an OperationOutcome."""
        body = encode(operation_outcome(self.names, problems))
        return Reply(status=status, body=body, made_here=True)

    def json_of(self, raw: bytes, form: Format) -> bytes:
        """A body as JSON, which everything behind the port reads.

        Raises:
            MessageError: the XML cannot be read.
        """
        if form is Format.JSON:
            return raw
        return encode(decode_xml(raw, self.forms.shapes, max_depth=self._max_depth))

    def refused(self, error: MessageError) -> Reply:
        """The reply to a body that cannot be read, asks for what there is not, or is not taken."""
        if isinstance(error, InvalidError):
            return self.outcome(status_of(error.problems), error.problems)
        gone = error.problems[0].kind is ProblemKind.NOT_FOUND
        return self.outcome(404 if gone else 400, error.problems)


def _formless() -> Problem:
    return Problem(
        kind=ProblemKind.UNSUPPORTED_VERSION,
        code=ProblemCode.VERSION_UNSUPPORTED,
        zh="该资源在此FHIR版本中没有对应的形式，请在创建它的版本地址读取",
        en="the resource has no form in this FHIR release: read it at the base it was made at",
    )
