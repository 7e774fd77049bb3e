"""Patient/$match: who of the known persons is this, and who does the platform say it is.

Looked through are the Patients that the client keeps here; where the Patient shows a certificate,
the platform is asked besides (1101), as for an eligibility request. Nothing is kept of the answer
but the exchange itself, and no line of the log has anything of a person.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from gateway.errors import MessageError, Problem, ProblemCode, ProblemKind, Severity
from gateway.fhir import problems
from gateway.fhir.decode import decode, decode_own, encode
from gateway.fhir.matching import (
    CERTAIN,
    entry,
    grade,
    likeness_tokens,
    persons,
)
from gateway.fhir.outcome import operation_outcome
from gateway.fhir.references import as_list
from gateway.fhir.release import R5
from gateway.fhir.stored import tokens_of
from gateway.fhir.validation import check_by_model
from gateway.inbound.fhir_carried import carried, placed, reply_placed
from gateway.inbound.fhir_interactions import Ask, Interactions
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.scopes import Need

MAX_MATCHES = 50
"""Patients of an answer at most, the surest first."""
MATCH = {"interaction": "match", "type": "Patient"}
ASKING = Need("CoverageEligibilityRequest", "c")
"""What a client needs for the platform to be asked."""


class _Wanted(NamedTuple):
    """The parameters of a question."""

    patient: dict[str, Any]
    place: str
    """Where it stands in Parameters."""
    certain: bool
    single: bool
    most: int


class Matching:
    """Matches Patients of one release."""

    def __init__(self, interactions: Interactions, speech: Speech) -> None:
        self._do = interactions
        self._speech = speech
        self._names = speech.names

    async def match(self, ask: Ask, raw: bytes) -> Reply:
        """A searchset of those it may be, each with its grade, the surest first.

        Raises:
            MessageError: 400, the body cannot be read, or is no Patient.
        """
        wanted = self._wanted(raw)
        store = self._do.store(ask)
        found: dict[str, dict[str, Any]] = {}
        tokens = [t for t in tokens_of(as_list(wanted.patient.get("identifier"))) if "|" in t]
        named = [token for token in tokens if not token.endswith("|")]
        for search in ({"identifier": named}, likeness_tokens(wanted.patient)):
            if any(search.values()):
                _, kept = await store.search("Patient", search, MAX_MATCHES)
                found |= {f"{ask.base}/Patient/{one.id}": decode_own(one.body) for one in kept}
        rows = [
            entry(url, patient, how)
            for url, patient in found.items()
            if (how := grade(self._names, wanted.patient, patient, known=False))
        ]
        outcomes = []
        if await self._shows_certificate(ask, wanted):
            answered = reply_placed(await self._identify(ask, wanted.patient), wanted.place)
            if answered.status != 200 and not (answered.status == 503 and rows):
                return answered
            told = answered.tree()
            outcomes = [told] if told["resourceType"] == "OperationOutcome" else []
            for one in as_list(told.get("entry")):
                person = one["resource"]
                if person["resourceType"] == "OperationOutcome":
                    outcomes.append(person)
                elif how := grade(self._names, wanted.patient, person, known=True):
                    rows.append(entry(one["fullUrl"], person, how))
        return self._answer(ask, wanted, rows, outcomes)

    def _answer(
        self,
        ask: Ask,
        wanted: _Wanted,
        rows: list[dict[str, Any]],
        outcomes: list[dict[str, Any]],
    ) -> Reply:
        """The searchset: with one of the flags, nobody where it could be several."""
        if wanted.certain:
            rows = [row for row in rows if _grade_of(row) == CERTAIN]
        of = [row["resource"] for row in rows]
        if (wanted.certain or wanted.single) and persons(self._names, of) > 1:
            rows = []
            outcomes = [*outcomes, operation_outcome(self._names, [_several()])]
        rows.sort(key=lambda row: row["search"]["score"], reverse=True)
        entries = rows[: wanted.most]
        issues = [issue for one in outcomes for issue in one["issue"]]
        outcome = {"resourceType": "OperationOutcome", "issue": issues}
        if issues and self._do.release is not R5:
            entries = [*entries, {"resource": outcome, "search": {"mode": "outcome"}}]
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(rows),
            "link": [{"relation": "self", "url": f"{ask.base}/Patient/$match"}],
        }
        if entries:
            bundle["entry"] = entries
        if issues and self._do.release is R5:
            bundle["issues"] = outcome
        return reply(200, bundle)

    async def _shows_certificate(self, ask: Ask, wanted: _Wanted) -> bool:
        """True where the platform can be asked, and may be for this client."""
        if not ask.scopes.allow(ASKING):
            return False
        meta = self._do.meta(ask, MATCH)
        try:
            message = await self._do.adapter.read(encode(wanted.patient), ask.peer, meta)
        except MessageError as error:
            raise type(error)(placed(error.problems, wanted.place)) from error
        intent, _ = await self._do.adapter.understand(message, ask.peer)
        return intent.person.has("mdtrt_cert_no")

    async def _identify(self, ask: Ask, patient: dict[str, Any]) -> Reply:
        """What the platform says (1101): a searchset of one or none, or why it was not asked."""
        plain = msgspec.structs.replace(ask, preferences={})
        return await self._do.carry(plain, encode(patient), MATCH)

    def _wanted(self, raw: bytes) -> _Wanted:
        tree = decode(raw, max_depth=self._do.adapter.max_depth)
        shapes = self._speech.forms.shapes
        found = shapes.check(tree, str(tree.get("resourceType", "")))
        patient, place = carried(tree)
        if not found and patient.get("resourceType") != "Patient":
            found = [problems.structure("", "此处应为Patient资源", "A Patient is expected here")]
        found = found or placed(check_by_model(patient, self._do.release), place)
        if found:
            raise MessageError(found)
        stated = {str(row.get("name")): row for row in as_list(tree.get("parameter"))}
        count = stated.get("count", {}).get("valueInteger", MAX_MATCHES)
        return _Wanted(
            patient=patient,
            place=place,
            certain=stated.get("onlyCertainMatches", {}).get("valueBoolean") is True,
            single=stated.get("onlySingleMatch", {}).get("valueBoolean") is True,
            most=min(max(int(count), 0), MAX_MATCHES),
        )


def _grade_of(row: dict[str, Any]) -> str:
    return str(row["search"]["extension"][0]["valueCode"])


def _several() -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        severity=Severity.WARNING,
        zh="可能是多个人，按要求不返回",
        en="it could be several persons: none is returned, as was asked",
    )
