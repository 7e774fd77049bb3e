"""Inputs of steps: filled from the records of a message and its visit, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import msgspec

from gateway.errors import Problem
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import Profile
from gateway.fsi.rules.lines import PURCHASES
from gateway.intents import Intent, Record
from gateway.settings import InstitutionSettings
from gateway.settlement.absorbing import INSURANCE_FIELDS, PERSON_FIELDS
from gateway.settlement.coding import Coder
from gateway.settlement.extension import extend, is_from_another_province
from gateway.settlement.filling import Filled, Filler, merged
from gateway.settlement.places import check_beside, header_of, header_place, place_of
from gateway.settlement.totals import TOTALS, Step, settlement_options, stated_options
from gateway.settlement.visits import Visit


class Site(msgspec.Struct):
    """What one institution's messages are prepared with."""

    institution: InstitutionSettings
    profile: Profile
    definitions: Definitions
    filler: Filler
    checker: Checker
    coder: Coder


class Inputs:
    """Fills and checks the inputs of one institution's messages."""

    def __init__(self, site: Site, defaults: Record) -> None:
        self.site = site
        self._defaults = defaults

    def fill(
        self, step: Step, intent: Intent, visit: Visit | None, common: Record | None = None
    ) -> Filled:
        """The input of one step from the records as they stand now.

        `common` is the one record of `common`, where several steps are filled from the same.
        """
        if self.site.checker.has_any(step.infno, TOTALS):
            options = settlement_options(step, intent, visit)
        else:
            options = stated_options(step, intent)
        common = common or self.common(intent, visit)
        diagnoses = intent.diagnoses or (visit.diagnoses if visit else [])
        rows: dict[str, Sequence[Record]] = {"feedetail": step.lines, "diseinfo": diagnoses}
        if step.infno in PURCHASES:
            rows["drugdetail"] = step.lines
        if step.infno == "2302":
            rows["data"] = step.lines
        filled = self.site.filler.fill(step.infno, rows=rows, records=[options, common])
        region = self.site.institution.mdtrtarea_admvs
        if is_from_another_province(intent.person.get("insuplc_admdvs"), region):
            extend(step.infno, filled.input, [options, *self._records(intent, visit)])
        return filled

    def common(self, intent: Intent, visit: Visit | None) -> Record:
        """What the steps of a message are filled from besides rows and options, as one record."""
        return merged(self._records(intent, visit))

    def _records(self, intent: Intent, visit: Visit | None) -> list[Record]:
        """Where a value is looked for, in order."""
        of_visit = [visit.visit, visit.person] if visit is not None else []
        return [
            intent.filing,
            intent.query,
            intent.visit,
            intent.person,
            *of_visit,
            intent.facility,
            self._defaults,
        ]

    def check(
        self,
        step: Step,
        filled: Filled,
        intent: Intent,
        deferred: Iterable[str] = (),
        *,
        members_right: bool = False,
    ) -> list[Problem]:
        """The findings on one input and its header, at their places in the sender's message.

        With `members_right` the header of the message was looked at by itself before.
        """
        checker, header = self.site.checker, header_of(step.infno, intent)
        found = checker.check(step.infno, filled.input, deferred=frozenset(deferred))
        beside = check_beside(checker, header, filled.input, members_right=members_right)
        return [
            *(p.at(place_of(p.place, filled.sources) or intent.place) for p in found),
            *(p.at(header_place(p.place, filled.sources, intent)) for p in beside),
        ]


@cache
def given_by(definitions: Definitions, infno: str) -> frozenset[str]:
    """The fields that later calls of a plan have from the reply of this transaction."""
    if infno == "1101":  # of which much is told and little is taken over
        return frozenset((*PERSON_FIELDS, *INSURANCE_FIELDS))
    nodes = definitions.transaction(infno).output
    return frozenset(field.code for node in nodes for field in node.fields)
