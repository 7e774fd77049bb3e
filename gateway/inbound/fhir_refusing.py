"""The releases of FHIR that are not served."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.forms import Forms
from gateway.fhir.release import R4, RELEASES
from gateway.inbound.fhir_speech import Speech
from gateway.inbound.http_routes import NO_WISH, Mount, Wish


def refusing_mount(adapter: FHIRAdapter, segment: str) -> Mount:
    """The mount of a release that is not served: every request is told which ones are."""
    speech = Speech(adapter.names, Forms(R4), adapter.max_depth)
    served = ", ".join(f"/fhir/{release.segment} ({release.version})" for release in RELEASES)
    found = Problem(
        kind=ProblemKind.UNSUPPORTED_VERSION,
        code=ProblemCode.VERSION_UNSUPPORTED,
        zh=f"不支持这个FHIR版本，支持的版本：{served}",
        en=f"this FHIR release is not served; served are {served}",
    )

    def refuse(
        status: int,
        problems: Sequence[Problem],
        wish: Wish = NO_WISH,
        /,
    ) -> web.Response:
        return speech.refuse(status, [found] if status in {404, 405} else problems, wish)

    return Mount(prefix=f"/fhir/{segment}", protocol="fhir", refuse=refuse)
