"""The admin paths: look at what the centres hold, order faults, start afresh.

Every request carries `Authorization: Bearer <admin_token>`. JSON in, JSON out::

    GET    /admin/health                     {"regions": ["430100", ...]}
    GET    /admin/settlements                rows; ?region= ?state= ?mdtrt_id= ?msgid= narrow them
    GET    /admin/visits                     rows; ?region= ?state= ?mdtrt_id= ?msgid=
    GET    /admin/requests                   rows; ?region= ?infno= ?msgid=
    GET    /admin/ledger                     a row a region: settlements it treated and funded
    GET    /admin/accounts                   rows of psn_no, insutype, insuplc_admdvs, balc
    GET    /admin/files                      names and sizes of files that wait for 9102; ?owner=
    GET    /admin/documents                  inputs that were kept; ?region= ?infno= ?msgid=
    GET    /admin/confirmations              clearing lines that were confirmed; ?region= ?period=
    GET    /admin/filings                    filings; ?region= ?kind= ?state= ?psn_no= ?msgid=
    GET    /admin/lists                      settlement lists; ?region= ?setl_id=
    GET    /admin/faults                     faults that wait
    POST   /admin/faults                     one fault (see `faults`); answers it with its id
    DELETE /admin/faults                     forget the faults
    POST   /admin/expire-sessions            end every sign-in
    POST   /admin/reset                      forget everything but the configuration
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from conformance.platform import wire
from conformance.platform.centre import Centre
from conformance.platform.faults import Fault, FaultBook
from conformance.platform.store import Store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LISTS = {
    "settlements": (
        (
            "SELECT setl_id, mdtrt_id, region, fund_region, pool, setting, insutype, state, infno, "
            "msgid, chrg_bchno, origin, mid_setl_flag, setl_time, clr_type, clr_optins, pay_loc, "
            "medfee_sumamt, fund_pay_sumamt, acct_pay FROM settlements"
        ),
        ("region", "state", "mdtrt_id", "msgid"),
    ),
    "visits": (
        (
            "SELECT mdtrt_id, region, fixmedins_code, setting, insutype, pool, med_type, "
            "ipt_otp_no, begntime, endtime, state, msgid FROM visits"
        ),
        ("region", "state", "mdtrt_id", "msgid"),
    ),
    "requests": (
        (
            "SELECT msgid, region, infno, fixmedins_code, infcode, err_msg, inf_refmsgid, received "
            "FROM requests"
        ),
        ("region", "infno", "msgid"),
    ),
    "files": (
        ("SELECT file_qury_no, region, owner, filename, until, length(content) AS size FROM files"),
        ("region", "owner"),
    ),
    "documents": (
        ("SELECT msgid, region, infno, fixmedins_code, input FROM documents"),
        ("region", "infno", "msgid"),
    ),
    "confirmations": (
        ("SELECT setl_id, region, fixmedins_code, period, transid, cnfm_flag FROM confirmations"),
        ("region", "period"),
    ),
    "filings": (
        (
            "SELECT trt_dcla_detl_sn, region, fixmedins_code, pool, kind, subject, psn_no, "
            "begndate, enddate, filed, state, msgid FROM filings"
        ),
        ("region", "kind", "state", "psn_no", "msgid"),
    ),
    "lists": (
        (
            "SELECT setl_id, region, fixmedins_code, setl_list_id, stas_type, setl_ym, uploaded, "
            "findings FROM lists"
        ),
        ("region", "setl_id"),
    ),
    "accounts": (
        ("SELECT psn_no, insutype, insuplc_admdvs, balc FROM insurances"),
        ("psn_no",),
    ),
}
"""Path to the rows it lists, in the order they were made, and the columns that narrow them."""


class Admin:
    """The admin paths of one process."""

    def __init__(
        self, token: str, store: Store, centres: dict[str, Centre], faults: FaultBook
    ) -> None:
        self._token = token
        self._store = store
        self._centres = centres
        self._faults = faults

    def routes(self) -> Sequence[web.RouteDef]:
        """The routes, each behind the token."""
        lists = [web.get(f"/admin/{name}", self._guarded(self._listing(name))) for name in _LISTS]
        return [
            *lists,
            web.get("/admin/health", self._guarded(self._health)),
            web.get("/admin/ledger", self._guarded(self._ledger)),
            web.get("/admin/faults", self._guarded(self._waiting)),
            web.post("/admin/faults", self._guarded(self._order)),
            web.delete("/admin/faults", self._guarded(self._forget)),
            web.post("/admin/expire-sessions", self._guarded(self._expire)),
            web.post("/admin/reset", self._guarded(self._reset)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
                return _json({"error": "token missing or wrong"}, status=401)
            return await handler(request)

        return guarded

    def _listing(self, name: str) -> Handler:
        statement, columns = _LISTS[name]

        async def listing(request: web.Request) -> web.Response:
            wanted = {key: value for key, value in request.query.items() if key in columns}
            clause = " AND ".join(f"{column} = ?" for column in wanted)
            query = f"{statement}{' WHERE ' + clause if clause else ''} ORDER BY rowid"
            return _json([dict(row) for row in self._store.all(query, *wanted.values())])

        return listing

    async def _health(self, _request: web.Request) -> web.Response:
        return _json({"regions": list(self._centres)})

    async def _ledger(self, _request: web.Request) -> web.Response:
        return _json([self._books(region) for region in self._centres])

    def _books(self, region: str) -> dict[str, Any]:
        rows = self._store.all(
            "SELECT ledger.*, settlements.state FROM ledger JOIN settlements USING (setl_id) "
            "WHERE ledger.region = ?",
            region,
        )
        books: dict[str, Any] = {"region": region}
        for role, name in (("treatment", "treated"), ("insured", "funded")):
            mine = [row for row in rows if row["role"] == role]
            books[f"{name}_settlements"] = sum(row["state"] == "settled" for row in mine)
            for code in ("fund_pay_sumamt", "acct_pay"):
                total = sum((Decimal(row[code]) for row in mine), Decimal("0.00"))
                books[f"{name}_{code}"] = str(total)
        return books

    async def _waiting(self, _request: web.Request) -> web.Response:
        return _json(self._faults.waiting())

    async def _order(self, request: web.Request) -> web.Response:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, status=400)
        return _json(self._faults.add(fault), status=201)

    async def _forget(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        return _json({})

    async def _expire(self, _request: web.Request) -> web.Response:
        return _json({"expired": sum(each.expire_sessions() for each in self._centres.values())})

    async def _reset(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        self._store.reset()
        return _json({})


def _json(document: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=wire.encode(document), status=status, content_type="application/json")
