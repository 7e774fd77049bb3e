"""Answers of the operators' routes: JSON, and refusals in Chinese and English."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import GatewayError, StepError


def answer(status: int, content: Any) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )


def refused(error: GatewayError, status: int = 409) -> web.Response:
    """The answer to a step that cannot be taken: why, in English and where it has it in Chinese."""
    content = {"error": str(error)}
    if isinstance(error, StepError):
        content["error_zh"] = error.zh
    return answer(status, content)


def no_institution(fixmedins_code: str) -> web.Response:
    """The answer to an order for an institution that this gateway does not have."""
    return refused(
        StepError(
            f"配置中没有机构{fixmedins_code}：请核对机构编号",
            f"no institution {fixmedins_code} in the settings: check the code of the institution",
        )
    )
