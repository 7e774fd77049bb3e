"""What each institution's messages are prepared with, and which institution a message is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.settings import PeerSettings
from gateway.settlement.charges import AHEAD
from gateway.settlement.inputs import Site
from gateway.settlement.preparing import Preparer, Stations, unwatched
from gateway.settlement.reporting import token_gone
from gateway.settlement.visits import Visit, VisitState

SETTING_OF = {
    Verb.REGISTER: VisitClass.OUTPATIENT,
    Verb.ENTITLE: VisitClass.OUTPATIENT,
    Verb.FIND_VISITS: VisitClass.OUTPATIENT,
    Verb.ADMIT: VisitClass.INPATIENT,
}
"""The class of visit that a verb means, where the message does not say it."""

PHARMACY_CODE = "P"
"""First character of the code of a retail pharmacy; that of a hospital is `H`."""


class Sites:
    """The institutions of the gateway.

    `tolerance` is the difference allowed between quantity times price and amount, in yuan;
    `ahead` is how far the time of a charge line may lie in the future.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        *,
        tolerance: Decimal,
        max_charge_lines: int,
        ahead: timedelta = AHEAD,
        stations: Stations = unwatched,
    ) -> None:
        self._stations = stations
        self._sites = sites
        self._tolerance = tolerance
        self._ahead = ahead
        self._max_charge_lines = max_charge_lines

    def get(self, fixmedins_code: str) -> Site | None:
        """The site of an institution."""
        return self._sites.get(fixmedins_code)

    def of(self, facility: Record, peer: PeerSettings) -> Site:
        """The institution a message speaks for: named by it, or the peer's only one.

        Raises:
            InvalidError: not one of the peer's institutions.
        """
        stated = facility.get("fixmedins_code")
        code = stated or (peer.institutions[0] if len(peer.institutions) == 1 else "")
        if code in peer.institutions and code in self._sites:
            return self._sites[code]
        raise InvalidError([_no_institution(facility, stated)])

    def preparer(self, intent: Intent, peer: PeerSettings) -> Preparer:
        """The preparer for a message; completes what the settings say about it.

        Raises:
            InvalidError: not one of the peer's institutions, too many charge lines, or a token
                that was masked when the message was stored.
        """
        site = self.of(intent.facility, peer)
        if intent.person.get("mdtrt_cert_type") == "01" and _is_masked(intent.person):
            raise InvalidError([token_gone(intent)])
        if intent.verb is Verb.CHARGE and intent.presettle_after:
            intent.verb = Verb.PRESETTLE
        if intent.verb is Verb.REGISTER and intent.visit_class is VisitClass.INPATIENT:
            intent.verb = Verb.ADMIT
        intent.visit_class = intent.visit_class or SETTING_OF.get(intent.verb)
        _by_kind_of_facility(intent, site.institution.fixmedins_code)
        intent.check_entitlement = intent.check_entitlement or peer.check_entitlement
        operator = intent.facility.values
        operator.setdefault("opter", site.institution.opter)
        operator.setdefault("opter_name", site.institution.opter_name)
        operator.setdefault("opter_type", site.institution.opter_type)
        if len(intent.charges) > self._max_charge_lines:
            raise InvalidError([_too_many_lines(len(intent.charges), self._max_charge_lines)])
        return Preparer(
            site,
            tolerance=self._tolerance,
            defaults=Record(dict(peer.defaults)),
            ahead=self._ahead,
            stations=self._stations,
        )


def _by_kind_of_facility(intent: Intent, fixmedins_code: str) -> None:
    """A pharmacy sells and a hospital treats, whatever the message calls it (matrix 2.1)."""
    if fixmedins_code.startswith(PHARMACY_CODE):
        intent.visit_class = VisitClass.PHARMACY
    elif intent.visit_class is VisitClass.PHARMACY:
        intent.visit_class = VisitClass.OUTPATIENT


def _is_masked(person: Record) -> bool:
    return bool(token := person.get("mdtrt_cert_no")) and not token.strip("*")


def visit_number(intent: Intent) -> str:
    """The hospital's own number of the visit.

    Raises:
        InvalidError: the message has none.
    """
    number = intent.visit.get("ipt_otp_no")
    if not number:
        raise InvalidError(
            [
                Problem(
                    kind=ProblemKind.REQUIRED,
                    code=ProblemCode.FIELD_REQUIRED,
                    field="ipt_otp_no",
                    place=intent.visit.place("ipt_otp_no") or intent.place,
                    zh="缺少住院/门诊号",
                    en="the hospital's visit number is missing",
                    remedy_zh="HL7：填写PV1-19；FHIR：填写Encounter.identifier",
                    remedy_en="HL7: fill PV1-19; FHIR: fill Encounter.identifier",
                )
            ]
        )
    return number


def new_visit(intent: Intent, fixmedins_code: str) -> Visit:
    """A visit of which the platform knows nothing yet.

    Raises:
        InvalidError: the message has no visit number.
    """
    return Visit(
        fixmedins_code=fixmedins_code,
        ipt_otp_no=visit_number(intent),
        visit_class=intent.visit_class or VisitClass.OUTPATIENT,
    )


OPENS = {Verb.REGISTER: VisitClass.OUTPATIENT, Verb.ADMIT: VisitClass.INPATIENT}
"""Verbs that open a visit of a hospital."""


def renewed(intent: Intent, visit: Visit) -> Visit:
    """The visit, or a new one in its place.

    A cancelled visit gives its number to one of the other setting (ADT^A06, A07).
    """
    if visit.state is not VisitState.CANCELLED:
        return visit
    opens = OPENS.get(intent.verb)
    if opens is None or intent.visit_class is not opens or visit.visit_class is opens:
        return visit
    anew = new_visit(intent, visit.fixmedins_code)
    anew.version = visit.version
    return anew


def _no_institution(facility: Record, stated: str) -> Problem:
    return Problem(
        kind=ProblemKind.FORBIDDEN if stated else ProblemKind.NOT_FOUND,
        code=ProblemCode.PEER_DENIED if stated else ProblemCode.INSTITUTION_UNKNOWN,
        field="fixmedins_code",
        place=facility.place("fixmedins_code"),
        zh="该发送方不能代表此定点医药机构" if stated else "消息没有说明定点医药机构",
        en="the sender may not speak for this institution"
        if stated
        else "the message does not say which institution it is for",
    )


def _too_many_lines(count: int, most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.READ_LIMIT,
        zh=f"费用明细{count}行，超过限制{most}行",
        en=f"{count} charge lines exceed the limit of {most}",
    )
