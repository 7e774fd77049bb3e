"""`$validate`: what would be refused, and nothing is sent or stored (X-056, X-057).

Source: https://hl7.org/fhir/R4/resource-operation-validate.html. Without `mode`, and with
`create`, a resource is looked at as its creation would look at it; with `update` as the update of
the stated resource would; with `delete` it is said whether the resource may be deleted; with
`profile` only its definition and the profile count. `profile` names a profile of the guide.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.errors import MessageError, Problem, ProblemCode
from gateway.fhir import problems
from gateway.fhir.decode import decode, encode
from gateway.fhir.guide import Guide
from gateway.fhir.outcome import operation_outcome
from gateway.fhir.profiled import check_profile
from gateway.fhir.reader import CREATED_TYPES, DELETED_TYPES, UPDATED_TYPES
from gateway.fhir.references import as_list
from gateway.fhir.validation import check_by_model
from gateway.inbound.fhir_carried import carried, placed
from gateway.inbound.fhir_interactions import Ask, Interactions, problem
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.http_routes import Refusal

CREATE, UPDATE, DELETE, PROFILE = "create", "update", "delete", "profile"
MODES = (CREATE, UPDATE, DELETE, PROFILE)
STANDARD = "http://hl7.org/fhir/StructureDefinition/"
"""Where the definitions of the standard's own types stand."""


class _Asked(NamedTuple):
    """A question with what it is about."""

    ask: Ask
    type_name: str
    identity: str
    mode: str
    profile: str


class Validation:
    """Validates resources of one release."""

    def __init__(self, interactions: Interactions, speech: Speech, guide: Guide | None) -> None:
        self._do = interactions
        self._speech = speech
        self._guide = guide

    async def validate(self, ask: Ask, type_name: str, raw: bytes, identity: str = "") -> Reply:
        """200 and everything that is wrong; `identity` is that of an instance.

        Raises:
            Refusal: 404, no such type; 400, a mode that there is not.
        """
        self._require(type_name)
        stated = dict(ask.pairs)
        try:
            tree = decode(raw, max_depth=self._do.adapter.max_depth) if raw else {}
            stated |= _parameters(tree)
            mode = stated.get("mode", "")
            if mode not in {"", *MODES}:
                raise Refusal(400, problem(f"mode应为{MODES}之一", f"mode is one of {MODES}"))
            asked = _Asked(ask, type_name, identity, mode, stated.get("profile", ""))
            about = carried(tree)
            found = placed(await self._findings(asked, about.resource), about.place)
        except MessageError as error:
            found = list(error.problems)
        return reply(200, operation_outcome(self._speech.names, found))

    def unreadable(self, type_name: str, error: MessageError) -> Reply:
        """200 and what keeps a body from being read.

        Raises:
            Refusal: 404, no such type.
        """
        self._require(type_name)
        return reply(200, operation_outcome(self._speech.names, error.problems))

    def _require(self, type_name: str) -> None:
        if self._speech.forms.shapes.of(type_name) is None:
            raise Refusal(404, problem("没有这种资源类型", "There is no such resource type"))

    async def _findings(self, asked: _Asked, tree: dict[str, Any]) -> list[Problem]:
        try:
            return await self._found(asked, tree)
        except MessageError as error:
            return list(error.problems)

    async def _found(self, asked: _Asked, tree: dict[str, Any]) -> list[Problem]:
        if asked.mode == DELETE:
            return await self._deletion(asked)
        type_name = asked.type_name
        if tree.get("resourceType") != type_name:
            return [problem("资源类型与地址不符", "The resource is not of the type of the URL")]
        found = self._speech.forms.shapes.check(tree, type_name)
        found = found or check_by_model(tree, self._do.release)
        if not found and asked.profile:
            found = self._profiled(tree, asked.profile)
        if found or asked.mode == PROFILE:
            return found
        if asked.mode == UPDATE:
            if type_name not in UPDATED_TYPES or not asked.identity:
                return [_not_done(type_name, "更新", "updated")]
            meta = {"interaction": "update", "type": type_name, "id": asked.identity}
            return await self._do.check(asked.ask, type_name, encode(tree), meta)
        if type_name in CREATED_TYPES:
            return await self._do.check(asked.ask, type_name, encode(tree))
        return [_not_done(type_name, "创建", "created")] if asked.mode == CREATE else []

    async def _deletion(self, asked: _Asked) -> list[Problem]:
        if asked.type_name not in DELETED_TYPES or not asked.identity:
            return [_not_done(asked.type_name, "删除", "deleted")]
        store = self._do.store(asked.ask)
        if await store.kept(asked.type_name, asked.identity) is None:
            return [problem("没有这个资源", "There is no such resource")]
        return []

    def _profiled(self, tree: dict[str, Any], url: str) -> list[Problem]:
        if url.partition("|")[0] == STANDARD + str(tree["resourceType"]):
            return []
        found = self._guide.by_url(url) if self._guide is not None else None
        if found is None or found.get("kind") != "resource":
            return [
                problems.not_found(
                    "",
                    ProblemCode.NOT_FOUND,
                    "没有这个profile，见StructureDefinition",
                    "there is no such profile: see StructureDefinition",
                )
            ]
        return check_profile(tree, found)


def _parameters(tree: dict[str, Any]) -> dict[str, str]:
    """The `mode` and `profile` of Parameters."""
    rows = as_list(tree.get("parameter")) if tree.get("resourceType") == "Parameters" else []
    found = {}
    for row in rows:
        if isinstance(row, dict) and row.get("name") in {"mode", "profile"}:
            value = next((row[key] for key in row if key.startswith("value")), "")
            found[str(row["name"])] = str(value)
    return found


def _not_done(type_name: str, zh: str, en: str) -> Problem:
    return problems.not_supported(
        "", f"{type_name}不能由客户端{zh}", f"no {type_name} is {en} here by a client"
    )
