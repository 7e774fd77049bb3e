"""What a map cannot say: values that follow from several others.

The rules are those of the mapping tables: diagnoses have different numbers and exactly one of them
is the main one, a card without its card number gives way to the identity card, and some verbs
need something that the standard leaves optional.
"""

from __future__ import annotations

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.hl7v2 import financial
from gateway.hl7v2.financial import Lines
from gateway.hl7v2.reader import Document
from gateway.intents import Intent, Record, Source, Verb, VisitClass
from gateway.settings import HL7Dialect, PeerSettings

CHRONIC_LIST = "OPSP"
"""DG1-3.3 of a disease of the national list of chronic diseases."""

_PRE_ADMISSION = "P"

_NEEDS_CLASS = frozenset({
    Verb.REGISTER, Verb.ADMIT, Verb.UNREGISTER, Verb.UNADMIT, Verb.DISCHARGE,
    Verb.UNDISCHARGE,
})  # fmt: skip


def refine_certificate(intent: Intent) -> None:
    """A social-security card needs its card number; without it the identity card is shown."""
    person = intent.person
    if person.get("mdtrt_cert_type") != "03" or person.has("card_sn"):
        return
    if person.get("psn_cert_type") == "01" and person.has("certno"):
        person.set("mdtrt_cert_type", "02", person.sources.get("certno"))
        person.set("mdtrt_cert_no", person.get("certno"), person.sources.get("certno"))


def refine_diagnoses(intent: Intent, *, has_actions: bool) -> None:
    """Number the diagnoses and choose the main one.

    `has_actions` tells that the message marks single diagnoses as added or deleted (DG1-21), so
    that its list is not the whole one. A message without any diagnosis says nothing about them.
    """
    rows = intent.diagnoses
    intent.diagnoses_complete = bool(rows) and not has_actions
    numbers = [row.get("diag_srt_no") for row in rows]
    if len(set(numbers)) != len(numbers) or "" in numbers:
        for number, row in enumerate(rows, start=1):
            row.set("diag_srt_no", str(number), row.sources.get("diag_srt_no"))
    valid = [row for row in rows if row.get("vali_flag") != "0"] or rows
    if valid:
        main = next(
            (row for row in valid if row.get("maindiag_flag") == "1"),
            next((row for row in valid if row.get("inout") == "F"), valid[0]),
        )
        for row in rows:
            flag = "1" if row is main else "0"
            row.set("maindiag_flag", flag, row.sources.get("maindiag_flag"))


def refine_chronic_disease(intent: Intent) -> None:
    """A DG1 of the list of chronic diseases names what was filed, and is no diagnosis of the visit.

    It stays where the visit has no other: then it is refused as a code of another list.
    """
    filed = [row for row in intent.diagnoses if row.get("diag_system") == CHRONIC_LIST]
    if filed and len(filed) < len(intent.diagnoses):
        code = filed[0].get("diag_code")
        intent.visit.set("opsp_dise_code", code, filed[0].sources.get("diag_code"))
        intent.diagnoses = [row for row in intent.diagnoses if row not in filed]


def check_visit(intent: Intent, problems: list[Problem]) -> list[Problem]:
    """The visit class is needed to choose a transaction that opens or ends a visit."""
    if intent.visit_class is not None or intent.verb not in _NEEDS_CLASS:
        return []
    if any(problem.field == "visit_class" for problem in problems):
        return []
    return [_missing("PV1[1]-2", "visit_class", "缺少就诊类别", "the patient class is missing")]


def check_identification(intent: Intent, place: str) -> list[Problem]:
    """A person can only be asked for with a certificate."""
    if intent.person.has("mdtrt_cert_no"):
        return []
    return [
        _missing(
            place, "mdtrt_cert_no", "缺少就诊凭证（证件号码）", "a certificate number is required"
        )
    ]


def check_refund(intent: Intent) -> list[Problem]:
    """An outpatient refund names the batch it withdraws."""
    if intent.visit_class is VisitClass.INPATIENT:
        return []
    return [
        _missing(
            f"{_segment(line)}-3", "chrg_bchno", "退费行缺少收费批次号", "no charge batch is named"
        )
        for line in intent.charges
        if not line.has("chrg_bchno")
    ]


def set_facility(intent: Intent, fixmedins_code: str, name: str, place: str) -> None:
    """The institution that the message is for."""
    source = Source(place, "", "institutions")
    intent.facility.set("fixmedins_code", fixmedins_code, source)
    intent.facility.set("fixmedins_name", name, source)


def _segment(line: Record) -> str:
    places = (source.place for source in line.sources.values())
    return next((place.partition("-")[0] for place in places if place.startswith("FT1")), "FT1[1]")


def _missing(place: str, field: str, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        zh=zh,
        en=en,
        place=place,
        field=field,
    )


def choose_financial(intent: Intent, lines: Lines, peer: PeerSettings) -> None:
    """The verb of a financial message by its lines and by what the peer wants done with them."""
    if not (lines.charges or lines.credits or lines.payments):
        intent.verb = Verb.IGNORE
    elif lines.payments or (lines.charges and peer.settle_with_charges):
        intent.verb = Verb.SETTLE
    elif lines.credits:
        by_part = intent.verb is Verb.CHARGE
        (financial.turn_round if by_part else financial.name_only)(intent.charges)
    elif lines.charges:
        intent.presettle_after = peer.presettle_with_charges


def is_without_insurance(document: Document, intent: Intent, dialect: HL7Dialect) -> bool:
    """True for a visit that its patient pays for, and for one that is only announced.

    Also for what is said of an outpatient for a settlement list, which only a stay gets.
    """
    if intent.verb is Verb.COLLECT and intent.visit_class is VisitClass.OUTPATIENT:
        return True
    visit = document.first("PV1")
    if visit is None:
        return False
    self_pay = visit.get(20) in dialect.self_pay_classes
    opens = intent.visit_class is None and intent.visit.get("patient_class") == _PRE_ADMISSION
    return self_pay or opens


def refined(intent: Intent, document: Document, problems: list[Problem]) -> list[Problem]:
    """What is still wrong once the values that follow from others are set."""
    refine_certificate(intent)
    refine_chronic_disease(intent)
    has_actions = any(it.get(21) for it in document.all("DG1"))
    refine_diagnoses(intent, has_actions=has_actions)
    if intent.verb is Verb.IDENTIFY:
        place = "QPD[1]-3" if document.first("QPD") else "PID[1]-3"
        return check_identification(intent, place)
    if intent.verb is Verb.REFUND:
        return check_refund(intent)
    return check_visit(intent, problems)
