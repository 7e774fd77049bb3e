"""What a translation gives, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import msgspec

from mappings.codes.csvfile import OPEN_END, OPEN_START
from mappings.codes.tables import MappingRow


class Method(StrEnum):
    """How a national code was found; the order is the order of looking."""

    SITE = "site"
    """A reviewed row of the site's own tables."""
    NATIONAL = "national"
    """The sender said that the code is a national one."""
    CROSSWALK = "crosswalk"
    """The official correspondence of two lists."""
    NAME = "name"
    """The only diagnosis of the list with this name."""


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A national code.

    `name` is the one of the national list where the code is in a loaded list, else that of the
    site's row. `source_row` is file and line (`items.csv:12`), empty when only the sender's word
    stands behind the code. `gray` marks a code that a settlement list does not take as principal
    (灰码). `caty` is the class of a department. `system` names the code system (`western_drug`).
    `relation` is that of FHIR R5 ConceptMap, from the local code to the national one.
    """

    code: str
    name: str
    method: Method
    source_row: str = ""
    gray: bool = False
    caty: str = ""
    system: str = ""
    relation: str = "equivalent"


class InForce(NamedTuple):
    """A local code that translates on a day, and the days on which it translates so."""

    code: str
    name: str
    edition: str
    """The coding system of the local code; empty where the row holds for any."""
    valid_from: date
    valid_to: date
    translation: Translation


class Cause(StrEnum):
    """Why there is no translation."""

    NONE = "none"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNREVIEWED = "unreviewed"
    TARGET_INVALID = "target-invalid"
    """The national code was not valid on the date."""
    TARGET_MISSING = "target-missing"
    """The target, or the code said to be national, is not in the national list."""
    SYSTEM_UNKNOWN = "system-unknown"


class Reason(msgspec.Struct, frozen=True):
    """A cause in both languages; holds codes and dates and nothing of a patient."""

    cause: Cause
    zh: str
    en: str


class Unmapped(LookupError):  # noqa: N818 - it is an answer, not a defect
    """A code without a national code on the date of service."""

    def __init__(self, kind: str, code: str, reason: Reason) -> None:
        self.kind, self.code, self.cause = kind, code, reason.cause
        self.reason_zh, self.reason_en = reason.zh, reason.en
        super().__init__(f"{kind} {code!r}: {reason.en}")


NO_MAPPING = Reason(Cause.NONE, "没有对照记录", "there is no mapping")


def unknown_system(system: str) -> Reason:
    """The sender names a coding system that no table knows."""
    return Reason(
        Cause.SYSTEM_UNKNOWN,
        f"没有对照记录，且编码体系“{system}”未知",
        f"there is no mapping and the coding system {system!r} is not known",
    )


def target_missing(code: str, edition: str) -> Reason:
    """The target of a crosswalk, or a code said to be national, is not in the list."""
    return Reason(
        Cause.TARGET_MISSING,
        f"目标编码 {code} 不在{edition}目录中",
        f"the target {code} is not in the list {edition}",
    )


def target_invalid(code: str, on: date) -> Reason:
    """The national code is in a list, but not on the date."""
    return Reason(
        Cause.TARGET_INVALID,
        f"国家编码 {code} 在 {on} 无效",
        f"the national code {code} is not valid on {on}",
    )


def reason_of_rows(rows: Sequence[MappingRow], on: date) -> Reason | None:
    """Why none of the site's rows of a code translates it; None when there are none."""
    if not rows:
        return None
    valid = [row for row in rows if row.valid_from <= on <= row.valid_to]
    for row in valid:
        if row.reviewed:
            return target_invalid(row.national_code, on)
    if valid:
        return Reason(
            Cause.UNREVIEWED,
            f"对照记录尚未审核（{valid[0].row.reference}）",
            f"the mapping has not been reviewed ({valid[0].row.reference})",
        )
    ended = max((row.valid_to for row in rows if row.valid_to < on), default=OPEN_START)
    if ended != OPEN_START:
        return Reason(
            Cause.EXPIRED,
            f"对照记录已于 {ended} 失效，费用发生日期为 {on}",
            f"the mapping expired on {ended}, the date of service is {on}",
        )
    begins = min((row.valid_from for row in rows if row.valid_from > on), default=OPEN_END)
    return Reason(
        Cause.NOT_YET_VALID,
        f"对照记录自 {begins} 起生效，费用发生日期为 {on}",
        f"the mapping becomes valid on {begins}, the date of service is {on}",
    )
