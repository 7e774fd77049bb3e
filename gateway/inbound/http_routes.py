"""Routes of the HTTP port: each names its handler and who may use it.

A protocol (national JSON, FHIR) brings a `Mount`: a path prefix, its routes, and how it words a
refusal, so that a client always gets an error in the language it speaks.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec
from aiohttp import web

from gateway.errors import ConfigurationError, Problem, ProblemCode, ProblemKind
from gateway.intents import Answer
from gateway.settings import PeerSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers one request; the body was read and is given at once by `await request.read()`."""


class Wish(NamedTuple):
    """What a refused client said of the answer that it takes, as far as it was read."""

    target: str = ""
    """The request target, as it was sent."""
    accept: str = ""
    """Its Accept headers."""

    @property
    def path(self) -> str:
        """The path of the target."""
        return self.target.partition("?")[0]


NO_WISH = Wish()
"""Nothing is known of what the client takes."""


class Refuse(Protocol):
    """Words a refusal: status and problems to a response, in a form that the client takes."""

    def __call__(
        self, status: int, problems: Sequence[Problem], wish: Wish = ..., /
    ) -> web.Response:
        """Word it."""
        ...


PEER = web.RequestKey("peer", PeerSettings)
"""`request[PEER]` is who asks, on routes with `Permission.PEER`."""


DENIED = web.RequestKey("denied", str)
"""`request[DENIED]` is why a handler refused who asks; empty for another refusal."""


class Permission(StrEnum):
    """Who may use a route; there is no default."""

    ANYONE = "anyone"
    """No token: the answer says nothing about patients or settings."""
    LOCAL = "local"
    """From this machine, or with a peer's token."""
    PEER = "peer"
    """With a peer's token, from one of its addresses."""
    OPERATOR = "operator"
    """With an operator's token; a peer's does not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path template (`/fsi/{infno}`)."""

    method: str
    path: str
    handler: Handler
    permission: Permission
    summary: str = ""
    """One line for the documentation."""

    def __post_init__(self) -> None:
        """Refuse a route that a stranger could guess wrong.

        Raises:
            ConfigurationError: no permission, or a method in lower case.
        """
        if not isinstance(self.permission, Permission):
            raise ConfigurationError(f"route {self.path}: no permission")
        if not self.method.isupper():
            raise ConfigurationError(f"route {self.path}: method {self.method!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """The routes of a protocol below a prefix (`/fsi`, `/fhir/r4`; empty for the port's own)."""

    prefix: str
    protocol: str
    routes: Sequence[Route] = field(default=())
    refuse: Refuse
    scoped: bool = False
    """Its handlers look at the scopes of a client; otherwise a client with scopes is refused."""

    def owns(self, path: str) -> bool:
        """True when the path lies below the prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


class Refusal(Exception):  # noqa: N818 - what a client is told, not a fault of ours
    """A request that is answered with a problem."""

    def __init__(
        self,
        status: int,
        problem: Problem,
        headers: dict[str, str] | None = None,
        *,
        reason: str = "",
    ) -> None:
        """`reason` is the label under which a refusal of who asks is counted."""
        super().__init__(problem.code)
        self.status, self.problem, self.headers = status, problem, headers or {}
        self.reason = reason


def refuse_plainly(
    status: int,
    problems: Sequence[Problem],
    _wish: Wish = NO_WISH,
    /,
) -> web.Response:
    """The refusal of paths that belong to no protocol: `{"problems": [...]}`."""
    return web.Response(
        status=status,
        body=msgspec.json.encode({"problems": list(problems)}),
        content_type="application/json",
        charset="utf-8",
    )


def respond(answer: Answer) -> web.Response:
    """The answer of a pipeline as a response."""
    headers = dict(answer.headers)
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    headers.setdefault("Cache-Control", "no-store")
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def problem(  # the texts that every protocol of the port shares
    code: ProblemCode, kind: ProblemKind, text: tuple[str, str], remedy: tuple[str, str]
) -> Problem:
    """A problem of the request as a whole; text and remedy are in Chinese and in English."""
    (zh, en), (remedy_zh, remedy_en) = text, remedy
    return Problem(kind=kind, code=code, zh=zh, en=en, remedy_zh=remedy_zh, remedy_en=remedy_en)


UNKNOWN_PATH = problem(
    ProblemCode.NOT_FOUND,
    ProblemKind.NOT_FOUND,
    ("没有这个地址", "There is no such path"),
    ("请核对请求地址", "check the address of the request"),
)
METHOD = problem(
    ProblemCode.NOT_SUPPORTED,
    ProblemKind.UNSUPPORTED_TYPE,
    ("此地址不支持该请求方法", "This path does not offer the method"),
    ("请使用响应头 Allow 列出的方法", "use a method that the header Allow names"),
)
NO_TOKEN = problem(
    ProblemCode.LOGIN_NEEDED,
    ProblemKind.FORBIDDEN,
    (
        "缺少有效的访问令牌或客户端证书",
        "A valid bearer token or client certificate is needed",
    ),
    (
        "请在请求头 Authorization 中携带令牌；令牌过期时请重新申请",
        "send the token in the header Authorization; ask for a new one when it has expired",
    ),
)
NO_CERTIFICATE = problem(
    ProblemCode.PEER_DENIED,
    ProblemKind.FORBIDDEN,
    ("缺少该发送方的客户端证书", "The client certificate of this sender is missing"),
    (
        "请使用登记的客户端证书建立连接",
        "connect with the certificate that the settings name for the sender",
    ),
)
OUT_OF_SCOPE = problem(
    ProblemCode.SCOPE_DENIED,
    ProblemKind.FORBIDDEN,
    ("访问令牌的权限不足", "The scopes of the client do not cover this"),
    (
        "请申请包含此操作的scope，或让网关管理员将其加入该发送方的 scopes",
        "ask for a token with a scope for it, or have it added to `scopes` of the peer",
    ),
)
WRONG_ADDRESS = problem(
    ProblemCode.PEER_DENIED,
    ProblemKind.FORBIDDEN,
    ("不允许从此地址访问", "Not allowed from this address"),
    (
        "请让网关管理员将此地址加入该发送方的 addresses",
        "have the gateway's operator add the address to `addresses` of the peer",
    ),
)
TOO_LONG = problem(
    ProblemCode.READ_LIMIT,
    ProblemKind.TOO_COSTLY,
    ("请求内容过长", "The body is too long"),
    (
        "请拆分后发送，或调大 [http] max_body_bytes",
        "send it in parts, or raise max_body_bytes of [http]",
    ),
)
TOO_SLOW = problem(
    ProblemCode.READ_LIMIT,
    ProblemKind.TOO_COSTLY,
    ("请求未在规定时间内发送完毕", "The request was not sent within the time allowed"),
    ("请检查网络后重发同一请求", "check the network and send the same request again"),
)
NO_LENGTH = problem(
    ProblemCode.READ_LIMIT,
    ProblemKind.TOO_COSTLY,
    ("请求没有说明内容长度", "The length of the body is not stated"),
    ("请携带请求头 Content-Length", "send the header Content-Length"),
)
NO_METHOD = problem(
    ProblemCode.NOT_SUPPORTED,
    ProblemKind.UNSUPPORTED_TYPE,
    ("没有这种HTTP请求方法", "There is no such method of HTTP"),
    (
        "请使用 GET、HEAD、POST、PUT 或 DELETE",
        "use GET, HEAD, POST, PUT or DELETE",
    ),
)
LONG_TARGET = problem(
    ProblemCode.READ_LIMIT,
    ProblemKind.TOO_COSTLY,
    ("请求地址过长", "The address of the request is too long"),
    (
        "查询参数请用 POST 放在请求内容中（FHIR：TYPE/_search）",
        "send the parameters in the body of a POST (FHIR: TYPE/_search)",
    ),
)
LONG_HEAD = problem(
    ProblemCode.READ_LIMIT,
    ProblemKind.TOO_COSTLY,
    ("请求头过长", "A header of the request is too long"),
    ("请缩短请求头", "send shorter headers"),
)
BROKEN = problem(
    ProblemCode.READ_SYNTAX,
    ProblemKind.STRUCTURE,
    ("请求无法读取", "The request cannot be read"),
    ("请按 HTTP/1.1 发送完整的请求", "send a complete HTTP/1.1 request"),
)
ENCODED = problem(
    ProblemCode.NOT_SUPPORTED,
    ProblemKind.UNSUPPORTED_TYPE,
    ("不支持压缩的请求内容", "A compressed body is not supported"),
    ("请去掉 Content-Encoding 后重发", "send it without Content-Encoding"),
)
STOPPING = problem(
    ProblemCode.LIMIT_BUSY,
    ProblemKind.NOT_SENT,
    ("网关正在停止", "The gateway is stopping"),
    ("请稍后重发同一请求", "send the same request again later"),
)
INTERNAL = problem(
    ProblemCode.INTERNAL,
    ProblemKind.INTERNAL,
    (
        "网关内部错误，结果未知，请勿重复提交",
        "Internal error; the outcome is not known: do not repeat",
    ),
    ("请联系管理员", "ask the operator"),
)

_SAFE_ROUTE = re.compile(r"/[A-Za-z0-9_/{}$.-]{0,99}")


def template(request: web.Request) -> str:
    """The route template of a request for logs and metrics; never the path itself."""
    resource = request.match_info.route.resource
    canonical = resource.canonical if resource is not None else ""
    return canonical if _SAFE_ROUTE.fullmatch(canonical) else "unmatched"
