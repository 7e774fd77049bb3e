"""Rules about visits, diagnoses and the end of a stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.findings import named, wrong_value
from gateway.fsi.rules.conditions import required_when
from gateway.fsi.rules.model import Rows, Rule, Scope
from gateway.fsi.values import is_empty

DAY_SURGERY = ["28"]
"""med_type of a day surgery."""


def one_main_diagnosis(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Exactly one diagnosis that is not withdrawn has maindiag_flag 1 (section 10)."""
    field = scope.fields["maindiag_flag"]
    valid = [(path, row) for path, row in rows if row.get("vali_flag") != "0"]
    if not field.required and all(is_empty(row.get(field.code)) for _, row in valid):
        return
    main = [path for path, row in valid if row.get(field.code) == "1"]
    problem = wrong_value(
        field,
        f"：主要诊断应有且仅有一个，现有{len(main)}个",
        f"marks {len(main)} diagnoses, not one",
    )
    if valid and not main:
        yield scope.at(problem, valid[0][0])
    for path in main[1:]:
        yield scope.at(problem, path)


def diagnosis_number_once(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A diagnosis number of a kind of diagnosis occurs once: the platform matches by it."""
    field = scope.fields["diag_srt_no"]
    problem = Problem(
        kind=ProblemKind.DUPLICATE,
        code=ProblemCode.DUPLICATE_KEY,
        field=field.code,
        zh=f"{named(field)}重复",
        en=f"{field.code} occurs more than once",
    )
    seen: set[tuple[str, str]] = set()
    for path, row in rows:
        key = str(row.get("diag_type")), str(row.get("diag_srt_no"))
        if key in seen and not is_empty(row.get("diag_srt_no")):
            yield scope.at(problem, path)
        seen.add(key)


def main_diagnosis_agrees(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The main diagnosis of the head is the diagnosis that is marked as the main one."""
    field = scope.fields["dscg_maindiag_code"]
    problem = wrong_value(
        field, "与诊断列表中的主要诊断不一致", "is not the diagnosis marked as the main one"
    )
    for _path, content in rows:
        heads = {node: row for node, row in content.items() if _holds(row, field.code)}
        marked = [row for row in _rows(content.get("diseinfo")) if row.get("maindiag_flag") == "1"]
        for node, head in heads.items():
            if len(marked) != 1 or is_empty(marked[0].get("diag_code")):
                continue
            if marked[0].get("diag_code") != head.get(field.code):
                yield problem.at(f"{node}.{field.code}")


def diagnoses_of_the_visit(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Every diagnosis belongs to the visit and the person of the head."""
    for _path, content in rows:
        head: Mapping[str, Any] = next(
            (row for node, row in content.items() if node != "diseinfo" and _holds(row, "psn_no")),
            {},
        )
        for at, row in enumerate(_rows(content.get("diseinfo"))):
            for code in ("mdtrt_id", "psn_no"):
                own, of_head = row.get(code), head.get(code)
                texts = isinstance(own, str) and isinstance(of_head, str)
                if not texts or is_empty(own) or is_empty(of_head) or own == of_head:
                    continue
                problem = wrong_value(
                    scope.fields[code], "与就诊信息中的不一致", "differs from the one of the visit"
                )
                yield problem.at(f"diseinfo[{at}].{code}")


def _holds(row: Any, code: str) -> bool:
    return isinstance(row, Mapping) and not is_empty(row.get(code))


def _rows(content: Any) -> list[Mapping[str, Any]]:
    found = content if isinstance(content, list) else []
    return [row if isinstance(row, Mapping) else {} for row in found]


_CHRONIC_ZH = "医疗类别为14(门诊慢特病)"

RULES = (
    Rule(
        name="one-main-diagnosis",
        text="Of the diagnoses that are not withdrawn exactly one has `maindiag_flag` 1.",
        source=("10.8",),
        check=one_main_diagnosis,
        needs=frozenset({"maindiag_flag"}),
        only=frozenset({"2203", "2203A", "2401", "2402", "2403"}),
    ),
    Rule(
        name="main-diagnosis-agrees",
        text="`dscg_maindiag_code` is the `diag_code` of the main diagnosis.",
        source=("10.8",),
        doubt="the text has both and does not say that they agree",
        check=main_diagnosis_agrees,
        needs=frozenset({"dscg_maindiag_code", "diag_code", "maindiag_flag"}),
        only=frozenset({"2401", "2403"}),
        whole=True,
    ),
    Rule(
        name="diagnosis-number-once",
        text="`diag_srt_no` occurs once for a `diag_type`: diagnoses are matched by it.",
        source=("10.13",),
        doubt="what a repeated number does is not said",
        check=diagnosis_number_once,
        needs=frozenset({"diag_srt_no", "diag_type"}),
        only=frozenset({"2403"}),
    ),
    Rule(
        name="diagnoses-of-the-visit",
        text="Every diagnosis repeats `mdtrt_id` and `psn_no` of its visit.",
        source=("10.12",),
        check=diagnoses_of_the_visit,
        needs=frozenset({"mdtrt_id", "psn_no", "diag_code"}),
        only=frozenset({"2402", "2403"}),
        doubtful_in=frozenset({"2403"}),
        whole=True,
    ),
    Rule(
        name="chronic-visit-disease",
        text="A chronic or special disease visit (`med_type` 14) carries its `dise_codg`.",
        source=("9.7", "12.7"),
        check=required_when("dise_codg", {"med_type": ["14"]}, _CHRONIC_ZH, "med_type is 14"),
        needs=frozenset({"med_type", "dise_codg"}),
        only=frozenset({"2203", "2203A"}),
    ),
    Rule(
        name="chronic-prescription-disease",
        text="A prescription of a chronic or special disease visit carries its `diseCodg`.",
        source=("12.7",),
        check=required_when("diseCodg", {"medType": ["14"]}, _CHRONIC_ZH, "medType is 14"),
        needs=frozenset({"medType", "diseCodg"}),
        only=frozenset({"7101"}),
    ),
    Rule(
        name="day-surgery-operation",
        text="A day surgery (`med_type` 28 with a `dise_codg`) names its `oprn_oprt_code`.",
        source=("6.2", "10.9"),
        doubt="the kind of disease decides, which only the catalogue knows",
        check=required_when(
            "oprn_oprt_code", {"med_type": DAY_SURGERY}, "医疗类别为28(日间手术)", "med_type is 28"
        ),
        needs=frozenset({"med_type", "dise_codg", "oprn_oprt_code"}),
        only=frozenset({"2001", "2401", "2403"}),
    ),
    Rule(
        name="death-date",
        text="A discharge by death (`dscg_way` 5) carries `die_date`.",
        source=("10.11",),
        check=required_when("die_date", {"dscg_way": ["5"]}, "离院方式为5(死亡)", "dscg_way is 5"),
        needs=frozenset({"dscg_way", "die_date"}),
        only=frozenset({"2402"}),
    ),
)
