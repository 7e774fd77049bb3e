"""Invoices of chapter 16 of HL7 v2: one visit settled by EHC^E01, its settlement cancelled by E02.

And what a pharmacy sends over FHIR.
"""

from __future__ import annotations

from typing import Any

from gateway.demo import messages as m

PHARMACY = "P43010000001"
ENCODING = "gb18030"
HOSPITAL = "长沙示范医院^^^^^^^^^H43010000001"
ITEM = "PSL|1||1|||P|{code}^{name}||检查|{time}||{quantity}|{price}&CNY|||{amount}&CNY|||||N"


class Invoices:
    """The invoices of a hospital, in version 2.6, each of one charge line."""

    def __init__(self, his: m.HIS) -> None:
        self._his = his

    def invoice(self, person: m.Person, number: str, item: m.Item) -> bytes:
        """EHC^E01: register, charge and settle a visit of one line."""
        his = self._his
        pid, pv1, time = self._visit(person, number, item.amount)
        values = {**item._asdict(), "time": time}
        return self._message(
            "EHC^E01",
            self._head(number, "OR", item.amount, time),
            "PYE|1|ORG",
            f"PSS|S1||1|{item.amount}&CNY|门诊",
            f"PSG|B-{number}||1|N|{item.amount}&CNY|检查",
            *(pid, pv1, his.insurance(person), his.diagnosis("J06.900", "急性上呼吸道感染", "A")),
            ITEM.format(**values),
        )

    def cancellation(self, person: m.Person, number: str, setl_id: str, total: str) -> bytes:
        """EHC^E02: cancel the settlement of a visit."""
        *_, time = self._visit(person, number, total)
        head = self._head(number, "CN", total, time, setl_id)
        return self._message("EHC^E02", head, "PYE|1|ORG", "NTE|1||开错")

    def _head(self, number: str, control: str, total: str, time: str, setl_id: str = "") -> str:
        name = f"INV-{number}|{setl_id}||{control}"
        return f"IVC|{name}|NORM|FS|{time}|{total}&CNY||{HOSPITAL}|长沙医保"

    def _visit(self, person: m.Person, number: str, total: str) -> tuple[str, str, str]:
        """PID, PV1 and the time of now, as every message of the visit has them."""
        _, event, pid, pv1, *_ = (
            self._his.payment(person, number, "O", total).decode(ENCODING).split("\r")
        )
        return pid, pv1, event.split("|")[2]

    def _message(self, event: str, *segments: str) -> bytes:
        head, _, rest = self._his.message(event, *segments).partition(b"\r")
        fields = head.split(b"|")
        fields[11] = b"2.6"
        return b"|".join(fields) + b"\r" + rest


class ShopClient(m.FHIRClient):
    """The resources of the pharmacy."""

    def key(self, kind: str) -> dict[str, str]:
        """A fresh identifier of the pharmacy's own."""
        return super().key(f"shop-{kind}")

    def provider(self) -> dict[str, Any]:
        """A reference to the pharmacy."""
        return {"identifier": self.identifier("fixmedins", PHARMACY)}
