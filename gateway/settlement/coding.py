"""Station 5: local codes to national codes as of the date of service.

A code without a mapping is a problem with its place, never a pass-through: equal strings are no
equal codes (reference/datasets.md has 250 proofs). The outgoing name is the target list's. One
exception: the national code of a physician (D and 12 digits) is the same everywhere and may come
as it is, since no other list has codes of that form.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Protocol

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Record
from mappings.codes import Translation, Unmapped, physician
from mappings.codes.kinds import system_name, system_of


class CodeTables(Protocol):
    """What translates; `mappings.codes.CodeBook` is one."""

    def translate(
        self, kind: str, code: str, *, on: date, name: str = "", system: str = ""
    ) -> Translation:
        """Translate one code or raise `Unmapped`."""
        ...


LABELS = {
    "item": ("收费项目", "charge item"),
    "diagnosis": ("诊断", "diagnosis"),
    "operation": ("手术操作", "procedure"),
    "physician": ("医师", "physician"),
    "department": ("科室", "department"),
}

LIST_TYPES = {
    "western_drug": "101",
    "patent_drug": "101",
    "herbal": "102",
    "preparation": "103",
    "service_item": "201",
    "consumable": "301",
}
"""System of a national code of an item to the list that it stands in (dictionary list_type)."""

PHYSICIANS = {
    "diag_dr_codg": "diag_dr_name",
    "atddr_no": "dr_name",
    "dise_dor_no": "dise_dor_name",
    "bilg_dr_codg": "bilg_dr_name",
    "orders_dr_code": "orders_dr_name",
}
"""Field that holds a physician's code -> field of the name that goes with it."""

DEPARTMENTS = {
    "dept_code": "dept_name",
    "bilg_dept_codg": "bilg_dept_name",
    "acord_dept_codg": "acord_dept_name",
    "diag_dept": "",
}
"""The same for departments."""

PEOPLE_AND_PLACES = (
    *(("physician", code, name) for code, name in PHYSICIANS.items()),
    *(("department", code, name) for code, name in DEPARTMENTS.items()),
)
"""Kind of code, its field, and the field of its name."""

OF_PROCEDURES = (
    ("operation", "oprn_oprt_code", "oprn_oprt_name"),
    ("physician", "oper_dr_code", "oper_dr_name"),
    ("physician", "anst_dr_code", "anst_dr_name"),
)
"""The same for what was done in a procedure and by whom, as `oprninfo` has it."""

_DELETED = "D"
"""PR1-20 (HL7 table 0206): the procedure is named only to be taken out."""

_OF_EDITIONS = frozenset({"diagnosis", "operation"})
"""Kinds whose code says with its coding system which edition of a list it is from."""

_CODES = frozenset(code for _, code, _ in PEOPLE_AND_PLACES)


class Coder:
    """Translates the codes of an intent with the tables of one institution."""

    def __init__(self, tables: CodeTables) -> None:
        self._tables = tables

    def code(self, intent: Intent, today: date) -> list[Problem]:
        """Replace every local code; report each that has no national code.

        The date of service is that of the line, the diagnosis or the visit, else `today`.
        """
        run = _Run(self._tables)
        visit_date = _date(intent.visit.get("begntime")) or today
        run.people_and_places(intent.visit, visit_date)
        for diagnosis in intent.diagnoses:
            on = _date(diagnosis.get("diag_time")) or visit_date
            run.people_and_places(diagnosis, on)
            run.diagnosis(diagnosis, on)
        for charge in intent.charges:
            on = _date(charge.get("fee_ocur_time")) or visit_date
            run.people_and_places(charge, on)
            if not charge.has("med_list_codg") and charge.has("medins_list_codg"):
                run.item(charge, on)
        run.procedures(intent, visit_date)
        filed_on = _date(intent.filing.get("begndate")) or visit_date
        run.people_and_places(intent.filing, filed_on)
        if intent.query.has("fixmedins_hilist_id"):
            run.listed(intent.query, _date(intent.query.get("begndate")) or today)
        return run.problems

    def code_listed(self, intent: Intent, today: date) -> list[Problem]:
        """The same for a message that is kept for the settlement list alone.

        Only its diagnoses and procedures are: a ward may be one that is no department.
        """
        run = _Run(self._tables)
        visit_date = _date(intent.visit.get("begntime")) or today
        for diagnosis in intent.diagnoses:
            run.diagnosis(diagnosis, _date(diagnosis.get("diag_time")) or visit_date)
        run.procedures(intent, visit_date)
        return run.problems

    def code_carried(self, rows: list[object], today: date) -> list[tuple[int, Problem]]:
        """Give `med_list_codg` to the rows of a national feedetail node that have none."""
        found: list[tuple[int, Problem]] = []
        for index, row in enumerate(rows):
            if not isinstance(row, dict) or row.get("med_list_codg"):
                continue
            local = row.get("medins_list_codg")
            if not isinstance(local, str) or not local:
                continue
            record = Record({"medins_list_codg": local})
            run = _Run(self._tables)
            run.item(record, _date(str(row.get("fee_ocur_time") or "")) or today)
            found += [(index, problem) for problem in run.problems]
            if record.has("med_list_codg"):
                row["med_list_codg"] = record.get("med_list_codg")
        return found


class _Run:
    """The translations of one message; its lines share items, departments and physicians."""

    def __init__(self, tables: CodeTables) -> None:
        self._tables = tables
        self._known: dict[date, dict[tuple[str, str], Translation]] = {}
        """By the day, then by the kind of code and the local code."""
        self.problems: list[Problem] = []

    def people_and_places(self, record: Record, on: date) -> None:
        """Translate every physician and department of a record."""
        values, known = record.values, self._known.setdefault(on, {})
        if _CODES.isdisjoint(values):
            return
        for kind, code, name in PEOPLE_AND_PLACES:
            local = values.get(code)
            if not local:
                continue
            found = known.get((kind, local))
            if found is None:
                found = self._find(record, kind, code, on, name=values.get(name, ""))
            if found is not None:
                self._replace(record, code, name, found)

    def diagnosis(self, record: Record, on: date) -> None:
        """Translate the code of a diagnosis, by its coding system and its name too."""
        system, name = record.get("diag_system"), record.get("diag_name")
        if record.has("diag_code"):
            found = self._find(record, "diagnosis", "diag_code", on, name=name, system=system)
            if found is not None:
                self._replace(record, "diag_code", "diag_name", found)

    def procedures(self, intent: Intent, visit_date: date) -> None:
        """Find the codes of every procedure that is to be kept.

        They stay as they are: the settlement list translates them, and a later message may name
        a procedure by its code.
        """
        for procedure in intent.procedures:
            if procedure.get("action") == _DELETED:
                continue
            on = day_of_procedure(procedure) or visit_date
            for kind, code, name in OF_PROCEDURES:
                if procedure.has(code):
                    system = procedure.get("oprn_system") if kind == "operation" else ""
                    self._find(procedure, kind, code, on, name=procedure.get(name), system=system)

    def item(self, charge: Record, on: date) -> None:
        """Give a charge line the national code of its item."""
        local = "medins_list_codg"
        found = self._find(charge, "item", local, on, name=charge.get("medins_list_name"))
        if found is not None:
            charge.set("med_list_codg", found.code, charge.sources.get(local))

    def listed(self, entry: Record, on: date) -> None:
        """Give an entry of the charge master its national code and the list that has it."""
        if entry.has("medins_list_codg") and not entry.has("med_list_codg"):
            self.item(entry, on)
        code = entry.get("med_list_codg")
        if code and not entry.has("list_type"):
            system = system_of("item", code)
            if system is not None:
                entry.values["list_type"] = LIST_TYPES[system_name(system)]

    def _find(
        self, record: Record, kind: str, code: str, on: date, *, name: str, system: str = ""
    ) -> Translation | None:
        """The translation of one code, reported where there is none.

        What depends on more than the code, as that of a diagnosis does, is looked up each time.
        """
        local = record.values[code]
        known = self._known.setdefault(on, {})
        found = known.get((kind, local))
        if found is not None:
            return found
        try:
            found = self._tables.translate(kind, local, on=on, name=name, system=system)
        except Unmapped as error:
            if not (kind == "physician" and physician.is_valid(local)):
                self.problems.append(unmapped(kind, code, record, error))
            return None
        if kind not in _OF_EDITIONS:
            known[kind, local] = found
        return found

    def _replace(self, record: Record, code: str, name: str, found: Translation) -> None:
        """Put the national code, and its name, in the place of the local ones."""
        record.values[code] = found.code
        if name and found.name:
            record.set(name, found.name, record.sources.get(name) or record.sources.get(code))
        if code == "dept_code" and found.caty and not record.has("caty"):
            record.set("caty", found.caty, record.sources.get(code))


def day_of_procedure(procedure: Record) -> date | None:
    """The day that a procedure was done on, None where it does not say so."""
    return _date(procedure.get("oprn_oprt_date") or procedure.get("oprn_oprt_begntime"))


def unmapped(kind: str, code: str, record: Record, error: Unmapped) -> Problem:
    """That the code in the field `code` of a record has no national code."""
    zh, en = LABELS[kind]
    local = record.get(code)
    return Problem(
        kind=ProblemKind.NO_CODE,
        code=ProblemCode.MAP_NO_CODE,
        field=code,
        place=record.place(code),
        zh=f"{zh}“{local}”没有对应的国家医保编码：{error.reason_zh}",
        en=f"{en} '{local}' has no national code: {error.reason_en}",
        remedy_zh="请在目录对照表中补充该编码后重新发送",
        remedy_en="add the code to the institution's code table and send again",
    )


def _date(text: str) -> date | None:
    return _day(text[:10]) if text else None


@lru_cache(maxsize=1024)
def _day(text: str) -> date | None:
    """A calendar day; the lines of a message mostly have the same."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
