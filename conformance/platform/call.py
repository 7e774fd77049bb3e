"""One request at work: what a transaction may look at, and how it refuses and answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from conformance.platform import wire
from conformance.platform.config import InstitutionConfig, RegionConfig
from conformance.platform.places import CROSS_PROVINCE, distance, pool_of
from conformance.platform.store import Row, Store
from conformance.platform.tables import Catalogue, Policies, level_of
from gateway.fsi.definitions import Definitions, Field, Node

TIME = "%Y-%m-%d %H:%M:%S"
STAMP = "%Y%m%d%H%M%S"

OUTPATIENT = "outpatient"
INPATIENT = "inpatient"
PHARMACY = "pharmacy"

ACTIVE = "1"
"""`psn_insu_stas` of somebody who is insured."""

_CERTIFICATES = {"01": "token", "02": "certno", "03": "card_no"}
"""`mdtrt_cert_type` to what `mdtrt_cert_no` holds (reference: rules, section 4)."""


class Refusal(Exception):  # noqa: N818 - the platform's word for a business answer, not a fault
    """The platform says no; `err_msg` tells the hospital why, in Chinese."""

    def __init__(self, err_msg: str) -> None:
        self.err_msg = err_msg
        super().__init__(err_msg)


class File(msgspec.Struct, frozen=True):
    """What a transaction answers whose reply is a file (9102)."""

    content: bytes


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """What the centres of a process share."""

    store: Store
    catalogue: Catalogue
    policies: Policies


class Call:
    """A request whose envelope, signature and session were found right.

    `home` is the centre of the process that answers for the insured place, `pool` that place's
    pooling region, `distance` how far it lies from the treatment place.
    """

    def __init__(
        self,
        *,
        region: RegionConfig,
        institution: InstitutionConfig,
        definitions: Definitions,
        tables: Tables,
        envelope: Mapping[str, Any],
        home: str,
        now: datetime,
    ) -> None:
        self.region = region
        self.institution = institution
        self.definitions = definitions
        self.tables = tables
        self.store = tables.store
        self.home = home
        self.now = now
        self.infno: str = envelope["infno"]
        self.msgid: str = envelope["msgid"]
        self.opter: str = envelope["opter"]
        self.opter_name: str = envelope["opter_name"]
        self.input: dict[str, Any] = envelope["input"]
        self.insuplc: str = envelope.get("insuplc_admdvs") or region.code
        self.pool = pool_of(self.insuplc)
        self.distance = distance(self.insuplc, region.code)

    @property
    def time(self) -> str:
        """Now, as it stands in a message."""
        return self.now.strftime(TIME)

    @property
    def level(self) -> str:
        """The hospital's level for ceilings and deductibles."""
        return level_of(self.institution.hosp_lv)

    @property
    def clr_optins(self) -> str:
        """Who clears: the own centre, or the insured pool for people from elsewhere."""
        return self.region.code if self.pool == pool_of(self.region.code) else self.pool

    def keep(self) -> None:
        """Store the input as it came."""
        self.store.insert(
            "documents",
            {
                "msgid": self.msgid,
                "region": self.region.code,
                "infno": self.infno,
                "fixmedins_code": self.institution.fixmedins_code,
                "input": wire.encode(self.input).decode(),
            },
        )

    def node(self, name: str) -> dict[str, Any]:
        """A node of the input that does not repeat; an array of one is taken as well."""
        content = self.input.get(name)
        if isinstance(content, list):
            content = content[0] if content else None
        return content if isinstance(content, dict) else {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A repeating node of the input; a single object counts as one row."""
        content = self.input.get(name)
        if isinstance(content, dict):
            return [content] if content else []
        return list(content or [])

    def said(self, code: str) -> str:
        """The first text of this name in the input, empty when there is none."""
        return find_member(self.input, code)

    # Answers ------------------------------------------------------------------------------------

    def shape(self, node: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A row of an output node: its fields in order, spelt as the edition spells them."""
        found = self.definitions.transaction(self.infno).node(node, "output")
        assert found is not None, (self.infno, node)
        return shape(found, values, self.definitions.edition)

    def spelt(self, field: Field) -> str:
        """The field's name as the edition spells it."""
        return spelling(field, self.definitions.edition)

    # Persons ------------------------------------------------------------------------------------

    def person(self, psn_no: str) -> Row:
        """The person, when insured in the pool of the call.

        Raises:
            Refusal: the insured place does not know the person.
        """
        row = self.store.one("SELECT * FROM persons WHERE psn_no = ?", psn_no)
        if row is None or not any(self._insurances(psn_no)):
            raise Refusal("本地查询错误:该参保人的基本信息为空")
        return row

    def insurance(self, psn_no: str, insutype: str) -> Row:
        """The insurance row that pays.

        Raises:
            Refusal: there is none of this type, or it is not active.
        """
        self.person(psn_no)
        for row in self._insurances(psn_no):
            if row["insutype"] == insutype:
                if row["psn_insu_stas"] != ACTIVE:
                    label = self.definitions.dictionary("psn_insu_stas")[row["psn_insu_stas"]]
                    raise Refusal(f"人员参保状态为【{label}】，不能享受医保待遇")
                return row
        label = self.definitions.dictionary("insutype").get(insutype, insutype)
        raise Refusal(f"该人员在参保地没有【{label}】参保信息")

    def _insurances(self, psn_no: str) -> list[Row]:
        rows = self.store.all("SELECT * FROM insurances WHERE psn_no = ?", psn_no)
        return [row for row in rows if pool_of(row["insuplc_admdvs"]) == self.pool]

    def check_certificate(self, person: Row, data: Mapping[str, Any]) -> None:
        """The certificate presented is the person's, where one was presented.

        Raises:
            Refusal: it is somebody else's, or a card without its recognition code.
        """
        kind, number = data.get("mdtrt_cert_type"), data.get("mdtrt_cert_no")
        if not kind or not number:
            return
        column = _CERTIFICATES.get(kind)
        if column is None or str(number).upper() != person[column].upper():
            raise Refusal("就诊凭证与人员信息不符")
        card_sn = data.get("card_sn")
        if kind == "03" and card_sn and card_sn != person["card_sn"]:
            raise Refusal("卡识别码与社会保障卡不符")

    # Visits -------------------------------------------------------------------------------------

    def visit(self, data: Mapping[str, Any], setting: str) -> Row:
        """The visit that `mdtrt_id` and `psn_no` of a row name.

        Raises:
            Refusal: it is not known here, another person's, of the other setting or cancelled.
        """
        row = self.store.one(
            "SELECT * FROM visits WHERE mdtrt_id = ? AND region = ? AND fixmedins_code = ?",
            data.get("mdtrt_id"),
            self.region.code,
            self.institution.fixmedins_code,
        )
        if row is None or row["pool"] != self.pool:
            raise Refusal("未查询到就诊登记信息")
        if row["psn_no"] != data.get("psn_no"):
            raise Refusal("人员编号与就诊登记信息不符")
        if row["setting"] != setting:
            raise Refusal("就诊类型与交易不符")
        if row["state"] == "cancelled":
            raise Refusal("该就诊登记已撤销")
        return row

    def has_final_settlement(self, mdtrt_id: str) -> bool:
        """True when an inpatient visit was settled for good (not during the stay)."""
        return bool(
            self.store.one(
                "SELECT 1 FROM settlements "
                "WHERE mdtrt_id = ? AND state = 'settled' AND mid_setl_flag = '0'",
                mdtrt_id,
            )
        )

    def check_home(self) -> None:
        """Somebody of the process answers for the insured place.

        Raises:
            Refusal: nobody answers for the insured place.
        """
        if not self.home:
            where = "跨省" if self.distance == CROSS_PROVINCE else "省内"
            raise Refusal(f"参保地医保区划【{self.insuplc}】未接入{where}异地就医平台")


def shape(node: Node, values: Mapping[str, Any], edition: str) -> dict[str, Any]:
    """The fields of an output node with their values; empty numbers are 0, empty texts ""."""
    row: dict[str, Any] = {}
    for field in node.fields:
        row[spelling(field, edition)] = _formed(field, values.get(field.code))
    return row


def spelling(field: Field, edition: str) -> str:
    """The name of an output field in an edition."""
    change = field.editions.get(edition)
    return change.code if change is not None and change.code else field.code


def find_member(document: Any, name: str) -> str:
    """The first text of this name in the nodes of an input, empty when there is none."""
    rows = document if isinstance(document, list) else [document]
    for row in rows:
        if isinstance(row, dict):
            value = row.get(name)
            if isinstance(value, str):
                return value
            for inner in row.values():
                if isinstance(inner, dict | list) and (found := find_member(inner, name)):
                    return found
    return ""


def _formed(field: Field, value: Any) -> Any:
    if field.type != "number":
        return "" if value is None else str(value)
    number = Decimal(value) if value not in (None, "") else Decimal(0)
    places = Decimal(1).scaleb(-(field.scale or 0))
    return number.quantize(places) if field.scale else int(number)


def age_on(brdy: str, day: date) -> int:
    """Full years of age."""
    born = date.fromisoformat(brdy)
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def whole(value: Any) -> int:
    """A number of the input without decimals; an absent one is zero."""
    return int(amount(value))


def amount(value: Any) -> Decimal:
    """A number of the input; an absent one is zero."""
    return Decimal(value) if value not in (None, "") else Decimal(0)
