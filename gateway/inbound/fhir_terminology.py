"""Code tables over HTTP: ConceptMaps of the institution, CodeSystems of the national lists.

What is shown are the tables of the client's own institution, as of a day (`date`, else today).
A map or list has `_count` and `_offset` of its own, for its rows: a read gives a page and says by
`Link` where the next one is. Nothing is asked of a platform.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from gateway.crypto.sm import sm3
from gateway.errors import MessageError
from gateway.fhir import problems
from gateway.fhir.concept_maps import (
    LISTS,
    code_system,
    concept_map,
    local_system,
    target_system,
)
from gateway.fhir.decode import encode
from gateway.fhir.search import CONTROLS, MAP_PARAMETERS
from gateway.fhir.terminology import Books
from gateway.inbound.fhir_interactions import Ask, problem
from gateway.inbound.fhir_speech import Reply, Speech
from gateway.inbound.http_routes import Refusal
from mappings.codes import CodeBook
from mappings.codes.kinds import KINDS
from mappings.codes.translation import InForce

MAX_ROWS = 1_000
"""Rows of a map or list in one answer at most."""
MAX_FOUND = 100
"""Rows of each map in a searchset at most; a read has the others."""
MAX_KEPT = 32
"""Tables of a day that are kept at most; the oldest goes."""


T = TypeVar("T")


class Page(NamedTuple):
    """Which part of a table is wanted."""

    offset: int
    size: int

    def of(self, rows: Sequence[T]) -> Sequence[T]:
        """The wanted rows."""
        return rows[self.offset : self.offset + self.size]


class CodeTables:
    """The code tables of one release."""

    def __init__(self, speech: Speech, books: Books, now: Callable[[], datetime]) -> None:
        self._speech = speech
        self._books = books
        self._now = now
        self._kept: OrderedDict[tuple[int, str, date], list[InForce]] = OrderedDict()

    async def read(self, ask: Ask, identity: str) -> Reply:
        """A page of a ConceptMap.

        Raises:
            Refusal: 404.
            MessageError: `date`, `_count` or `_offset` is none.
        """
        if identity not in KINDS:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        on, page = self._wanted(ask)
        rows = await self._rows(await self._books.of(ask.peer), identity, on)
        names, release = self._speech.names, self._speech.forms.release
        tree = concept_map(names, release, identity, page.of(rows), total=len(rows), on=on)
        return self._paged(ask, f"ConceptMap/{identity}", tree, page, len(rows))

    async def read_list(self, ask: Ask, identity: str) -> Reply:
        """A page of the CodeSystem of a national list.

        Raises:
            Refusal: 404.
            MessageError: `date`, `_count` or `_offset` is none.
        """
        system = LISTS.get(identity)
        if system is None:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        on, page = self._wanted(ask)
        book = await self._books.of(ask.peer)
        entries = await asyncio.to_thread(book.entries, system, on=on)
        complete = any(known.system == system and known.complete for known in book.lists)
        shown, total = page.of(entries), len(entries)
        tree = code_system(
            self._speech.names, identity, shown, total=total, on=on, complete=complete
        )
        return self._paged(ask, f"CodeSystem/{identity}", tree, page, len(entries))

    async def search(self, ask: Ask) -> Reply:
        """The ConceptMaps that fit, each with at most `MAX_FOUND` of the rows that fit.

        Raises:
            MessageError: 400, a parameter is not served and the client is strict.
        """
        names, release = self._speech.names, self._speech.forms.release
        served = MAP_PARAMETERS[release.segment]
        on, page = self._wanted(ask)
        wanted = [(name, value) for name, value in ask.pairs if name in served]
        self._check(ask, served)
        book = await self._books.of(ask.peer)
        found = []
        for kind in KINDS:
            rows = await self._rows(book, kind, on)
            fitting = self._fitting(kind, rows, [(served[name], value) for name, value in wanted])
            if fitting is not None:
                found.append((kind, fitting, len(rows)))
        entries = []
        for kind, fitting, total in found[page.offset : page.offset + page.size]:
            shown = fitting[:MAX_FOUND]
            tree = concept_map(names, release, kind, shown, total=total, on=on)
            url = f"{ask.base}/ConceptMap/{kind}"
            entries.append({"fullUrl": url, "resource": tree, "search": {"mode": "match"}})
        query = urlencode([*wanted, ("date", on.isoformat())])
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": [{"relation": "self", "url": f"{ask.base}/ConceptMap?{query}"}],
        }
        body = bundle | ({"entry": entries} if entries else {})
        return Reply(status=200, body=encode(body), formed=True)

    def _fitting(
        self, kind: str, rows: Sequence[InForce], wanted: Sequence[tuple[str, str]]
    ) -> list[InForce] | None:
        """The rows of a map that fit; None when the map itself does not."""
        names = self._speech.names
        of_map = {
            "id": kind,
            "url": f"{names.base}/ConceptMap/{kind}",
            "status": "active",
            "source": names.value_set(f"local-{kind}"),
            "target": names.value_set(f"national-{kind}"),
        }
        of_row: Mapping[str, Callable[[InForce], str]] = {
            "source-system": lambda row: local_system(names, kind, row.edition),
            "target-system": lambda row: target_system(names, kind, row.translation.system),
            "source-code": lambda row: row.code,
            "target-code": lambda row: row.translation.code,
        }
        fitting, narrowed = list(rows), False
        for name, stated in wanted:
            values = stated.split(",")
            if name in of_map:
                if of_map[name] not in values:
                    return None
                continue
            narrowed, value_of = True, of_row[name]
            codes = {one.rpartition("|")[2] for one in values} if "code" in name else set(values)
            fitting = [row for row in fitting if value_of(row) in codes]
        return fitting if fitting or not narrowed else None

    def _check(self, ask: Ask, served: Mapping[str, str]) -> None:
        strict = ask.preferences.get("handling") == "strict"
        known = {*served, *CONTROLS, "date", "_count", "_offset"}
        for name, _ in ask.pairs:
            modified = name.partition(":")[0] in served and name not in served
            if modified or (strict and name not in known):
                raise MessageError(
                    [
                        problems.not_supported(
                            "",
                            f"只支持这些搜索参数：{', '.join(served)}",
                            f"these search parameters are served: {', '.join(served)}",
                        )
                    ]
                )

    async def _rows(self, book: CodeBook, kind: str, on: date) -> list[InForce]:
        key = (id(book), kind, on)
        if key not in self._kept:
            self._kept[key] = await asyncio.to_thread(book.in_force, kind, on=on)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]

    def _wanted(self, ask: Ask) -> tuple[date, Page]:
        """The day and the page.

        Raises:
            MessageError: one of them cannot be meant.
        """
        stated = dict(ask.pairs)
        numbers = []
        for name, default in (("_offset", 0), ("_count", MAX_ROWS)):
            text = stated.get(name, str(default))
            if not (text.isascii() and text.isdigit() and len(text) < 8):
                raise MessageError(
                    [problems.wrong_type("", f"{name}应为整数", f"{name} is no whole number")]
                )
            numbers.append(int(text))
        try:
            on = date.fromisoformat(stated["date"]) if "date" in stated else self._now().date()
        except ValueError:
            raise MessageError(
                [problems.wrong_type("", "date不是日期", "date is no date")]
            ) from None
        return on, Page(numbers[0], min(numbers[1], MAX_ROWS))

    @staticmethod
    def _paged(ask: Ask, path: str, tree: dict[str, Any], page: Page, total: int) -> Reply:
        body = encode(tree)
        headers = {"ETag": f'W/"{sm3(body).hex()[:12]}"'}
        if headers["ETag"] in ask.if_none_match:
            return Reply(status=304, headers=headers)
        after = page.offset + page.size
        if page.size and after < total:
            pairs = [("date", tree["date"]), ("_count", page.size), ("_offset", after)]
            headers["Link"] = f'<{ask.base}/{path}?{urlencode(pairs)}>; rel="next"'
        return Reply(status=200, body=body, headers=headers, formed=True)
