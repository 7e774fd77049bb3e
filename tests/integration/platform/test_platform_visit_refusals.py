"""What a regional centre refuses once there is a visit: order, sums, returns, reversals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conformance.platform.config import PlatformConfig

NURSING = [("001201000030000", "280.00", "10", "28.000000")]


class TestOutpatient:
    async def test_a_batch_is_settled_once(self, changsha: Any) -> None:
        """2207 twice, under another message id."""
        mdtrt_id = await changsha.charged_day("P1")
        content = changsha.settlement("P1", mdtrt_id, "336.00")
        await changsha.call("2207", content)
        assert await changsha.refused("2207", content) == "该收费批次已结算，不能重复结算"
        assert len(await changsha.settlements()) == 1

    async def test_charges_after_the_settlement_are_refused(self, changsha: Any) -> None:
        """Into the settled batch; a further batch of the visit is taken."""
        mdtrt_id = await changsha.charged_day("P1")
        await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        more = changsha.lines("P1", mdtrt_id, NURSING, first=6)
        assert (
            await changsha.refused("2204", {"feedetail": more})
            == "收费批次B1已结算，不能上传费用明细"
        )
        other = changsha.lines("P1", mdtrt_id, NURSING, first=6, batch="B2")
        await changsha.call("2204", {"feedetail": other})

    async def test_a_line_number_is_used_once_in_a_visit(self, changsha: Any) -> None:
        """And nothing of the refused call stays."""
        mdtrt_id = await changsha.charged_day("P1")
        lines = changsha.lines("P1", mdtrt_id, NURSING * 2, first=5, batch="B2")
        assert await changsha.refused("2204", {"feedetail": lines[::-1]}) == "费用明细流水号5重复"
        await changsha.call("2204", {"feedetail": lines[1:]})

    async def test_one_batch_carries_one_disease(self, changsha: Any) -> None:
        """Two `dise_codg` in a batch."""
        mdtrt_id = await changsha.register("P1")
        lines = changsha.lines("P1", mdtrt_id, NURSING * 2)
        lines[1]["dise_codg"] = "M03900"
        err_msg = await changsha.refused("2204", {"feedetail": lines})
        assert err_msg == "收费批次B1只能有一个病种编码"

    @pytest.mark.parametrize(
        ("row", "err_msg"),
        [
            (("001201000030000", "280.02", "10", "28"), "费用明细1：金额与单价乘数量不符"),
            (
                ("001201000030000", "-28", "-1", "28"),
                "费用明细1：数量为负的退费明细缺少原费用明细流水号",
            ),
            (("001201000030000", "28", "-1", "-28"), "费用明细1：单价不能为负"),
            (("001201000030000", "0", "0", "28"), "费用明细1：数量不能为0"),
        ],
    )
    async def test_a_line_that_does_not_add_up_is_refused(
        self, changsha: Any, row: tuple[str, str, str, str], err_msg: str
    ) -> None:
        """More than a fen from price x quantity, or a sign that makes no sense."""
        mdtrt_id = await changsha.register("P1")
        lines = changsha.lines("P1", mdtrt_id, [row])
        assert await changsha.refused("2204", {"feedetail": lines}) == err_msg

    async def test_an_unregistered_doctor_is_refused(self, changsha: Any) -> None:
        """The national code is asked for, not the hospital's."""
        mdtrt_id = await changsha.register("P1")
        lines = changsha.lines("P1", mdtrt_id, NURSING)
        lines[0]["bilg_dr_codg"] = "1001"
        err_msg = await changsha.refused("2204", {"feedetail": lines})
        assert err_msg == "费用明细1：开单医师编码未在医保医师库中备案"

    @pytest.mark.parametrize(
        ("changes", "err_msg"),
        [
            (
                {"medfee_sumamt": Decimal("335.99")},
                "医疗费总额335.99与已上传费用明细合计336.00不一致",
            ),
            (
                {"preselfpay_amt": Decimal("25.26")},
                "preselfpay_amt与已上传费用明细合计25.25不一致",
            ),
            ({"chrg_bchno": "B2"}, "未查询到该收费批次的费用明细"),
            ({"insutype": "390"}, "险种类型与就诊登记信息不一致"),
            ({"med_type": "14"}, "医疗类别与就诊信息不一致"),
            ({"acct_used_flag": "2"}, "未查询到家庭共济账户绑定关系"),
            ({"mdtrt_cert_no": "430199199105120243"}, "就诊凭证与人员信息不符"),
            ({"psn_no": "43010000000000000002"}, "人员编号与就诊登记信息不符"),
            ({"mdtrt_id": "1"}, "未查询到就诊登记信息"),
        ],
    )
    async def test_a_settlement_that_does_not_match_is_refused(
        self, changsha: Any, changes: dict[str, Any], err_msg: str
    ) -> None:
        """Sums, batch, scheme, type, certificate, person and visit are those of the uploads."""
        mdtrt_id = await changsha.charged_day("P1")
        content = changsha.settlement("P1", mdtrt_id, "336.00", **changes)
        assert await changsha.refused("2207", content) == err_msg
        assert await changsha.settlements() == []

    async def test_a_visit_without_its_facts_is_not_settled(self, changsha: Any) -> None:
        """2203 comes before 2206."""
        mdtrt_id = await changsha.register("P1")
        content = changsha.settlement("P1", mdtrt_id, "336.00")
        assert await changsha.refused("2206", content) == "未上传门诊就诊信息，不能结算"

    async def test_the_order_of_taking_back_is_kept(self, changsha: Any) -> None:
        """2202 with charges or settlement, 2205 of settled lines, 2208 twice."""
        mdtrt_id = await changsha.charged_day("P1")
        registration = changsha.key("P1", mdtrt_id, ipt_otp_no="M1")
        batch = changsha.key("P1", mdtrt_id, chrg_bchno="B1")
        assert await changsha.refused("2202", registration) == (
            "该就诊已上传费用明细，请先撤销费用明细"
        )
        made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        settlement = changsha.key("P1", mdtrt_id, setl_id=made["setlinfo"]["setl_id"])
        assert await changsha.refused("2202", registration) == "该就诊已结算，请先撤销结算"
        assert await changsha.refused("2205", batch) == "收费批次B1已参与结算，不能撤销费用明细"
        every = changsha.key("P1", mdtrt_id, chrg_bchno="0000")
        assert await changsha.refused("2205", every) == "未查询到可撤销的费用明细"
        turned = (await changsha.call("2208", settlement))["setlinfo"]["setl_id"]
        assert await changsha.refused("2208", settlement) == "该结算已撤销，不能重复撤销"
        refund = changsha.key("P1", mdtrt_id, setl_id=turned)
        assert await changsha.refused("2208", refund) == "未查询到结算信息"

    async def test_the_number_of_the_registration_is_that_of_the_visit(self, changsha: Any) -> None:
        """2202 names all three: person, visit, the institution's own number."""
        mdtrt_id = await changsha.register("P1")
        registration = changsha.key("P1", mdtrt_id, ipt_otp_no="M2")
        assert await changsha.refused("2202", registration) == "住院/门诊号与就诊登记信息不符"

    async def test_a_cancelled_registration_is_over(self, changsha: Any) -> None:
        """No charges, no second cancellation."""
        mdtrt_id = await changsha.register("P1")
        registration = changsha.key("P1", mdtrt_id, ipt_otp_no="M1")
        await changsha.call("2202", registration)
        assert await changsha.refused("2202", registration) == "该就诊登记已撤销"

    async def test_a_later_call_with_another_insured_place_does_not_find_the_visit(
        self, changsha: Any
    ) -> None:
        """P3's visit of 440300 is not a local one: an empty place means local."""
        mdtrt_id = await changsha.register("P3", insuplc="440300")
        lines = changsha.lines("P3", mdtrt_id, NURSING)
        err_msg = await changsha.refused("2204", {"feedetail": lines})
        assert err_msg == "未查询到就诊登记信息"


class TestInpatient:
    async def test_the_order_of_a_stay_is_kept(self, changsha: Any) -> None:
        """2304 before 2402, 2402 twice, 2404 with charges, 2405 when settled, 2301 afterwards."""
        mdtrt_id = await changsha.admit("P2")
        key = changsha.key("P2", mdtrt_id)
        lines = changsha.lines("P2", mdtrt_id, NURSING)
        content = changsha.stay_settlement("P2", mdtrt_id, "280.00")
        assert await changsha.refused("2405", key) == "患者未办理出院，不能撤销出院"
        await changsha.call("2301", {"feedetail": lines})
        assert await changsha.refused("2404", key) == "该就诊已上传费用明细，请先撤销费用明细"
        assert await changsha.refused("2304", content) == "患者未办理出院，不能进行出院结算"
        leaving = changsha.discharge("P2", mdtrt_id)
        await changsha.call("2402", leaving)
        assert await changsha.refused("2402", leaving) == "患者已办理出院，不能重复办理"
        assert await changsha.refused("2404", key) == "患者已办理出院，请先撤销出院"
        await changsha.call("2304", content)
        assert await changsha.refused("2304", content) == "该次住院已结算，不能重复结算"
        assert await changsha.refused("2405", key) == "该次住院已结算，请先撤销结算"
        more = changsha.lines("P2", mdtrt_id, NURSING, first=2)
        assert await changsha.refused("2301", {"feedetail": more}) == (
            "该次住院已结算，不能上传费用明细"
        )
        withdrawal = {"data": [{**key["data"], "feedetl_sn": 1}]}
        assert await changsha.refused("2302", withdrawal) == "费用明细1已参与结算，不能撤销"

    @pytest.mark.parametrize(
        ("origin", "row", "err_msg"),
        [
            ("1", ("-308", "-11"), "费用明细2：退费数量超过原费用明细数量"),
            ("7", ("-28", "-1"), "费用明细2：未查询到原费用明细7"),
            ("1", ("28", "1"), "费用明细2：退费明细的数量应为负数"),
            ("", ("-28", "-1"), "费用明细2：数量为负的退费明细缺少原费用明细流水号"),
        ],
    )
    async def test_a_return_must_fit_its_line(
        self, changsha: Any, origin: str, row: tuple[str, str], err_msg: str
    ) -> None:
        """No more than was charged, of a line that exists, with a negative quantity."""
        mdtrt_id = await changsha.admit("P2")
        await changsha.call("2301", {"feedetail": changsha.lines("P2", mdtrt_id, NURSING)})
        lines = changsha.lines("P2", mdtrt_id, [("001201000030000", *row, "28")], first=2)
        lines[0]["init_feedetl_sn"] = origin
        assert await changsha.refused("2301", {"feedetail": lines}) == err_msg

    async def test_a_returned_line_is_withdrawn_after_its_return(self, changsha: Any) -> None:
        """2302 of the line alone would leave the return in the air."""
        mdtrt_id = await changsha.admit("P2")
        await changsha.call("2301", {"feedetail": changsha.lines("P2", mdtrt_id, NURSING)})
        back = changsha.lines("P2", mdtrt_id, [("001201000030000", "-28", "-1", "28")], first=2)
        back[0]["init_feedetl_sn"] = "1"
        await changsha.call("2301", {"feedetail": back})
        row = changsha.key("P2", mdtrt_id)["data"]
        err_msg = await changsha.refused("2302", {"data": [{**row, "feedetl_sn": "1"}]})
        assert err_msg == "存在退费明细2，请先撤销退费明细"
        both = [{**row, "feedetl_sn": "1"}, {**row, "feedetl_sn": "2"}]
        assert await changsha.call("2302", {"data": both}) == {}

    async def test_settlements_of_a_stay_are_cancelled_last_first(self, changsha: Any) -> None:
        """One during the stay cannot go while a later one stands."""
        mdtrt_id = await changsha.admit("P2")
        ids = []
        for number in (1, 2):
            lines = changsha.lines("P2", mdtrt_id, NURSING, first=number)
            await changsha.call("2301", {"feedetail": lines})
            content = changsha.stay_settlement("P2", mdtrt_id, "280.00", mid_setl_flag="1")
            ids.append((await changsha.call("2304", content))["setlinfo"]["setl_id"])
        first = changsha.key("P2", mdtrt_id, setl_id=ids[0])
        assert await changsha.refused("2305", first) == "存在之后的结算，请先撤销之后的结算"

    async def test_an_outpatient_transaction_does_not_fit_a_stay(self, changsha: Any) -> None:
        """2204 with the number of a stay."""
        mdtrt_id = await changsha.admit("P2")
        lines = changsha.lines("P2", mdtrt_id, NURSING)
        assert await changsha.refused("2204", {"feedetail": lines}) == "就诊类型与交易不符"

    async def test_a_diagnosis_without_the_shape_of_a_code_is_refused(self, changsha: Any) -> None:
        """The main diagnosis and those of the list; a code that no list has is taken."""
        content = changsha.admission("P1")
        content["mdtrtinfo"]["dscg_maindiag_code"] = "阑尾炎"
        assert await changsha.refused("2401", content) == "诊断编码阑尾炎格式错误"
        content = changsha.admission("P1")
        content["diseinfo"][0]["diag_code"] = "K35"
        await changsha.call("2401", content)

    async def test_the_place_in_the_input_is_that_of_the_envelope(self, changsha: Any) -> None:
        """2401 of the edition repeats the insured place."""
        content = changsha.admission("P3", insuplc="440300")
        err_msg = await changsha.refused("2401", content, insuplc="440399")
        assert err_msg == "入参参保地医保区划与报文头不一致"


class TestReversal:
    async def test_a_settlement_is_reversed_as_if_it_had_never_been(self, changsha: Any) -> None:
        """Account, deductible and lines are as before; the second time changes nothing."""
        mdtrt_id = await changsha.charged_day("P1")
        content = changsha.settlement("P1", mdtrt_id, "336.00")
        made = await changsha.call("2207", content)
        undo = _undo(changsha.last_msgid, "2207")
        for _ in range(2):
            assert await changsha.call("2601", undo) == {}
            (account,) = await changsha.admin("GET", "accounts?psn_no=43010000000000000001")
            assert account["balc"] == "1000.00"
            assert await changsha.settlements() == []
        key = changsha.key("P1", mdtrt_id, setl_id=made["setlinfo"]["setl_id"])
        assert await changsha.refused("5203", key) == "未查询到结算信息"
        assert await changsha.refused("2208", key) == "该结算已冲正，不能撤销"
        again = await changsha.call("2207", content)
        assert again["setlinfo"]["act_pay_dedc"] == Decimal("50.00")

    async def test_an_admission_is_reversed(self, changsha: Any) -> None:
        """The number is free again; with charges it is refused."""
        mdtrt_id = await changsha.admit("P1")
        undo = _undo(changsha.last_msgid, "2401")
        lines = {"feedetail": changsha.lines("P1", mdtrt_id, NURSING)}
        await changsha.call("2301", lines)
        assert await changsha.refused("2601", undo) == "该就诊已上传费用明细，请先撤销费用明细"
        row = changsha.key("P1", mdtrt_id)["data"]
        await changsha.call("2302", {"data": [{**row, "feedetl_sn": "0000"}]})
        for _ in range(2):
            await changsha.call("2601", undo)
        await changsha.admit("P1")

    async def test_a_stay_is_reversed_last_first(self, changsha: Any) -> None:
        """A settlement during the stay cannot be reversed while a later one stands."""
        mdtrt_id = await changsha.admit("P2")
        msgids = []
        for number in (1, 2):
            lines = changsha.lines("P2", mdtrt_id, NURSING, first=number)
            await changsha.call("2301", {"feedetail": lines})
            content = changsha.stay_settlement("P2", mdtrt_id, "280.00", mid_setl_flag="1")
            await changsha.call("2304", content)
            msgids.append(changsha.last_msgid)
        psn_no = changsha.who("P2")["psn_no"]
        first, second = (_undo(msgid, "2304", psn_no) for msgid in msgids)
        assert await changsha.refused("2601", first) == "存在之后的结算，请先撤销之后的结算"
        await changsha.call("2601", second)
        await changsha.call("2601", first)
        assert await changsha.settlements() == []

    async def test_an_admission_after_the_discharge_is_not_reversed(self, changsha: Any) -> None:
        """The discharge comes first."""
        mdtrt_id = await changsha.admit("P1")
        undo = _undo(changsha.last_msgid, "2401")
        await changsha.call("2402", changsha.discharge("P1", mdtrt_id))
        assert await changsha.refused("2601", undo) == "患者已办理出院，请先撤销出院"

    async def test_a_reversal_names_the_person_of_the_request(self, changsha: Any) -> None:
        """P2 is not the person of P1's settlement."""
        mdtrt_id = await changsha.charged_day("P1")
        await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        undo = _undo(changsha.last_msgid, "2207", "43010000000000000002")
        assert await changsha.refused("2601", undo) == "人员编号与原交易不符"

    async def test_a_cancellation_is_not_reversed_once_the_lines_are_settled_anew(
        self, platform_config: PlatformConfig, changsha: Any
    ) -> None:
        """Two settlements of the same lines would stand."""
        platform_config.regions[0].reversible = ("2207", "2208")
        mdtrt_id = await changsha.charged_day("P1")
        content = changsha.settlement("P1", mdtrt_id, "336.00")
        setl_id = (await changsha.call("2207", content))["setlinfo"]["setl_id"]
        await changsha.call("2208", changsha.key("P1", mdtrt_id, setl_id=setl_id))
        undo = _undo(changsha.last_msgid, "2208")
        await changsha.call("2207", content)
        assert await changsha.refused("2601", undo) == "原结算的费用明细已变化，不能冲正"

    async def test_a_request_that_never_came_cannot_be_reversed(self, changsha: Any) -> None:
        """It may still be on its way."""
        undo = _undo("H43010000001202603020959590001", "2207")
        assert await changsha.refused("2601", undo) == "未查询到原交易信息"

    async def test_only_some_transactions_can_be_reversed(self, changsha: Any) -> None:
        """2207, 2304 and 2401 here; a number that does not fit the message id is not found."""
        mdtrt_id = await changsha.charged_day("P1")
        uploaded = changsha.last_msgid
        assert await changsha.refused("2601", _undo(uploaded, "2204")) == "交易2204不支持冲正"
        assert await changsha.refused("2601", _undo(uploaded, "2207")) == "未查询到原交易信息"
        wrong = changsha.settlement("P1", mdtrt_id, "1.00")
        await changsha.refused("2207", wrong)
        refused = changsha.last_msgid
        assert await changsha.refused("2601", _undo(refused, "2207")) == ("原交易未成功，无需冲正")

    async def test_a_cancelled_settlement_is_not_reversed(self, changsha: Any) -> None:
        """It was taken back by 2208 already."""
        mdtrt_id = await changsha.charged_day("P1")
        made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        undo = _undo(changsha.last_msgid, "2207")
        await changsha.call(
            "2208", changsha.key("P1", mdtrt_id, setl_id=made["setlinfo"]["setl_id"])
        )
        assert await changsha.refused("2601", undo) == "该结算已撤销，不能冲正"

    async def test_a_cancellation_is_reversed_where_the_region_allows(
        self, platform_config: PlatformConfig, changsha: Any
    ) -> None:
        """The settlement it cancelled stands again, and the account is charged again."""
        platform_config.regions[0].reversible = ("2207", "2208")
        mdtrt_id = await changsha.charged_day("P1")
        made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        setl_id = made["setlinfo"]["setl_id"]
        await changsha.call("2208", changsha.key("P1", mdtrt_id, setl_id=setl_id))
        await changsha.call("2601", _undo(changsha.last_msgid, "2208"))
        assert [row["setl_id"] for row in await changsha.settlements()] == [setl_id]
        (account,) = await changsha.admin("GET", "accounts?psn_no=43010000000000000001")
        assert account["balc"] == "824.62"
        content = changsha.settlement("P1", mdtrt_id, "336.00")
        assert await changsha.refused("2207", content) == "该收费批次已结算，不能重复结算"


def _undo(msgid: str, infno: str, psn_no: str = "43010000000000000001") -> dict[str, Any]:
    return {"data": {"psn_no": psn_no, "omsgid": msgid, "oinfno": infno}}
