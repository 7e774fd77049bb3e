"""Valid inputs made from the definitions: examples for people, tests and probes.

A sample has every field that the definition knows, short values, the first entry of each value
set, and satisfies the rules between fields. Nobody's data: the identity number has a county code
that does not exist.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.fsi.definitions import Definitions, Field, Node
from gateway.fsi.profiles import Profile
from gateway.fsi.rules.lines import PURCHASES
from gateway.fsi.rules.queries import FILE_INSTITUTION

IDENTITY_NUMBER = "430199198001010010"
"""Right check digit, county code 430199, which was never assigned."""
DATE = "2026-03-01"
DATETIME = "2026-03-01 09:05:07"

DIAGNOSIS = "J06.900"

_AMOUNT = Decimal("3.00")

_NUMBERS = {
    "cnt": Decimal(2),
    "pric": Decimal("1.5"),
    "det_item_fee_sumamt": _AMOUNT,
    "medfee_sumamt": Decimal("10.50"),
    "fulamt_ownpay_amt": Decimal("1.00"),
    "overlmt_selfpay": Decimal("0.50"),
    "preselfpay_amt": Decimal("2.00"),
    "inscp_scp_amt": Decimal("7.00"),
}
"""Lines of 2 x 1.5, and a settlement whose four parts add up."""

_TEXTS = {
    "vali_flag": "1",
    "psn_no": "P1",
    "mdtrt_id": "V1",
    "psn_cert_type": "01",
    "cert_type": "01",
    "certno": IDENTITY_NUMBER,
    "mdtrt_cert_type": "02",
    "mdtrt_cert_no": IDENTITY_NUMBER,
    "chrg_bchno": "B1",
    "dise_codg": "M1",
    "dscg_maindiag_code": DIAGNOSIS,
    "exp_content": "{}",
    "setl_ym": "202603",
    "stas_type": "0",
    "omsgid": "H43010000001202603010905070001",
    "refdType": "ALL",
    "inv_data_type": "4",
    "upType": "0",
    "hilist_lv": "01",
    **dict.fromkeys(("fixmedins_refd_setl_flag", "refd_setl_flag", "refdset_flag"), "0"),
    **dict.fromkeys(("vent_used_dura", "scs_cutd_sum_dura"), "1/13/24"),
    **dict.fromkeys(("pwcry_bfadm_coma_dura", "pwcry_afadm_coma_dura"), "0/1/30"),
    **dict.fromkeys(("mul_nwb_bir_wt", "mul_nwb_adm_wt"), "2510,2640"),
}

_OF_TRANSACTIONS = {
    ("2601", "oinfno"): "2207",
    ("9102", "fixmedins_code"): FILE_INSTITUTION,
}

_ALSO = {
    "1201": {"fixmedins_code"},
    "3101": {"trig_scen"},
    "3102": {"trig_scen"},
    "3512": {"med_list_codg"},
    "3513": {"med_list_codg"},
    "6202": {"payAuthNo"},
}
"""Optional fields of which a rule asks for one."""

_LEFT_OUT = {"init_feedetl_sn"}
"""Fields that make a line a return."""


def sample_input(
    definitions: Definitions,
    profile: Profile,
    infno: str,
    *,
    rows: int = 2,
    required_only: bool = False,
) -> dict[str, Any]:
    """A valid input of the transaction; `rows` of each repeating node.

    With `required_only` it has no optional field and no optional node.

    Raises:
        KeyError: there is no such transaction.
    """
    transaction = definitions.transaction(infno)
    sampler = _Sampler(definitions, profile, infno, rows, required_only=required_only)
    content: dict[str, Any] = {}
    for node in transaction.input:
        if node.parent is None and (node.required or not required_only):
            sampler.place(node, content)
    return content


class _Sampler:
    def __init__(
        self,
        definitions: Definitions,
        profile: Profile,
        infno: str,
        rows: int,
        *,
        required_only: bool,
    ) -> None:
        self._definitions = definitions
        self._profile = profile
        self._infno = infno
        self._nodes = definitions.transaction(infno).input
        self._rows = rows
        self._required_only = required_only

    def place(self, node: Node, holder: dict[str, Any]) -> None:
        """Put the node into the object that holds it."""
        if node.name == "":
            holder.update(self._row(node, 0))
        elif node.repeats:
            holder[node.name] = [self._row(node, at) for at in range(self._rows)]
        else:
            holder[node.name] = self._row(node, 0)

    def _row(self, node: Node, at: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        children = {n.name: n for n in self._nodes if n.parent == node.name and n is not node}
        for field in node.fields:
            if field.code in _LEFT_OUT or not self._wanted(field):
                continue
            if field.code in children:
                self.place(children.pop(field.code), row)
            else:
                row[field.code] = self._value(field, at)
        for child in children.values():
            if not self._required_only:
                self.place(child, row)
        return row

    def _wanted(self, field: Field) -> bool:
        also = _ALSO.get(self._infno, set())
        return field.required or not self._required_only or field.code in also

    def _value(self, field: Field, at: int) -> Any:
        fixed = self._fixed(field, at)
        if fixed is not None:
            return fixed
        if field.type == "json":
            return []
        if field.type == "date":
            return DATE
        if field.type == "datetime":
            return DATETIME
        if field.type == "number":
            return 1
        if field.dictionary:
            return self._code(field)
        return f"{field.code}{at}"[: field.max_length]

    def _fixed(self, field: Field, at: int) -> Any:
        if field.code == "feedetl_sn":
            return str(at + 1)
        if field.type == "number":
            number = _NUMBERS.get(field.code)
            if field.code == "diag_srt_no":
                number = Decimal(at + 1)
            if field.code == "medfee_sumamt" and self._infno in PURCHASES:
                number = _AMOUNT * self._rows
            return number
        if (self._infno, field.code) in _OF_TRANSACTIONS:
            return _OF_TRANSACTIONS[self._infno, field.code]
        return {
            **_TEXTS,
            "maindiag_flag": "1" if at == 0 else "0",
            "diag_code": DIAGNOSIS if at == 0 else "I10.x00x002",
            "med_type": self._profile.med_types.get("outpatient"),
        }.get(field.code)

    def _code(self, field: Field) -> str:
        limit = field.max_length or 1_000
        codes = self._definitions.dictionary(field.dictionary)
        return next((code for code in codes if len(code) <= limit), "")
