"""Claim/$inquire: what was answered to a claim, and with `current` how the platform has it now.

Without `current` no platform is asked. With it each answer is followed by the status Task that
reads its settlements back (5203; `gateway.fhir.settled`) and is not kept: to ask changes nothing,
however often it is done, and the journal has the exchange. So what was answered and what the
platform shows stand beside each other, and nobody takes one for the other. Nothing that moves money
is sent, and no ClaimResponse changes by it.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from gateway.fhir import problems
from gateway.fhir.decode import decode, decode_own, encode
from gateway.fhir.names import FINANCIAL_TASK
from gateway.fhir.references import as_list
from gateway.fhir.stored import tokens_of
from gateway.fhir.tasks import STATUS
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_carried import carried, unplaced
from gateway.inbound.fhir_interactions import Ask, Interactions, problem
from gateway.inbound.fhir_speech import Reply, reply
from gateway.inbound.http_routes import Refusal

MAX_ANSWERS = 20
"""ClaimResponses of an inquiry at most, newest first."""
CURRENT = "current"
"""The parameter, in the URL or in Parameters, that has the platform asked."""


class Inquiring:
    """Answers inquiries in one release."""

    def __init__(self, interactions: Interactions) -> None:
        self._do = interactions

    async def inquire(self, ask: Ask, raw: bytes) -> Reply:
        """What was answered to the claims with an identifier of this Claim, newest first.

        Where the platform cannot be asked the whole is answered as a status Task would be: 503.

        Raises:
            Refusal: 400, no Claim; 403, a client that may not send Tasks asks for `current`.
        """
        tree = decode(raw, max_depth=self._do.adapter.max_depth)
        current = _wants_current(ask, tree)
        if current:
            require(ask.scopes, "POST", ["Task"])
        entries: list[dict[str, Any]] = []
        for found in await self._answers(ask, carried(tree).resource):
            url = f"{ask.base}/ClaimResponse/{found['id']}"
            entries.append({"fullUrl": url, "resource": found})
            if current:
                shown = await self._shown(ask, found["id"])
                if shown.status != 200:
                    return unplaced(shown)
                entries.append(_told(shown.tree()))
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
        return reply(200, bundle | ({"entry": entries} if entries else {}))

    async def _answers(self, ask: Ask, claim: dict[str, Any]) -> list[dict[str, Any]]:
        if claim.get("resourceType") != "Claim":
            raise Refusal(400, problem("此处应为Claim资源", "A Claim is expected here"))
        store = self._do.store(ask)
        tokens = [token for token in tokens_of(as_list(claim.get("identifier"))) if "|" in token]
        tokens = [token for token in tokens if not token.endswith("|")]
        _, claims = (
            await store.search("Claim", {"identifier": tokens}, MAX_ANSWERS) if tokens else (0, [])
        )
        answers = [await store.resource("ClaimResponse", one.id) for one in claims]
        return [decode_own(one.body) for one in answers if one is not None]

    async def _shown(self, ask: Ask, claim_id: str) -> Reply:
        """What a status Task of a Claim is answered with, asked anew each time."""
        task = {
            "resourceType": "Task",
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": uuid4().urn}],
            "status": "requested",
            "intent": "order",
            "code": {"coding": [{"system": FINANCIAL_TASK, "code": STATUS}]},
            "focus": {"reference": f"Claim/{claim_id}"},
        }
        plain = msgspec.structs.replace(ask, preferences={})
        return await self._do.carry(plain, encode(task), {"interaction": "inquire", "type": "Task"})


def _told(task: dict[str, Any]) -> dict[str, Any]:
    """The entry of a Task that cannot be read again: it has no id, and no URL of ours."""
    del task["id"], task["meta"]["versionId"]
    return {"fullUrl": task["identifier"][0]["value"], "resource": task}


def _wants_current(ask: Ask, tree: dict[str, Any]) -> bool:
    stated = str(dict(ask.pairs).get(CURRENT, "false"))
    for row in as_list(tree.get("parameter")) if tree.get("resourceType") == "Parameters" else []:
        if isinstance(row, dict) and row.get("name") == CURRENT:
            value = row.get("valueBoolean")
            stated = str(value).lower() if isinstance(value, bool) else ""
    if stated not in ("true", "false"):
        found = problems.wrong_value("", f"{CURRENT}应为true或false", f"{CURRENT} is true or false")
        raise Refusal(400, found)
    return stated == "true"
