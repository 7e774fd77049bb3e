"""The visits of the model platform: opened, described, ended, closed and looked for."""

from __future__ import annotations

from typing import Any

from tests.simulation.books import Refusal, Stay

BOUGHT = "41"
"""`med_type` of a purchase."""


class Registry:
    """Registrations, admissions and purchases, by mdtrt_id."""

    def __init__(self, *, lenient: bool, region: str) -> None:
        self.lenient = lenient
        self.region = region
        self.stays: dict[str, Stay] = {}
        self.wrongs: list[str] = []
        """What must never happen, in words."""
        self._serial = 0

    def _number(self) -> int:
        self._serial += 1
        return self._serial

    def new_visit(self) -> str:
        """An mdtrt_id."""
        return f"{self.region}{self._number():012d}"

    def stay(self, data: dict[str, Any], setting: str) -> Stay:
        """The open visit that an input names."""
        stay = self.stays.get(data["mdtrt_id"])
        if stay is None or stay.state == "cancelled" or stay.setting != setting:
            raise Refusal("就诊信息不存在")
        if stay.psn_no != data["psn_no"]:
            raise Refusal("人员编号与就诊信息不符")
        return stay

    def register(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2201."""
        row = data["data"]
        return {"data": row | {"mdtrt_id": self._open(row, row["ipt_otp_no"], "out", msgid)}}

    def admit(self, data: dict[str, Any], msgid: str) -> dict[str, Any]:
        """2401."""
        row = data["mdtrtinfo"]
        return {"result": {"mdtrt_id": self._open(row, row["ipt_no"], "in", msgid)}}

    def _open(self, row: dict[str, Any], number: str, setting: str, msgid: str) -> str:
        if any(s.number == number and s.state != "cancelled" for s in self.stays.values()):
            if not self.lenient:
                raise Refusal("住院/门诊号已存在，不能重复登记")
            self.wrongs.append(f"visit {number} was registered twice")
        mdtrt_id = self.new_visit()
        self.stays[mdtrt_id] = Stay(mdtrt_id, setting, row["psn_no"], number, msgid)
        return mdtrt_id

    def describe(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2203, 2403: overwrites."""
        self.stay(next(iter(data.values())), "out" if "mdtrtinfo" in data else "in")
        return {}

    def unregister(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2202."""
        return self._close(self.stay(data["data"], "out"))

    def unadmit(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2404."""
        return self._close(self.stay(data["data"], "in"))

    def _close(self, stay: Stay) -> dict[str, Any]:
        if stay.state == "discharged":
            raise Refusal("患者已办理出院，请先撤销出院")
        if stay.lines:
            raise Refusal("该就诊已上传费用明细，请先撤销费用明细")
        stay.state = "cancelled"
        return {}

    def discharge(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2402."""
        stay = self.stay(data["dscginfo"], "in")
        if stay.state == "discharged" and not self.lenient:
            raise Refusal("患者已办理出院，不能重复办理")
        stay.state = "discharged"
        return {}

    def undischarge(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """2405."""
        stay = self.stay(data["data"], "in")
        if stay.settled:
            raise Refusal("患者已结算，请先撤销结算")
        if stay.state != "discharged":
            raise Refusal("患者未办理出院")
        stay.state = "open"
        return {}

    def find_visits(self, data: dict[str, Any], _msgid: str) -> dict[str, Any]:
        """5201, 5303: the person's open visits of a setting, or the purchases that stand."""
        row = data["data"]
        setting = "out" if "med_type" in row else "in"
        setting = "shop" if row.get("med_type") == BOUGHT else setting
        found = [
            {"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "ipt_otp_no": stay.number}
            for stay in self.stays.values()
            if (stay.psn_no, stay.setting) == (row["psn_no"], setting) and stay.state != "cancelled"
        ]
        return {"data": found} if setting == "in" else {"mdtrtinfo": found}
