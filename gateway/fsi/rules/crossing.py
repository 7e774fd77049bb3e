"""Rules about `exp_content`, and what it holds for patients from another province.

The keys are upper case members of a JSON object that is sent as a text. Within the input alone a
key is held against its values and the medical type; whether it has to be there depends on the two
regions of the header (`missing_keys`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.definitions import Field
from gateway.fsi.findings import named, wrong_type
from gateway.fsi.rules.model import Rows, Rule, Scope
from gateway.fsi.values import is_empty
from gateway.fsi.wire import decode_json

EXTENSION = "exp_content"
OUTPATIENT = frozenset({"2203", "2206", "2207"})
INPATIENT = frozenset({"2401", "2403"})
DOUBTFUL = frozenset({"2203"})
"""Named in two paragraphs of the version table and not in its list."""

INJURY = frozenset({"9903", "22"})
"""med_type of an outpatient and of an inpatient injury."""
EMERGENCY = frozenset({"13"})
"""med_type of an emergency."""

VALUES = {
    "MDTRT_GRP_TYPE": frozenset("1234"),
    "TRUM_FLAG": frozenset("01"),
    "REL_TTP_FLAG": frozenset("01"),
    "IPT_TYPE": frozenset("123"),
    "OTP_ER_REFL_FLAG": frozenset("123"),
}

OF_MED_TYPE = (
    (OUTPATIENT | INPATIENT, INJURY, "TRUM_FLAG", frozenset("1")),
    (INPATIENT, EMERGENCY, "IPT_TYPE", frozenset("2")),
    (OUTPATIENT, EMERGENCY, "OTP_ER_REFL_FLAG", frozenset("13")),
)
"""Transactions, medical types, and the key that follows from them with its values."""


def extension_of(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The members of `exp_content`; none when it is empty, None when it is no JSON object."""
    text = row.get(EXTENSION)
    if is_empty(text):
        return {}
    if not isinstance(text, str):
        return None
    try:
        content = decode_json(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def missing_keys(infno: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Keys that the medical type of a patient from another province asks for and that are empty."""
    content = extension_of(row) or {}
    for infnos, med_types, key, _values in OF_MED_TYPE:
        if infno in infnos and _med_type(row) in med_types and is_empty(content.get(key)):
            yield key


def _med_type(row: Mapping[str, Any]) -> str:
    value = row.get("med_type")
    return value if isinstance(value, str) else ""


def extension_is_object(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """exp_content is the text of a JSON object."""
    for path, row in rows:
        if isinstance(row.get(EXTENSION), str) and extension_of(row) is None:
            field = scope.fields[EXTENSION]
            yield scope.at(wrong_type(field, "JSON对象的文本", "the text of a JSON object"), path)


def values_of_keys(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Known keys have known values."""
    for path, row in rows:
        content = extension_of(row)
        if not content:
            continue
        for key, values in VALUES.items():
            value = content.get(key)
            if not is_empty(value) and str(value) not in values:
                listed = "、".join(sorted(values))
                problem = _wrong_key(
                    scope.fields[EXTENSION],
                    f"{key}应为{listed}之一",
                    f"{key} should be one of {', '.join(sorted(values))}",
                )
                yield scope.at(problem, path)


def third_party_of_injury(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """An injury says whether a third party is involved."""
    for path, row in rows:
        content = extension_of(row) or {}
        if str(content.get("TRUM_FLAG")) == "1" and is_empty(content.get("REL_TTP_FLAG")):
            problem = _wrong_key(
                scope.fields[EXTENSION],
                "TRUM_FLAG为1(外伤)时，REL_TTP_FLAG不能为空",
                "REL_TTP_FLAG is required when TRUM_FLAG is 1",
            )
            yield scope.at(problem, path)


def keys_of_medical_type(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A key does not contradict the medical type."""
    for infnos, med_types, key, values in OF_MED_TYPE:
        if scope.infno not in infnos:
            continue
        for path, row in rows:
            value = (extension_of(row) or {}).get(key)
            if _med_type(row) not in med_types or is_empty(value):
                continue
            if str(value) in VALUES[key] and str(value) not in values:
                med_type = row["med_type"]
                problem = _wrong_key(
                    scope.fields[EXTENSION],
                    f"医疗类别为{med_type}时，{key}应为{'或'.join(sorted(values))}",
                    f"{key} should be {' or '.join(sorted(values))} when med_type is {med_type}",
                )
                yield scope.at(problem, path)


def required_key(field: Field, key: str, med_type: str) -> Problem:
    """A key that a patient from another province needs is missing."""
    return _wrong_key(
        field,
        f"跨省异地就医，医疗类别为{med_type}时，{key}不能为空",
        f"{key} is required for a patient of another province when med_type is {med_type}",
    )


def _wrong_key(field: Field, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        field=field.code,
        zh=f"{named(field)}中{zh}",
        en=f"{field.code}: {en}",
    )


_KEYED = OUTPATIENT | INPATIENT

RULES = (
    Rule(
        name="extension-object",
        text="`exp_content` is the text of a JSON object.",
        source=("1.20",),
        check=extension_is_object,
        needs=frozenset({EXTENSION}),
    ),
    Rule(
        name="crossing-values",
        text="MDTRT_GRP_TYPE is 1 to 4, TRUM_FLAG and REL_TTP_FLAG 0 or 1, IPT_TYPE and "
        "OTP_ER_REFL_FLAG 1 to 3.",
        source=("11.1", "11.2", "11.5", "11.6"),
        check=values_of_keys,
        needs=frozenset({EXTENSION}),
        only=_KEYED,
        doubtful_in=DOUBTFUL,
    ),
    Rule(
        name="injury-third-party",
        text="With TRUM_FLAG 1 stands REL_TTP_FLAG.",
        source=("11.3",),
        check=third_party_of_injury,
        needs=frozenset({EXTENSION}),
        only=_KEYED,
        doubtful_in=DOUBTFUL,
    ),
    Rule(
        name="crossing-medical-type",
        text="Keys agree with `med_type`: 9903 and 22 mean TRUM_FLAG 1; 13 means IPT_TYPE 2, or "
        "OTP_ER_REFL_FLAG 1 or 3.",
        source=("11.4", "11.5", "11.6"),
        check=keys_of_medical_type,
        needs=frozenset({EXTENSION, "med_type"}),
        only=_KEYED,
        doubtful_in=DOUBTFUL,
    ),
)
