"""Code tables as FHIR operations: ConceptMap/$translate and CodeSystem/$lookup.

Source: https://hl7.org/fhir/R4/conceptmap-operation-translate.html and
codesystem-operation-lookup.html. What is translated is what a settlement would be sent with: the
local tables of the institution's catalogue, as of a date. Nothing is asked of a platform.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from gateway.errors import MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.amounts import LABELS
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.fhir.release import R5, Release
from gateway.settings import PeerSettings, Settings
from mappings.codes import CodeBook
from mappings.codes.kinds import KINDS, SYSTEMS, system_name
from mappings.codes.translation import Unmapped

MED_LIST = "med-list"
"""Code system of all national item codes, whichever list they stand in."""
AMOUNTS = "fsi-amount"
EQUIVALENCES = {
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "related-to": "relatedto",
}
"""Relation of R5 -> equivalence of R4, which says what the target is."""


class Wanted(msgspec.Struct, kw_only=True):
    """The parameters of a terminology operation, of either release and either form."""

    url: str = ""
    system: str = ""
    code: str = ""
    display: str = ""
    on: date


class Books:
    """The code tables of the institutions, read when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._directories = settings.codes.directories
        self._catalogues = {one.fixmedins_code: one.catalogue for one in settings.institutions}
        self._books: dict[str, CodeBook] = {}
        self._reading = asyncio.Lock()

    async def of(self, peer: PeerSettings) -> CodeBook:
        """The tables of the first institution that this peer speaks for."""
        catalogue = next(
            (self._catalogues[one] for one in peer.institutions if one in self._catalogues),
            "default",
        )
        async with self._reading:
            if catalogue not in self._books:
                self._books[catalogue] = await asyncio.to_thread(
                    CodeBook.load, self._directories, catalogue
                )
        return self._books[catalogue]


def parse_wanted(
    pairs: Iterable[tuple[str, str]], parameters: Mapping[str, Any] | None, today: date
) -> Wanted:
    """What a request asks for, from its URL or from Parameters.

    Raises:
        MessageError: no code, or a date that is none.
    """
    stated: dict[str, str] = dict(pairs)
    for row in as_list((parameters or {}).get("parameter")):
        name = str(row.get("name", ""))
        value = next((row[key] for key in row if key.startswith("value")), None)
        codings = [value] if name.lower().endswith("coding") else []
        if name.lower().endswith("codeableconcept") and isinstance(value, dict):
            codings = as_list(value.get("coding"))
        for coding in codings[:1]:
            if isinstance(coding, dict):
                stated |= {key: str(coding[key]) for key in coding if key != "extension"}
        if isinstance(value, str):
            stated[name] = value
    code = stated.get("code") or stated.get("sourceCode", "")
    if not code:
        raise MessageError([problems.required("", "缺少参数code", "the parameter code is missing")])
    try:
        on = date.fromisoformat(stated["date"][:10]) if "date" in stated else today
    except ValueError:
        raise MessageError([problems.wrong_type("", "date不是日期", "date is no date")]) from None
    return Wanted(
        url=stated.get("url", ""),
        system=stated.get("system", ""),
        code=code,
        display=stated.get("display", ""),
        on=on,
    )


def translate(book: CodeBook, names: Names, release: Release, wanted: Wanted) -> dict[str, Any]:
    """The Parameters of $translate: `result`, and the national code or why there is none (X-058).

    The ConceptMap of a kind of code is `{base}/ConceptMap/KIND` (item, diagnosis, operation,
    physician, department).

    Raises:
        MessageError: there is no such ConceptMap.
    """
    kind = wanted.url.rpartition("/")[2]
    if kind not in KINDS:
        raise MessageError([_no_map()])
    try:
        found = book.translate(
            kind, wanted.code, on=wanted.on, name=wanted.display, system=wanted.system
        )
    except Unmapped as reason:
        text = f"{reason.reason_zh} ({reason.reason_en})"
        return _parameters([("result", "Boolean", False), ("message", "String", text)])
    target = MED_LIST if kind == "item" else found.system.replace("_", "-")
    coding = {"system": names.code_system(target), "code": found.code}
    if found.name:
        coding["display"] = found.name
    relation = (
        {"name": "relationship", "valueCode": found.relation}
        if release is R5
        else {"name": "equivalence", "valueCode": EQUIVALENCES[found.relation]}
    )
    answer = _parameters([("result", "Boolean", True)])
    answer["parameter"].append(
        {"name": "match", "part": [relation, {"name": "concept", "valueCoding": coding}]}
    )
    return answer


def lookup(book: CodeBook, names: Names, wanted: Wanted) -> dict[str, Any]:
    """The Parameters of $lookup: name of the list, and display of the code.

    Raises:
        MessageError: the code is in none of the lists of the system on that date.
    """
    short = wanted.system.removeprefix(names.code_system(""))
    if short == AMOUNTS and wanted.code in LABELS:
        return looked_up(short, "", LABELS[wanted.code])
    systems = (
        [system_name(module) for module in KINDS["item"].systems]
        if short == MED_LIST
        else [short.replace("-", "_")]
    )
    for system in systems:
        entry = book.entry(system, wanted.code, on=wanted.on) if system in SYSTEMS else None
        if entry is not None:
            return looked_up(short, entry.edition, entry.name)
    raise MessageError([_no_code()])


def looked_up(name: str, version: str, display: str) -> dict[str, Any]:
    """The Parameters of $lookup: name and version of a code system, and display of a code."""
    return _parameters(
        [("name", "String", name), ("version", "String", version), ("display", "String", display)]
    )


def _parameters(rows: Iterable[tuple[str, str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, f"value{kind}": value} for name, kind, value in rows if value != ""
        ],
    }


def _no_map() -> Problem:
    kinds = ", ".join(KINDS)
    return problems.not_found(
        "",
        ProblemCode.NOT_FOUND,
        f"没有这个ConceptMap，url的最后一段应为：{kinds}",
        f"there is no such ConceptMap: the last part of url is one of {kinds}",
    )


def _no_code() -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        zh="该编码在此日期不在目录中",
        en="the code is in none of the lists of this system on that date",
    )
