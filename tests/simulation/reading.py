"""The centre's books as reconciliation reads them: what it holds of a message, or silence."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from gateway.settlement.reconciling import Answered, Held, NotHeld, Silent
from tests.simulation.books import yuan
from tests.simulation.platform import Platform


class CentreBooks:
    """`ReadBack` of the model platform; now and then nobody answers."""

    def __init__(self, platform: Platform, chance: random.Random) -> None:
        self._platform = platform
        self._chance = chance

    async def held(self, _fixmedins_code: str, msgids: Collection[str]) -> Mapping[str, Answered]:
        """What the books say at this moment; what 2601 took back is not in them."""
        return {msgid: self._answer(msgid) for msgid in msgids}

    def _answer(self, msgid: str) -> Answered:
        if self._chance.random() < 0.3:
            return Silent(msgid=msgid, reason="no answer")
        rows = [s for s in self._platform.settled.values() if s.msgid == msgid]
        made = next((row for row in rows if row.state != "reversed"), None)
        if made is None:
            return NotHeld(msgid=msgid, asked_at="")
        return Held(
            msgid=msgid,
            setl_id=made.setl_id,
            mdtrt_id=made.mdtrt_id,
            psn_no=self._platform.stays[made.mdtrt_id].psn_no,
            refund=bool(made.origin),
            medfee_sumamt=yuan(made.total),
            fund_pay_sumamt=yuan(made.fund),
            acct_pay=yuan(made.account),
        )
