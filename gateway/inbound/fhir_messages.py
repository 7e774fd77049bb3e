"""`$process-message`: a Bundle of type message is carried out and answered with one.

The event says what is asked; its first focus is the resource that asks. What comes of it is what
the same resource alone would come to (https://hl7.org/fhir/R4/messaging.html, mapping matrix 2.1).
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import InvalidError, MessageError, Problem
from gateway.fhir import problems
from gateway.fhir.building import instant
from gateway.fhir.decode import decode, encode
from gateway.fhir.message_events import EVENTS, USES
from gateway.fhir.names import Names
from gateway.fhir.references import as_list, local_name
from gateway.fhir.release import R5
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_bundles import MAX_ENTRIES
from gateway.inbound.fhir_interactions import Ask, Interactions
from gateway.inbound.fhir_speech import Reply, Speech, reply


class Messages:
    """Carries out the messages of one release."""

    def __init__(self, interactions: Interactions, speech: Speech) -> None:
        self._do = interactions
        self._speech = speech
        self._names: Names = speech.names

    async def take(self, ask: Ask, raw: bytes) -> Reply:
        """The message that answers a message.

        Raises:
            MessageError: it is no message that is served.
        """
        tree = decode(raw, max_depth=self._do.adapter.max_depth + 2)
        header, event, resources = self._read(tree)
        type_name = EVENTS[event][0]
        focus = resources[0]
        require(ask.scopes, "POST", [type_name])
        plain = msgspec.structs.replace(ask, preferences={}, if_match=None, if_none_exist=None)
        if type_name == "Task":
            done = await self._do.create(plain, type_name, encode(focus))
        else:
            whole = {"resourceType": "Bundle", "type": "collection", "entry": tree["entry"]}
            whole["entry"] = [row for row in tree["entry"] if row.get("resource") is focus] + [
                row for row in tree["entry"][1:] if row.get("resource") is not focus
            ]
            done = await self._do.submit(plain, type_name, encode(whole))
        return self._answer(ask, header, event, done)

    def _read(self, tree: dict[str, Any]) -> tuple[dict[str, Any], str, list[dict[str, Any]]]:
        """Header, event, and the resources with the focus first."""
        rows = [row for row in as_list(tree.get("entry")) if isinstance(row, dict)]
        bare = [{n: v for n, v in row.items() if n != "resource"} for row in rows]
        shell = {**tree, "entry": [row or {"fullUrl": "urn:none"} for row in bare]}
        found = self._speech.forms.shapes.check(shell if rows else tree, "Bundle")
        header = rows[0].get("resource") if rows else None
        if not found and (tree.get("resourceType"), tree.get("type")) != ("Bundle", "message"):
            found = [_wrong("Bundle.type", "此处应为message", "a Bundle of type message is needed")]
        elif not found and len(rows) > MAX_ENTRIES:
            text = f"超过{MAX_ENTRIES}个条目", f"more than {MAX_ENTRIES} entries"
            raise InvalidError([problems.too_much(*text, "Bundle.entry")])
        elif not found and (
            not isinstance(header, dict) or header.get("resourceType") != "MessageHeader"
        ):
            place = "Bundle.entry[0].resource"
            found = [_wrong(place, "此处应为MessageHeader", "a MessageHeader is needed here")]
        elif not found and isinstance(header, dict):
            found = self._speech.forms.shapes.check(header, "MessageHeader")
        if found or not isinstance(header, dict):
            raise MessageError(found)
        event = str(header.get("eventCoding", {}).get("code", ""))
        place = "Bundle.entry[0].resource"
        if event not in EVENTS:
            served = ", ".join(EVENTS)
            raise MessageError(
                [problems.not_supported(f"{place}.eventCoding", f"支持：{served}", served)]
            )
        links = [str(one.get("reference", "")) for one in as_list(header.get("focus"))]
        resources = [row["resource"] for row in rows if isinstance(row.get("resource"), dict)]
        wanted = [
            row["resource"]
            for row in rows[1:]
            if isinstance(row.get("resource"), dict)
            and row["resource"].get("resourceType") == EVENTS[event][0]
            and (not links or _is_named(row, links))
        ]
        if not wanted or wanted[0].get("use", USES.get(event)) != USES.get(event):
            raise MessageError(
                [
                    _wrong(
                        f"{place}.focus", "没有事件所指的资源", "the focus of the event is missing"
                    )
                ]
            )
        return header, event, [wanted[0], *(one for one in resources if one is not wanted[0])]

    def _answer(self, ask: Ask, header: dict[str, Any], event: str, done: Reply) -> Reply:
        """The response message: what came of the focus, and whether it may be tried again."""
        body = done.tree()
        number = str(header.get("id", "")) or "unknown"
        failed = body["resourceType"] == "OperationOutcome" and done.status != 202
        code = "ok"
        if failed:
            code = "transient-error" if done.status == 503 else "fatal-error"
        is_r5 = self._do.release is R5
        url = f"{ask.base}/{body['resourceType']}/{body.get('id', 'outcome')}"
        events = self._names.code_system("message-event")
        answer: dict[str, Any] = {
            "resourceType": "MessageHeader",
            "eventCoding": {"system": events, "code": EVENTS[event][1]},
            "source": {"name": "fsi-gateway", "endpoint": ask.base, "endpointUrl": ask.base},
            "response": {"identifier": {"value": number} if is_r5 else number, "code": code},
        }
        if failed:
            answer["response"]["details"] = {"reference": url}
        else:
            answer["focus"] = [{"reference": url}]
        bundle = {
            "resourceType": "Bundle",
            "type": "message",
            "timestamp": instant(self._do.adapter.now()),
            "entry": [
                {"fullUrl": f"{ask.base}/MessageHeader/{number}", "resource": answer},
                {"fullUrl": url, "resource": body},
            ],
        }
        return reply(200, bundle)


def _is_named(row: dict[str, Any], links: list[str]) -> bool:
    """True for an entry that one of the references leads to."""
    resource = row["resource"]
    name = f"{resource.get('resourceType')}/{resource.get('id', '')}"
    return row.get("fullUrl") in links or name in {local_name(link) for link in links}


def _wrong(place: str, zh: str, en: str) -> Problem:
    return problems.structure(place, zh, en)
