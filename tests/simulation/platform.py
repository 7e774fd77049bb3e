"""A model of a regional platform: visits, charge lines, settlements and reversals in memory.

It knows nothing of the gateway. It refuses what the reference platform refuses, unless it is
`lenient`: then it takes a second registration, a line or a settlement a second time, so that only
the sender's care prevents it. Whoever looks finds every such case in `wrongs`.

Amounts inside are integer fen. Of each line a tenth is paid first by the patient; of the rest the
fund pays seven tenths, rounded down to the fen; the account pays what it can when it may.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tests.simulation.books import (
    Line,
    Refusal,
    Settled,
    Stay,
    fen,
    line_result,
    person_of,
    reply,
    settlement_result,
    yuan,
)
from tests.simulation.registry import Registry

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

REVERSIBLE = ("2102", "2207", "2304", "2401")
EVERYTHING = "0000"
"""Batch or line number that means every unsettled line."""


class Platform(Registry):
    """Receives requests and answers them, whatever became of the connection they came by."""

    def __init__(self, persons: dict[str, int], *, lenient: bool, region: str = "430100") -> None:
        """`persons` gives each person's number and the fen of the account."""
        super().__init__(lenient=lenient, region=region)
        self.balances = dict(persons)
        self.before = dict(persons)
        self.requests: dict[str, tuple[str, str, bool]] = {}
        """msgid: transaction, person, carried out."""
        self.inputs: dict[str, dict[str, Any]] = {}
        """msgid: input of what was carried out."""
        self.settled: dict[str, Settled] = {}
        self.lists: dict[str, str] = {}
        """setl_id: msgid of the 4101 that brought its list last."""
        self.sign_ins: set[str] = set()
        self._late = False
        self._closed = False

    def receive(self, body: bytes, *, late: bool = False) -> bytes:
        """Carry a request out, or refuse it; a message id is taken once.

        `late` says that it was long on its way: what it computes may be over by now.
        """
        self._late = late
        envelope = _decode(body)
        infno, msgid = envelope["infno"], envelope["msgid"]
        data = envelope["input"]
        person = person_of(data)
        try:
            if infno != "9001" and envelope["sign_no"] not in self.sign_ins:
                raise Refusal("签到流水号不存在，请先签到")
            if msgid in self.requests:
                raise Refusal("发送方报文ID重复")
            try:
                output = _HANDLERS[infno](self, data, msgid)
            except Refusal:
                self.requests[msgid] = (infno, person, False)
                raise
            self.requests[msgid] = (infno, person, True)
            self.inputs[msgid] = data
        except Refusal as refusal:
            return _encode(reply(infcode=-1, err_msg=str(refusal), output=None, msgid=msgid))
        return _encode(reply(infcode=0, err_msg="", output=output, msgid=msgid))

    def restart(self) -> None:
        """Everything stored stays; whoever signed in has to do so again."""
        self.sign_ins.clear()

    def close_funds(self, closed: bool) -> None:  # noqa: FBT001 - given to a timer
        """No settlement is made until it is opened again."""
        self._closed = closed

    def live(self) -> list[Settled]:
        """Settlements that stand."""
        return [s for s in self.settled.values() if s.state == "settled"]

    def is_undone(self, msgid: str) -> bool:
        """A 2601 has taken back what this message did."""
        made = [s.state == "reversed" for s in self.settled.values() if s.msgid == msgid]
        return any(
            made or [s.state == "cancelled" for s in self.stays.values() if s.msgid == msgid]
        )

    def sign_in(self, _data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """9001."""
        sign_no = f"S{self._number()}"
        self.sign_ins.add(sign_no)
        return {"signinoutb": {"sign_no": sign_no, "sign_time": "2026-03-02 09:00:00"}}

    def identify(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """1101."""
        psn_no = data["data"]["mdtrt_cert_no"]
        if psn_no not in self.balances:
            raise Refusal("未查询到人员基本信息")
        person = {"psn_no": psn_no, "psn_cert_type": "01", "certno": "C" + psn_no}
        row = {"balc": yuan(self.balances[psn_no]), "insutype": "310", "psn_type": "11"}
        row |= {"cvlserv_flag": "0", "insuplc_admdvs": self.region, "psn_insu_stas": "1"}
        return {
            "baseinfo": person | {"psn_name": "测试", "gend": "1", "age": 40},
            "insuinfo": [row],
            "idetinfo": [],
        }

    def charge(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2204, 2301: all lines or none."""
        rows = data["feedetail"]
        stay = self.stay(rows[0], self._setting(rows[0]))
        lines = [
            Line(
                str(row["feedetl_sn"]),
                row["medins_list_codg"],
                row.get("chrg_bchno") or "",
                fen(row["det_item_fee_sumamt"]),
            )
            for row in rows
        ]
        for line in lines:
            if any(old.number == line.number or old.item == line.item for old in stay.lines):
                if not self.lenient:
                    raise Refusal(f"费用明细{line.number}重复")
                self.wrongs.append(f"line {line.item} was uploaded twice")
        stay.lines += lines
        return {"result": [line_result(line) for line in lines]}

    def _setting(self, row: dict[str, Any]) -> str:
        stay = self.stays.get(row["mdtrt_id"])
        return stay.setting if stay else ""

    def withdraw(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2205: a batch; 2302: lines."""
        rows = data["data"]
        if isinstance(rows, dict):
            stay = self.stay(rows, "out")
            named = {rows["chrg_bchno"]}
            gone = [line for line in stay.lines if line.batch in named]
        else:
            stay = self.stay(rows[0], "in")
            named = {str(row["feedetl_sn"]) for row in rows}
            gone = [line for line in stay.lines if line.number in named]
        if EVERYTHING in named:
            gone = [line for line in stay.lines if not line.setl_id]
        if not gone:
            raise Refusal("未查询到可撤销的费用明细")
        if any(line.setl_id for line in gone):
            raise Refusal("已参与结算，不能撤销费用明细")
        stay.lines = [line for line in stay.lines if line not in gone]
        return {}

    def presettle(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2206, 2303."""
        made, lines, _ = self._quote(data["data"], msgid, "")
        return settlement_result(made, lines)

    def settle(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2207, 2304; without mid_setl_flag it is the last one of a stay."""
        if self._closed:
            raise Refusal("基金结算窗口未开放")
        made, lines, stay = self._quote(data["data"], msgid, f"T{self._number():08d}")
        for line in lines:
            if line.setl_id:
                self.wrongs.append(f"line {line.item} was settled twice")
            line.setl_id = made.setl_id
        self.settled[made.setl_id] = made
        self.balances[stay.psn_no] -= made.account
        made.last = stay.setting == "in" and data["data"].get("mid_setl_flag") != "1"
        stay.settled = stay.settled or made.last
        return settlement_result(made, lines)

    def _quote(
        self, row: dict[str, Any], msgid: str, setl_id: str
    ) -> tuple[Settled, list[Line], Stay]:
        batch = row.get("chrg_bchno") or ""
        stay = self.stay(row, "out" if batch else "in")
        lines = [line for line in stay.lines if line.batch == batch or not batch]
        unsettled = [line for line in lines if not line.setl_id]
        if not self.lenient or not setl_id or (unsettled and not batch):
            if batch and len(unsettled) < len(lines):
                raise Refusal("该收费批次已结算，不能重复结算")
            lines = unsettled
        if not lines:
            raise Refusal("没有待结算的费用明细")
        return self._computed(row, stay, lines, (setl_id, msgid)), lines, stay

    def _computed(
        self, row: dict[str, Any], stay: Stay, lines: list[Line], ids: tuple[str, str]
    ) -> Settled:
        """What the fund and the account pay of these lines; `ids` are setl_id and msgid."""
        setl_id, msgid = ids
        total, first = sum(line.amount for line in lines), sum(line.first for line in lines)
        stated = {"medfee_sumamt": total, "preselfpay_amt": first, "inscp_scp_amt": total - first}
        for code, amount in stated.items():
            if row.get(code) not in (None, "") and fen(row[code]) != amount:
                if setl_id or not self._late:
                    self.wrongs.append(f"{code} was stated as {row[code]}, not {yuan(amount)}")
                raise Refusal(f"{code}与已上传费用明细合计不一致")
        fund = (total - first) * 7 // 10
        own = total - fund
        account = min(own, self.balances[stay.psn_no]) if row.get("acct_used_flag") == "1" else 0
        numbers = tuple(line.number for line in lines)
        return Settled(setl_id, msgid, stay.mdtrt_id, numbers, total, fund, account)

    def presell(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2101: what 2102 would give."""
        return self._bought(data, msgid, "")[2]

    def sell(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2102: opens, charges and settles in one; nothing in it says that it is a second one."""
        if self._closed:
            raise Refusal("基金结算窗口未开放")
        stay, made, output = self._bought(data, msgid, f"T{self._number():08d}")
        standing = [s for s in self.stays.values() if s.setting == "shop" and s.state == "open"]
        have = {line.item for other in standing for line in other.lines}
        for line in stay.lines:
            if line.item in have:
                self.wrongs.append(f"{line.item} was bought twice")
            line.setl_id = made.setl_id
        self.stays[stay.mdtrt_id] = stay
        self.settled[made.setl_id] = made
        self.balances[stay.psn_no] -= made.account
        return output

    def _bought(
        self, data: dict[str, Any], msgid: str, setl_id: str
    ) -> tuple[Stay, Settled, dict[str, Any]]:
        """A purchase, computed."""
        row, rows = data["druginfo"], data["drugdetail"]
        if row["psn_no"] not in self.balances:
            raise Refusal("未查询到人员基本信息")
        stay = Stay(self.new_visit(), "shop", row["psn_no"], "", msgid)
        for each in rows:
            amount = fen(each["det_item_fee_sumamt"])
            number = str(each["feedetl_sn"])
            stay.lines.append(Line(number, each["medins_list_codg"], "", amount))
        made = self._computed(row, stay, stay.lines, (setl_id, msgid))
        cut = [line_result(line) for line in stay.lines]
        return stay, made, {**settlement_result(made, stay.lines), "detlcutinfo": cut}

    def take_back(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2103: the whole purchase, which is over then."""
        stay = self.stay(data["data"], "shop")
        output = self.cancel(data, msgid)
        stay.state = "cancelled"
        return output

    def cancel(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2208, 2305: a row of its own with the sign turned."""
        if self._closed:
            raise Refusal("基金结算窗口未开放")
        row = data["data"]
        old = self.settled.get(row["setl_id"])
        if old is None or old.mdtrt_id != row["mdtrt_id"] or old.origin:
            raise Refusal("未查询到结算信息")
        if old.state != "settled":
            raise Refusal("该结算已撤销，不能重复撤销")
        made = Settled(
            f"T{self._number():08d}",
            msgid,
            old.mdtrt_id,
            old.lines,
            -old.total,
            -old.fund,
            -old.account,
            state="refund",
            origin=old.setl_id,
        )
        self.settled[made.setl_id] = made
        self._release(old, "refunded")
        stay = self.stays[old.mdtrt_id]
        return settlement_result(made, [ln for ln in stay.lines if ln.number in old.lines])

    def _release(self, old: Settled, state: str) -> None:
        stay = self.stays[old.mdtrt_id]
        for line in stay.lines:
            if line.setl_id == old.setl_id:
                line.setl_id = ""
        self.balances[stay.psn_no] += old.account
        stay.settled = stay.settled and not old.last
        old.state = state

    def reverse(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2601: as if the message had never been; what is unknown cannot be reversed."""
        row = data["data"]
        infno, person, done = self.requests.get(row["omsgid"], ("", "", False))
        if infno != row["oinfno"] or person != row["psn_no"]:
            raise Refusal("未查询到原交易信息")
        if infno not in REVERSIBLE:
            raise Refusal(f"交易{infno}不支持冲正")
        if not done:
            raise Refusal("原交易未成功，无需冲正")
        if infno == "2401":
            stay = next(s for s in self.stays.values() if s.msgid == row["omsgid"])
            return {} if stay.state == "cancelled" else self._close(stay)
        old = next(s for s in self.settled.values() if s.msgid == row["omsgid"])
        if old.state == "refunded":
            raise Refusal("该结算已撤销，不能冲正")
        if old.state == "settled":
            self._release(old, "reversed")
            old.reversed_by = msgid
            stay = self.stays[old.mdtrt_id]
            stay.state = "cancelled" if stay.setting == "shop" else stay.state
        return {}

    def read_back(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """5203."""
        old = self.settled.get(data["data"]["setl_id"])
        if old is None or old.state == "reversed":
            raise Refusal("未查询到结算信息")
        stay = self.stays[old.mdtrt_id]
        lines = [line for line in stay.lines if line.number in old.lines]
        return settlement_result(old, lines)

    def take_list(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """4101: the list of a settlement that stands; a further one takes the place of the first."""
        setl_id = data["setlinfo"]["setl_id"]
        made = self.settled.get(setl_id)
        if made is None or made.state != "settled":
            raise Refusal("未查询到结算信息")
        self.lists[setl_id] = msgid
        return {"data": {"setl_list_id": f"L{setl_id}"}}

    def show_list(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """4103."""
        setl_id = data["data"]["setl_id"]
        if setl_id not in self.lists:
            raise Refusal("未查询到结算清单")
        return {"setlinfo": {"setl_list_sn": f"L{setl_id}", "stas_type": "0"}}


_HANDLERS: dict[str, Callable[[Platform, dict[str, Any], str], dict[str, Any]]] = {
    "9001": Platform.sign_in,
    "1101": Platform.identify,
    "2101": Platform.presell,
    "2102": Platform.sell,
    "2103": Platform.take_back,
    "2201": Platform.register,
    "2202": Platform.unregister,
    "2203": Platform.describe,
    "2204": Platform.charge,
    "2205": Platform.withdraw,
    "2206": Platform.presettle,
    "2207": Platform.settle,
    "2208": Platform.cancel,
    "2301": Platform.charge,
    "2302": Platform.withdraw,
    "2303": Platform.presettle,
    "2304": Platform.settle,
    "2305": Platform.cancel,
    "2401": Platform.admit,
    "2402": Platform.discharge,
    "2403": Platform.describe,
    "2404": Platform.unadmit,
    "2405": Platform.undischarge,
    "4101": Platform.take_list,
    "4103": Platform.show_list,
    "2601": Platform.reverse,
    "5201": Platform.find_visits,
    "5203": Platform.read_back,
    "5303": Platform.find_visits,
}
