"""Rules about the header: the members of the envelope beside the input.

A member that a mapping does not have is written by the gateway and not looked at; the two regions
are always looked at, because they decide which platform answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fsi.definitions import Field
from gateway.fsi.findings import missing, missing_when, too_long, wrong_value
from gateway.fsi.rules.crossing import DOUBTFUL, EXTENSION, missing_keys, required_key
from gateway.fsi.values import is_empty

OPERATOR_TYPES = frozenset("123")
"""Clerk, self-service terminal, mobile terminal."""

_REGION = re.compile(r"\d{6}", re.ASCII)
_MESSAGE_ID = re.compile(r"[0-9A-Z]{12}\d{18}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


class HeaderScope(msgspec.Struct, frozen=True):
    """A header, its input, and the tables that describe them."""

    infno: str
    header: Mapping[str, Any]
    content: Any
    """The input."""
    fields: Mapping[str, Field]
    """Members of the envelope by name."""
    extension: Field | None
    """The field `exp_content` of the transaction, where it has one."""

    def value(self, member: str) -> str:
        """The text of a member, empty when there is none."""
        value = self.header.get(member)
        return value if isinstance(value, str) else ""

    def rows_with(self, code: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The input itself and the rows of its nodes that have this member, with their paths."""
        if not isinstance(self.content, dict):
            return
        if code in self.content:
            yield "", self.content
        for name, node in self.content.items():
            if isinstance(node, dict):
                if code in node:
                    yield str(name), node
            elif isinstance(node, list):
                for at, row in enumerate(node):
                    if isinstance(row, dict) and code in row:
                        yield f"{name}[{at}]", row


class HeaderRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about the header, and what it comes from."""

    name: str
    text: str
    source: tuple[str, ...]
    check: Callable[[HeaderScope], Iterator[Problem]]
    doubtful_in: frozenset[str] = frozenset()
    alone: bool = False
    """It looks at the members only, and finds the same beside any input."""

    def severity(self, infno: str, strict: list[str]) -> Severity:
        """An error, unless it is doubtful here and the profile does not insist on it."""
        doubtful = infno in self.doubtful_in
        return Severity.WARNING if doubtful and self.name not in strict else Severity.ERROR


def members_fit(scope: HeaderScope) -> Iterator[Problem]:
    """Members are texts, not longer than the table allows, and required ones are not empty."""
    for name, value in scope.header.items():
        field = scope.fields.get(name)
        if field is None or name == "input":
            continue
        if is_empty(value):
            if field.required and name != "mdtrtarea_admvs":
                yield missing(field).at(name)
        elif not isinstance(value, str):
            yield wrong_value(field, "应为字符串", "should be a text").at(name)
        elif field.max_length is not None and len(value) > field.max_length:
            yield too_long(field, len(value)).at(name)


def region_of_treatment(scope: HeaderScope) -> Iterator[Problem]:
    """mdtrtarea_admvs is there."""
    if is_empty(scope.header.get("mdtrtarea_admvs")):
        yield missing(scope.fields["mdtrtarea_admvs"]).at("mdtrtarea_admvs")


def region_of_insurance(scope: HeaderScope) -> Iterator[Problem]:
    """insuplc_admdvs is there when the input holds a person number."""
    if not is_empty(scope.header.get("insuplc_admdvs")):
        return
    if any(not is_empty(row["psn_no"]) for _, row in scope.rows_with("psn_no")):
        problem = missing_when(
            scope.fields["insuplc_admdvs"], "输入含人员编号(psn_no)", "the input holds a psn_no"
        )
        yield Problem(
            kind=problem.kind,
            code=ProblemCode.REGION_EMPTY,
            field=problem.field,
            place=problem.field,
            zh=problem.zh,
            en=problem.en,
        )


def regions_of_six_digits(scope: HeaderScope) -> Iterator[Problem]:
    """A region is six digits."""
    for member in ("mdtrtarea_admvs", "insuplc_admdvs"):
        if scope.value(member).strip() and not _REGION.fullmatch(scope.value(member)):
            problem = wrong_value(
                scope.fields[member], "应为6位数字的行政区划代码", "should be six digits"
            )
            yield problem.at(member)


def regions_repeated(scope: HeaderScope) -> Iterator[Problem]:
    """Where an input repeats the regions, they are those of the header."""
    for member in ("mdtrtarea_admvs", "insuplc_admdvs"):
        stated = scope.header.get(member)
        if is_empty(stated):
            continue
        for path, row in scope.rows_with(member):
            own = row[member]
            if own != stated and not is_empty(own):
                problem = wrong_value(
                    scope.fields[member], "与报文头中的不一致", "differs from the one of the header"
                )
                yield problem.at(f"input.{path}.{member}" if path else f"input.{member}")


def message_id(scope: HeaderScope) -> Iterator[Problem]:
    """Msgid is the institution, a time and a serial, 30 characters."""
    value = scope.value("msgid")
    institution = scope.value("fixmedins_code")
    if not value.strip():
        return
    if not _MESSAGE_ID.fullmatch(value) or not value.startswith(institution):
        yield wrong_value(
            scope.fields["msgid"],
            "应为30位：机构编号12位、yyyyMMddHHmmss、流水号4位",
            "should be the institution (12), yyyyMMddHHmmss and a serial (4)",
        ).at("msgid")


def type_of_operator(scope: HeaderScope) -> Iterator[Problem]:
    """opter_type is 1, 2 or 3."""
    value = scope.value("opter_type")
    if value.strip() and value not in OPERATOR_TYPES:
        yield wrong_value(
            scope.fields["opter_type"],
            "应为1(经办人)、2(自助终端)或3(移动终端)",
            "should be 1 (clerk), 2 (self-service terminal) or 3 (mobile terminal)",
        ).at("opter_type")


def time_of_request(scope: HeaderScope) -> Iterator[Problem]:
    """inf_time is a moment."""
    value = scope.value("inf_time")
    if value.strip() and not _TIME.fullmatch(value):
        yield wrong_value(
            scope.fields["inf_time"], "应为yyyy-MM-dd HH:mm:ss", "should be yyyy-MM-dd HH:mm:ss"
        ).at("inf_time")


def record_of_institution(scope: HeaderScope) -> Iterator[Problem]:
    """mdtrt_sn of the front page of a record begins with the institution."""
    institution = scope.value("fixmedins_code")
    if scope.infno != "4401" or not institution:
        return
    for path, row in scope.rows_with("mdtrt_sn"):
        value = row["mdtrt_sn"]
        if isinstance(value, str) and value.strip() and not value.startswith(institution):
            yield Problem(
                kind=ProblemKind.VALUE,
                code=ProblemCode.FIELD_VALUE,
                field="mdtrt_sn",
                place=f"input.{path}.mdtrt_sn",
                zh="就医流水号(mdtrt_sn)应以定点医药机构编号开头",
                en="mdtrt_sn should begin with the institution code",
            )


def keys_of_crossing(scope: HeaderScope) -> Iterator[Problem]:
    """A patient from another province has the keys that the medical type asks for."""
    here, home = scope.value("mdtrtarea_admvs"), scope.value("insuplc_admdvs")
    if scope.extension is None or not home.strip() or here[:2] == home[:2]:
        return
    for path, row in scope.rows_with("med_type"):
        for key in missing_keys(scope.infno, row):
            problem = required_key(scope.extension, key, str(row["med_type"]))
            yield problem.at(f"input.{path}.{EXTENSION}" if path else f"input.{EXTENSION}")


HEADER_RULES = (
    HeaderRule(
        name="header-members",
        text="Members are texts within their lengths; required ones are not empty.",
        source=("1.2", "1.7"),
        check=members_fit,
        alone=True,
    ),
    HeaderRule(
        name="header-treatment-region",
        text="`mdtrtarea_admvs` is given.",
        source=("1.3",),
        check=region_of_treatment,
        alone=True,
    ),
    HeaderRule(
        name="header-insurance-region",
        text="`insuplc_admdvs` is given when the input holds a `psn_no`.",
        source=("1.3",),
        check=region_of_insurance,
    ),
    HeaderRule(
        name="header-region-form",
        text="Both regions are six digits.",
        source=("1.3",),
        check=regions_of_six_digits,
        alone=True,
    ),
    HeaderRule(
        name="header-regions-repeated",
        text="`mdtrtarea_admvs` and `insuplc_admdvs` inside an input are those of the header.",
        source=("8.8",),
        check=regions_repeated,
    ),
    HeaderRule(
        name="header-message-id",
        text="`msgid` is the institution (12), yyyyMMddHHmmss (14) and a serial (4).",
        source=("1.2",),
        check=message_id,
        alone=True,
    ),
    HeaderRule(
        name="header-operator-type",
        text="`opter_type` is 1, 2 or 3.",
        source=("1.8",),
        check=type_of_operator,
        alone=True,
    ),
    HeaderRule(
        name="header-time",
        text="`inf_time` is yyyy-MM-dd HH:mm:ss.",
        source=("1.14",),
        check=time_of_request,
        alone=True,
    ),
    HeaderRule(
        name="header-record-number",
        text="`mdtrt_sn` of 4401 begins with the institution code.",
        source=("17.13",),
        check=record_of_institution,
    ),
    HeaderRule(
        name="header-crossing-keys",
        text="For a patient of another province `exp_content` has the key that `med_type` asks "
        "for: TRUM_FLAG with 9903 and 22, IPT_TYPE or OTP_ER_REFL_FLAG with 13.",
        source=("1.5", "11.4", "11.5", "11.6", "11.8"),
        check=keys_of_crossing,
        doubtful_in=DOUBTFUL,
    ),
)
"""Every rule about the header; a further one is a function and a row here."""
