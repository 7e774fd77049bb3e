"""Routes of SMART backend services: the token endpoint, and where it is found.

`POST /oauth/token` takes a client_credentials grant with a signed assertion (RFC 7523, section
2.2); its refusals are those of RFC 6749, section 5.2. Every FHIR base says where the endpoint is at
`.well-known/smart-configuration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from gateway.clock import Clock
from gateway.errors import ConfigurationError, Problem
from gateway.inbound.http_routes import NO_WISH, Handler, Mount, Permission, Route, Wish
from gateway.inbound.smart import ALGORITHMS, BackendServices, Store, TokenError, read_keys
from gateway.settings import HTTPSettings, Settings
from gateway.telemetry import Logger, Metrics

PREFIX = "/oauth"
TOKEN = "/token"  # noqa: S105 - a path
FORM = "application/x-www-form-urlencoded"
GRANT = "client_credentials"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
WELL_KNOWN = "/.well-known/smart-configuration"
ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what is compared, not listened on


def token_url(settings: HTTPSettings) -> str:
    """The URL of the token endpoint, which an assertion has to name as its audience.

    Raises:
        ConfigurationError: clients reach the port by an address that is not known.
    """
    if settings.public_url:
        return f"{settings.public_url.rstrip('/')}{PREFIX}{TOKEN}"
    if settings.host in ANY_ADDRESS or not settings.port:
        raise ConfigurationError("[http] public_url is needed where a peer has a jwks_file")
    scheme = "https" if settings.tls_certificate_file is not None else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}{PREFIX}{TOKEN}"


def backend_services(settings: Settings, store: Store, clock: Clock) -> BackendServices | None:
    """What gives tokens out; None where no peer asks for any.

    Raises:
        ConfigurationError: a key set cannot be read, or the URL of the port is not known.
    """
    if all(peer.jwks_file is None for peer in settings.peers):
        return None
    return BackendServices(
        settings.peers,
        store,
        clock,
        audience=token_url(settings.http),
        seconds=settings.http.token_seconds,
    )


def check_clients(settings: Settings) -> None:
    """Read the key sets of the settings, and see that the URL of the port is known.

    Raises:
        ConfigurationError: see `backend_services`.
    """
    files = [peer.jwks_file for peer in settings.peers if peer.jwks_file is not None]
    for path in files:
        read_keys(path)
    if files:
        token_url(settings.http)


def smart_mount(services: BackendServices, metrics: Metrics, log: Logger) -> Mount:
    """The mount of the token endpoint."""

    async def token(request: web.Request) -> web.StreamResponse:
        try:
            form = _form(request, await request.read())
            given = await services.issue(form["client_assertion"], form["scope"])
        except TokenError as error:
            metrics.denied.labels("assertion").inc()
            log.warning("token refused", reason=error.error)
            return _json(400, {"error": error.error, "error_description": error.description})
        except ConfigurationError as error:
            log.exception("key set cannot be read", exc_info=error)
            return _json(
                400, {"error": "invalid_client", "error_description": "its keys cannot be read"}
            )
        log.info("token given out", peer=given.peer, seconds=given.seconds)
        return _json(
            200,
            {
                "access_token": given.value,
                "token_type": "bearer",
                "expires_in": given.seconds,
                "scope": str(given.scopes),
            },
        )

    return Mount(
        prefix=PREFIX,
        protocol="oauth",
        routes=(
            Route(
                method="POST",
                path=TOKEN,
                handler=token,
                permission=Permission.ANYONE,
                summary="A token for a signed assertion (SMART backend services).",
            ),
        ),
        refuse=_refuse,
    )


def smart_mounts(services: BackendServices | None, metrics: Metrics, log: Logger) -> list[Mount]:
    """The token endpoint, where somebody asks for tokens."""
    return [] if services is None else [smart_mount(services, metrics, log)]


def configuration(url: str) -> Handler:
    """The handler of `.well-known/smart-configuration`; `url` is that of the token endpoint."""
    document = {
        "token_endpoint": url,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": [GRANT],
        "scopes_supported": ["system/*.cruds", "system/*.rs", "system/Claim.cruds"],
        # Required of every server, and of no meaning without an authorisation endpoint.
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }

    async def handler(_request: web.Request) -> web.StreamResponse:
        return _json(200, document)

    return handler


def _form(request: web.Request, raw: bytes) -> dict[str, str]:
    """The parameters of a request for a token.

    Raises:
        TokenError: it is no such request.
    """
    if request.content_type != FORM:
        raise TokenError("invalid_request", f"the body has to be {FORM}")
    pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenError("invalid_request", "a parameter is there twice")
    if form.get("grant_type") != GRANT:
        raise TokenError("unsupported_grant_type", f"grant_type has to be {GRANT}")
    if form.get("client_assertion_type") != ASSERTION:
        raise TokenError("invalid_request", f"client_assertion_type has to be {ASSERTION}")
    for name in ("client_assertion", "scope"):
        if not form.get(name):
            raise TokenError("invalid_request", f"{name} is missing")
    return form


def _refuse(
    status: int,
    problems: Sequence[Problem],
    _wish: Wish = NO_WISH,
    /,
) -> web.Response:
    text = "; ".join(problem.en for problem in problems)
    return _json(status, {"error": "invalid_request", "error_description": text})


def _json(status: int, content: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(content),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
    )
