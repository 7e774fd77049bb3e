"""What would be sent, field by field: the answer of `gateway explain`.

It shows raw values, so it belongs on the screen of the person who holds the file and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.clock import Clock
from gateway.errors import Problem
from gateway.fsi.definitions import Definitions
from gateway.intents import Intent, Source, Verb
from gateway.settings import PeerSettings
from gateway.settlement.carried import check_carried
from gateway.settlement.filling import follows
from gateway.settlement.inputs import given_by
from gateway.settlement.plans import MASTER_FILES, WITHOUT_VISIT
from gateway.settlement.sites import Sites, new_visit
from gateway.settlement.twofold import TWOFOLD, parts_of

WITHOUT_TRANSACTION = frozenset({Verb.MERGE, Verb.COLLECT, Verb.NOTE, Verb.TAKE_REMITTANCE})
"""Verbs that change or keep something here only."""


class ExplainedField(msgspec.Struct, kw_only=True):
    """One national field and where its value comes from.

    `path` is the place in the input, `place` the one in the message, `raw` what stands there,
    `value` what is sent, `rule` the line of the message map. `later` marks a value that an earlier
    call of the plan will give.
    """

    path: str
    code: str
    label: str
    value: str = ""
    place: str = ""
    raw: str = ""
    rule: str = ""
    later: bool = False


class ExplainedCall(msgspec.Struct, kw_only=True):
    """One transaction of the plan."""

    infno: str
    name: str
    fields: list[ExplainedField] = []


class Explanation(msgspec.Struct, kw_only=True):
    """The plan for a message and everything wrong with it."""

    kind: str = ""
    verb: str = ""
    calls: list[ExplainedCall] = []
    problems: list[Problem] = []

    @property
    def sendable(self) -> bool:
        """True when every call could be sent."""
        return not any(problem.stops for problem in self.problems)


def explain_call(
    definitions: Definitions,
    infno: str,
    filled: Mapping[str, Any],
    sources: Mapping[str, Source],
    deferred: frozenset[str] = frozenset(),
) -> ExplainedCall:
    """Lay one input out field by field, in the order of the definition."""
    transaction = definitions.transaction(infno)
    call = ExplainedCall(infno=infno, name=transaction.name)
    for node in transaction.input:
        for path, row in _rows(node.name, filled.get(node.name)):
            for field in node.fields:
                where = f"{path}.{field.code}"
                later = field.required and field.code not in row and field.code in deferred
                if field.code not in row and not later:
                    continue
                source = sources.get(where, Source(""))
                call.fields.append(
                    ExplainedField(
                        path=where,
                        code=field.code,
                        label=field.name,
                        value=_text(row.get(field.code)),
                        place=source.place,
                        raw=source.raw,
                        rule=source.rule,
                        later=later,
                    )
                )
    return call


def _rows(name: str, node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, dict):
        yield name, node
    elif isinstance(node, list):
        for index, row in enumerate(node):
            if isinstance(row, dict):
                yield f"{name}[{index}]", row


def _text(value: Any) -> str:
    return "" if value is None else str(value)


class Explainer:
    """Plans a message without sending or storing anything."""

    def __init__(self, sites: Sites, clock: Clock) -> None:
        self._sites = sites
        self._clock = clock

    def explain(self, intent: Intent, peer: PeerSettings) -> Explanation:
        """The plan for an intent, field by field, as if its visit stood where it has to."""
        explanation = Explanation(verb=intent.verb.value)
        if intent.verb is Verb.IGNORE:
            return explanation
        if intent.verb is Verb.CARRY:
            return self._explain_carried(intent, peer, explanation)
        if intent.verb in MASTER_FILES:
            return self._explain_entries(intent, peer, explanation)
        if intent.verb in WITHOUT_TRANSACTION:
            if intent.verb is Verb.COLLECT:
                coder = self._sites.preparer(intent, peer).site.coder
                explanation.problems += coder.code_listed(intent, self._clock.now().date())
            return explanation
        if intent.verb in TWOFOLD:
            for part in parts_of(intent):
                explanation = _joined(explanation, self.explain(part, peer))
            return explanation
        preparer = self._sites.preparer(intent, peer)
        visit = None
        if intent.verb not in WITHOUT_VISIT:
            visit = new_visit(intent, preparer.site.institution.fixmedins_code)
        prepared = preparer.prepare(intent, visit, self._clock.now(), assume_open=True)
        explanation.problems = prepared.problems
        deferred = prepared.deferred
        for step in prepared.steps:
            filled = preparer.fill(step, intent, visit)
            explanation.calls.append(
                explain_call(
                    preparer.site.definitions,
                    step.infno,
                    filled.input,
                    filled.sources,
                    deferred | follows(step.infno, deferred),
                )
            )
            deferred |= given_by(preparer.site.definitions, step.infno)
        return explanation

    def _explain_entries(
        self, intent: Intent, peer: PeerSettings, explanation: Explanation
    ) -> Explanation:
        for entry in intent.entries:
            verb = MASTER_FILES[intent.verb].get(entry.get("action"))
            if verb is not None:
                part = Intent(verb=verb, facility=intent.facility, query=entry, place=intent.place)
                explanation = _joined(explanation, self.explain(part, peer))
        return explanation

    def _explain_carried(
        self, intent: Intent, peer: PeerSettings, explanation: Explanation
    ) -> Explanation:
        site = self._sites.of(intent.facility, peer)
        explanation.problems = check_carried(intent, site, self._clock.now().date())
        explanation.calls.append(
            explain_call(site.definitions, intent.carried_infno, intent.carried, {})
        )
        return explanation


def _joined(one: Explanation, other: Explanation) -> Explanation:
    return msgspec.structs.replace(
        one, calls=[*one.calls, *other.calls], problems=[*one.problems, *other.problems]
    )
