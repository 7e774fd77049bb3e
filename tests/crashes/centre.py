"""The reference platform as a place where things happen to the gateway: it dies, its replies are lost."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from conformance.platform.centre import Centre as Region
from conformance.platform.centre import Reply
from conformance.platform.config import PlatformConfig
from conformance.platform.faults import Fault, FaultKind
from conformance.platform.server import Platform

REGION = "430100"
SIGN_IN = "90"
"""Sign-ins begin so; losing their replies is no matter of money."""

LOSSES = (FaultKind.DROP_AFTER, FaultKind.DROP_AFTER, FaultKind.DROP_BEFORE)
"""How a reply gets lost: mostly after the work was done."""


class Centre(Platform):
    """A platform in memory.

    `trap` is asked before and after the work of every request, with the transaction. `lossy` is
    the share of requests whose reply is lost, of all transactions or of `infno`, and `lost` counts
    them, up to `losses`.
    """

    def __init__(self, config: PlatformConfig, chance: random.Random) -> None:
        silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
        super().__init__(config, log=structlog.wrap_logger(None, wrapper_class=silent))
        self.store = self._store
        self._chance = chance
        self.purchases: dict[str, str] = {}
        """The shop's own number of each purchase that the gateway knows; the bureau has none."""
        self.trap: Callable[[str, str], None] = lambda _moment, _infno: None
        self.infno = ""
        self.lossy = 0.0
        self.losses = 0
        self.lost = 0

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        infno = request.headers.get("_api_name", "")
        strikes = self.lost < self.losses and self._chance.random() < self.lossy
        concerned = infno == self.infno if self.infno else not infno.startswith(SIGN_IN)
        if strikes and concerned:
            self.lost += 1
            kind = self._chance.choice(LOSSES)
            self.faults.add(Fault(kind=kind, region=REGION, infno=infno))
        return await super()._serve(request)

    def _work(self, centre: Region, body: bytes, name: str) -> Reply:
        self.trap("arrived", name)
        reply = super()._work(centre, body, name)
        self.trap("worked", name)
        return reply

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the platform's own database."""
        return [dict(row) for row in self.store.all(query, *values)]

    def did(self, msgid: str) -> bool:
        """True when the request of this number was carried out."""
        return bool(self.rows("SELECT 1 FROM requests WHERE msgid = ? AND infcode = 0", msgid))

    def settlement(self, msgid: str) -> str:
        """The live settlement that a request made, empty when there is none."""
        query = "SELECT setl_id FROM settlements WHERE msgid = ? AND state = 'settled'"
        found = self.rows(query, msgid)
        return str(found[0]["setl_id"]) if found else ""

    def refund(self, msgid: str) -> str:
        """The cancellation of a settlement that a request made, empty when there is none."""
        query = "SELECT setl_id FROM settlements WHERE msgid = ? AND state = 'refund'"
        found = self.rows(query, msgid)
        return str(found[0]["setl_id"]) if found else ""

    def visit(self, msgid: str) -> str:
        """The open visit that a request registered, empty when there is none."""
        query = "SELECT mdtrt_id FROM visits WHERE msgid = ? AND state = 'open'"
        found = self.rows(query, msgid)
        return str(found[0]["mdtrt_id"]) if found else ""

    def number(self, ipt_otp_no: str) -> str:
        """The platform's number of the visit that stands under the hospital's number."""
        query = "SELECT mdtrt_id FROM visits WHERE ipt_otp_no = ? AND state <> 'cancelled'"
        return str(self.rows(query, ipt_otp_no)[-1]["mdtrt_id"])

    def take_out(self, number: str) -> None:
        """A clerk of the bureau takes out by hand what 2601 cannot: the open lines of a visit."""
        self.store.run(
            "DELETE FROM charges WHERE setl_id = '' AND mdtrt_id IN "
            "(SELECT mdtrt_id FROM visits WHERE ipt_otp_no = ?)",
            number,
        )
