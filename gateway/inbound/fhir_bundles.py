"""POST of a Bundle to the base: batch, and transaction under the rule of money.

Source: https://hl7.org/fhir/R4/http.html#transaction, mapping matrix 2.1. What a platform settled
cannot be rolled back. A transaction is therefore taken only when at most one of its entries moves
money. All entries are checked before the first is carried out, the one with money comes last of
those that change something, and a visit that was opened before a later entry failed is cancelled
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from gateway.errors import InvalidError, MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.decode import decode, decode_own, encode
from gateway.fhir.references import as_list
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_asked import READING, EntryAsked, Work
from gateway.inbound.fhir_carried import within
from gateway.inbound.fhir_interactions import Ask, Interactions
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.http_routes import Refusal

MAX_ENTRIES = 100
"""Entries of a Bundle at most, of a message too."""
METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""The order in which a transaction is carried out (http.html#trules)."""


SUBMIT = "$submit"

Find = Callable[[str, str], tuple[Work, dict[str, str]]]
"""Method and path below the base -> the work, and the values of the path's template."""


class Entry(NamedTuple):
    """One entry of a Bundle and what it asks for."""

    number: int
    method: str
    parts: list[str]
    """The path below the base."""
    pairs: list[tuple[str, str]]
    request: dict[str, Any]
    resource: dict[str, Any] | None
    full_url: str

    @property
    def place(self) -> str:
        """Its FHIRPath."""
        return f"Bundle.entry[{self.number}]"

    @property
    def moves_money(self) -> bool:
        """True for what settles, or cancels a settlement (conformance statement X-028)."""
        resource = self.resource or {}
        name = self.parts[0] if self.parts else ""
        if self.looks:
            return False
        if self.method == "POST" and name == "Claim":
            return bool(resource.get("use") != "predetermination")
        return (self.method, name) in {("POST", "Task"), ("PUT", "Claim")}

    @property
    def looks(self) -> bool:
        """True for what changes nothing: a read, a search, an operation that is no $submit."""
        last = self.parts[-1] if self.parts else ""
        asks = self.method == "POST" and (last.startswith("$") or last == "_search")
        return self.method in READING or (asks and last != SUBMIT)

    @property
    def makes(self) -> bool:
        """True for what makes a resource: a create or a $submit."""
        return self.method == "POST" and not self.looks and self.parts[1:] in ([], [SUBMIT])


class Bundles:
    """Carries out the entries of Bundles of one release."""

    def __init__(self, interactions: Interactions, speech: Speech, find: Find) -> None:
        """`find` gives the work of a method and a path, as for a request that came alone."""
        self._do = interactions
        self._speech = speech
        self._find = find

    async def take(self, ask: Ask, raw: bytes) -> Reply:
        """The answer to a Bundle that was posted to the base."""
        tree = decode(raw, max_depth=self._do.adapter.max_depth + 2)
        entries = self._read(ask, tree)
        ask = msgspec.structs.replace(
            ask, preferences={n: v for n, v in ask.preferences.items() if n != "respond-async"}
        )
        if tree["type"] == "batch":
            replies = {entry.number: await self._safely(ask, entry) for entry in entries}
            return self._answer("batch-response", entries, replies)
        return await self._transaction(ask, entries)

    def _read(self, ask: Ask, tree: dict[str, Any]) -> list[Entry]:
        """The entries of a Bundle whose frame is right; resources are read one by one later.

        Raises:
            MessageError: it is no batch or transaction.
            InvalidError: it has too many entries.
        """
        rows = [row for row in as_list(tree.get("entry")) if isinstance(row, dict)]
        bare = [{n: v for n, v in row.items() if n != "resource"} for row in rows]
        shell = {**tree, "entry": bare} if bare else tree
        found = self._speech.forms.shapes.check(shell, "Bundle")
        if tree.get("resourceType") != "Bundle":
            found = [problems.structure("", "此处应为Bundle", "a Bundle is expected here")]
        elif not found and tree["type"] not in {"batch", "transaction"}:
            found = [
                problems.not_supported(
                    "Bundle.type",
                    "只支持batch和transaction",
                    "only batch and transaction are carried out",
                )
            ]
        elif len(rows) > MAX_ENTRIES:
            text = f"超过{MAX_ENTRIES}个条目", f"more than {MAX_ENTRIES} entries"
            raise InvalidError([problems.too_much(*text, "Bundle.entry")])
        for index, row in enumerate(rows):
            if not found and "request" not in row:
                place = f"Bundle.entry[{index}].request"
                found = [problems.required(place, "缺少request", "the request is missing")]
        found = found or list(_repeated(rows))
        if found:
            raise MessageError(found)
        return [self._entry(ask, index, row) for index, row in enumerate(rows)]

    def _entry(self, ask: Ask, index: int, row: dict[str, Any]) -> Entry:
        request = row["request"]
        url = urlsplit(str(request["url"]).removeprefix(ask.base))
        return Entry(
            number=index,
            method=str(request["method"]),
            parts=[_plain(part) for part in url.path.split("/") if part],
            pairs=parse_qsl(url.query),
            request=request,
            resource=row.get("resource") if isinstance(row.get("resource"), dict) else None,
            full_url=str(row.get("fullUrl", "")),
        )

    # One entry

    async def _safely(self, ask: Ask, entry: Entry) -> Reply:
        """The reply to an entry, whatever it is."""
        try:
            return await self._one(ask, entry)
        except Refusal as refusal:
            found = refusal.problem
            place = found.place or entry.place
            return self._speech.outcome(refusal.status, [found.at(place)])
        except MessageError as error:
            return self._speech.refused(error)

    async def _one(self, ask: Ask, entry: Entry) -> Reply:
        require(ask.scopes, entry.method, entry.parts)
        request = entry.request
        own = msgspec.structs.replace(
            ask,
            pairs=entry.pairs,
            if_match=request.get("ifMatch"),
            if_none_match=str(request.get("ifNoneMatch", "")),
            if_none_exist=request.get("ifNoneExist"),
        )
        if not entry.parts or entry.parts == ["$process-message"]:
            raise Refusal(400, _nested())
        work, info = self._find(entry.method, "".join(f"/{part}" for part in entry.parts))
        return await work(EntryAsked(entry.method, info, entry.resource), own)

    # Transactions

    async def _transaction(self, ask: Ask, entries: list[Entry]) -> Reply:
        """Everything or nothing, as far as a platform can take back what it did.

        What only looks is tried before anything is changed, so that no settlement stands in a
        transaction that failed for want of a resource to read; it is answered from afterwards.
        """
        for entry in entries:
            require(ask.scopes, entry.method, entry.parts)
        refused = self._against_the_rule(entries)
        if refused:
            return self._speech.outcome(422, refused)
        entries = await self._rewritten(ask, entries)
        checked = await self._checked(ask, entries)
        if checked is not None:
            return checked
        replies: dict[int, Reply] = {}
        for entry in entries:
            if entry.looks:
                answer = await self._safely(ask, entry)
                if answer.status >= 400:
                    return await self._failed(ask, entry, answer, entries, replies)
        order = sorted(entries, key=lambda one: (METHODS.index(one.method), one.moves_money))
        changing = [one for one in order if one.method in {"POST", "PUT"} and not one.looks]
        changing.sort(key=lambda one: one.moves_money)
        for entry in [*changing, *(one for one in order if one not in changing)]:
            answer = await self._safely(ask, entry)
            replies[entry.number] = answer
            if entry.looks:
                continue
            if answer.status >= 400 or (answer.status == 202 and entry is not changing[-1]):
                return await self._failed(ask, entry, answer, entries, replies)
        return self._answer("transaction-response", entries, replies)

    @staticmethod
    def _against_the_rule(entries: list[Entry]) -> list[Problem]:
        """More than one entry that moves money, or one that nobody serves."""
        found = [
            problems.not_supported(
                f"{one.place}.request", "不支持该交互", "this interaction is not served"
            )
            for one in entries
            if one.method in {"DELETE", "PATCH"} or not one.parts
        ]
        money = [one for one in entries if one.moves_money]
        found += [
            Problem(
                kind=ProblemKind.BUSINESS,
                code=ProblemCode.NOT_SUPPORTED,
                place=one.place,
                zh="一个transaction中最多只能有一项结算或撤销，平台结算不能回滚",
                en="a transaction takes one entry that settles or cancels: a platform does not "
                "roll back",
                remedy_zh="请改用batch，或分别提交",
                remedy_en="use a batch, or send them one by one",
            )
            for one in money[1:]
        ]
        return found

    async def _rewritten(self, ask: Ask, entries: list[Entry]) -> list[Entry]:
        """References by fullUrl lead to what will be made of the entry (X-029).

        The identifier goes with the link, so that the entry that holds it can be checked before
        the other is carried out.
        """
        links: dict[str, dict[str, Any]] = {}
        for entry in entries:
            if not entry.makes or not entry.full_url or entry.resource is None:
                continue
            identity = await self._do.identity(ask, entry.parts[0], encode(entry.resource))
            if identity:
                link: dict[str, Any] = {"reference": f"{entry.parts[0]}/{identity}"}
                stated = as_list(entry.resource.get("identifier"))
                links[entry.full_url] = link | ({"identifier": stated[0]} if stated else {})
        return [entry._replace(resource=_linked(entry.resource, links)) for entry in entries]

    async def _checked(self, ask: Ask, entries: list[Entry]) -> Reply | None:
        """The refusal of the first entries that could not be carried out; None when all could."""
        found: list[Problem] = []
        for entry in entries:
            if not entry.makes:
                continue
            place, name = f"{entry.place}.resource", entry.parts[0]
            meta = {"interaction": "submit" if entry.parts[1:] else "create", "type": name}
            try:
                found += [
                    _inside(one, place)
                    for one in await self._do.check(ask, name, encode(entry.resource), meta)
                ]
            except MessageError as error:
                found += [_inside(one, place) for one in error.problems]
        return self._speech.outcome(422, found) if any(one.stops for one in found) else None

    async def _failed(
        self,
        ask: Ask,
        entry: Entry,
        answer: Reply,
        entries: list[Entry],
        replies: dict[int, Reply],
    ) -> Reply:
        """The answer of the entry that failed; visits that were opened before are cancelled."""
        tree = answer.tree()
        for issue in as_list(tree.get("issue")):
            stated = issue.get("expression", [""])
            if stated != [entry.place]:
                inside = f"{entry.place}.resource"
                issue["expression"] = [within(place, inside) for place in stated]
        for other in entries:
            made = replies.get(other.number)
            if other is entry or made is None or not other.makes:
                continue
            undone = await self._undo(ask, made)
            tree.setdefault("issue", []).append(_told(other, undone=undone))
        headers = {n: v for n, v in answer.headers.items() if n == "Retry-After"}
        return reply(answer.status, tree, headers)

    async def _undo(self, ask: Ask, made: Reply) -> bool:
        tree = made.tree() if made.body else {}
        if tree.get("resourceType") != "Encounter":
            return False
        outer = self._speech.outer({**tree, "status": "cancelled"})
        plain = msgspec.structs.replace(ask, if_match=None, if_none_exist=None)
        done = await self._do.update(plain, "Encounter", str(tree["id"]), encode(outer))
        return done.status == 200

    def _answer(self, kind: str, entries: list[Entry], replies: dict[int, Reply]) -> Reply:
        rows = [_row(replies[entry.number]) for entry in entries]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
        return reply(200, bundle | ({"entry": rows} if rows else {}))


def _nested() -> Problem:
    return problems.not_supported(
        "",
        "Bundle的条目不能再是Bundle，请单独发送",
        "an entry of a Bundle is no Bundle itself: send it alone",
    )


def _plain(part: str) -> str:
    """A part of a path without escapes; an escaped slash stays one and fits nothing."""
    return part if "%2f" in part.lower() else unquote(part)


def _repeated(rows: list[dict[str, Any]]) -> Iterator[Problem]:
    """Entries of the same fullUrl: what refers to it could mean either (bdl-7)."""
    seen: set[str] = set()
    for index, row in enumerate(rows):
        full_url = str(row.get("fullUrl", ""))
        if full_url and full_url in seen:
            yield problems.structure(
                f"Bundle.entry[{index}].fullUrl",
                "fullUrl重复，无法确定引用的是哪一个条目",
                "the fullUrl stands twice: which entry is meant is not known",
            )
        seen.add(full_url)


def _row(answer: Reply) -> dict[str, Any]:
    """The entry of a response Bundle."""
    response: dict[str, Any] = {"status": str(answer.status)}
    for name, header in (("location", "Location"), ("etag", "ETag")):
        if header in answer.headers:
            response[name] = answer.headers[header]
    if "Content-Location" in answer.headers:
        response["location"] = answer.headers["Content-Location"]
    tree = decode_own(answer.body) if answer.body else None
    if tree is None:
        return {"response": response}
    updated = tree.get("meta", {}).get("lastUpdated")
    if updated:
        response["lastModified"] = updated
    if tree["resourceType"] == "OperationOutcome":
        return {"response": {**response, "outcome": tree}}
    return {"resource": tree, "response": response}


def _linked(value: Any, links: dict[str, dict[str, Any]]) -> Any:
    """A copy in which References by fullUrl are replaced."""
    if isinstance(value, dict):
        link = links.get(str(value.get("reference", "")))
        if link is not None:
            return {**value, **link}
        return {name: _linked(inner, links) for name, inner in value.items()}
    if isinstance(value, list):
        return [_linked(inner, links) for inner in value]
    return value


def _inside(found: Problem, place: str) -> Problem:
    """A finding of a resource, in the words of the Bundle."""
    return found.at(within(found.place, place))


def _told(entry: Entry, *, undone: bool) -> dict[str, Any]:
    """What became of an entry that was carried out before another failed."""
    text = "先前的条目已撤销" if undone else "先前的条目已经生效，未撤销"
    return {
        "severity": "information" if undone else "warning",
        "code": "informational" if undone else "incomplete",
        "details": {"text": text},
        "diagnostics": "an entry carried out before was "
        + ("undone" if undone else "not undone: it stands"),
        "expression": [entry.place],
    }
