"""What a regional centre refuses, and in which words."""

from __future__ import annotations

import base64
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from conformance.platform.config import PlatformConfig
from conformance.platform.wire import decode

NURSING = [("001201000030000", "280.00", "10", "28.000000")]


class TestGateway:
    async def test_a_request_without_headers_is_refused_in_plain_json(self, changsha: Any) -> None:
        """`{"code": 401, "message": ...}`, not the interface's reply, and no effect."""
        await changsha.sign_in()
        body = changsha.envelope("2201", {"data": {}})
        status, answer = await changsha.post("2201", body, headers={})
        assert (status, decode(answer)) == (401, {"code": 401, "message": "缺少服务网关的请求头!"})
        assert len(await changsha.admin("GET", "requests")) == 1

    async def test_an_unknown_account_is_refused(self, changsha: Any) -> None:
        """The access key is not one the bureau gave."""
        headers = {**changsha.headers("9001"), "_api_access_key": "nobody"}
        _, answer = await changsha.post("9001", b"{}", headers=headers)
        assert decode(answer)["message"] == "非法用户!"

    async def test_a_signature_for_another_transaction_is_refused(self, changsha: Any) -> None:
        """The name takes part in the signature."""
        headers = {**changsha.headers("1101"), "_api_name": "2207"}
        _, answer = await changsha.post("2207", b"{}", headers=headers)
        assert decode(answer)["message"] == "签名不一致!"

    async def test_an_old_timestamp_is_refused(self, changsha: Any, clock: Any) -> None:
        """Headers made 31 minutes ago."""
        headers = changsha.headers("9001")
        clock.now += timedelta(minutes=31)
        _, answer = await changsha.post("9001", b"{}", headers=headers)
        assert decode(answer)["message"] == "签名时间戳超时!"

    async def test_x_tif_headers_are_checked_too(self, shenzhen: Any) -> None:
        """A nonce that was exchanged breaks the signature."""
        headers = {**shenzhen.headers("9001"), "x-tif-nonce": "n2"}
        status, answer = await shenzhen.post("9001", b"{}", headers=headers)
        assert (status, decode(answer)["message"]) == (401, "签名不一致!")

    async def test_a_region_that_is_not_here_is_not_found(self, changsha: Any) -> None:
        """No centre, no answer of one."""
        async with changsha.session.post(f"{changsha.url}/110000", data=b"{}") as response:
            assert response.status == 404


class TestEnvelope:
    @pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"infno":', b"[" * 50_000])
    async def test_bytes_that_are_no_message_are_refused(self, changsha: Any, body: bytes) -> None:
        """One clear answer of the protocol."""
        status, answer = await changsha.post("9001", body)
        assert (status, decode(answer)["infcode"]) == (200, -1)

    async def test_every_missing_member_is_named(self, changsha: Any) -> None:
        """All at once."""
        _, answer = await changsha.post("9001", b'{"infno":"9001"}')
        err_msg = decode(answer)["err_msg"]
        assert err_msg.startswith("入参校验失败：msgid(发送方报文ID)不能为空；mdtrtarea_admvs")
        assert err_msg.endswith("等10项")

    @pytest.mark.parametrize(
        ("changes", "err_msg"),
        [
            ({"fixmedins_code": "H43010099999"}, "定点医药机构编号不存在"),
            ({"mdtrtarea_admvs": "440300"}, "就医地医保区划与接入地区不符"),
            ({"msgid": "H43010000001"}, "发送方报文ID格式错误"),
            ({"msgid": "H430100000022026030210000000001"[:30]}, "发送方报文ID格式错误"),
            ({"insuplc_admdvs": "4301"}, "参保地医保区划格式错误"),
            ({"infno": "1101"}, "交易编号1101与请求的服务9001不一致"),
            ({"cainfo": ""}, "数字签名验证失败"),
            ({"cainfo": base64.b64encode(bytes(64)).decode()}, "数字签名验证失败"),
            ({"cainfo": "not base64"}, "数字签名验证失败"),
            ({"signtype": "SM3"}, "数字签名验证失败"),
        ],
    )
    async def test_a_wrong_envelope_is_refused_and_not_kept(
        self, changsha: Any, changes: dict[str, str], err_msg: str
    ) -> None:
        """A message whose sender is not known for sure leaves nothing, not even its id."""
        content = {"signIn": {"opter_no": "001", "mac": "00", "ip": "127.0.0.1"}}
        reply = await changsha.send("9001", content, **changes)
        assert (reply["infcode"], reply["err_msg"]) == (-1, err_msg)
        assert await changsha.admin("GET", "requests") == []

    async def test_a_signature_over_other_content_is_refused(self, changsha: Any) -> None:
        """The input was changed after it was signed."""
        content = {"signIn": {"opter_no": "001", "mac": "00", "ip": "127.0.0.1"}}
        body = changsha.envelope("9001", content).replace(b"127.0.0.1", b"127.0.0.2")
        _, answer = await changsha.post("9001", body)
        assert decode(answer)["err_msg"] == "数字签名验证失败"

    async def test_an_unknown_transaction_is_refused(self, changsha: Any) -> None:
        """0000 is none."""
        reply = await changsha.send("0000", {"data": {}})
        assert reply["err_msg"] == "交易编号0000不存在"

    async def test_an_input_of_more_than_40000_characters_is_refused(self, changsha: Any) -> None:
        """The limit of the envelope table."""
        reply = await changsha.send("9001", {"signIn": {"mac": "示" * 40_000}})
        assert reply["err_msg"] == "入参校验失败：input超过40000字符"

    async def test_a_message_id_is_used_once(self, changsha: Any) -> None:
        """The same id is refused with the same content, with other content, and after a refusal."""
        data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198001010010"}
        await changsha.call("1101", {"data": data})
        spent = changsha.last_msgid
        for content in (data, {**data, "mdtrt_cert_no": "430199199105120243"}):
            err_msg = await changsha.refused("1101", {"data": content}, msgid=spent)
            assert err_msg == "发送方报文ID重复"
        assert await changsha.refused("1101", {"data": {}}) != ""
        refused = changsha.last_msgid
        assert await changsha.refused("1101", {"data": data}, msgid=refused) == "发送方报文ID重复"

    async def test_a_place_that_nobody_answers_for_is_refused(self, changsha: Any) -> None:
        """Beijing is not part of this process."""
        data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198001010010"}
        err_msg = await changsha.refused("1101", {"data": data}, insuplc="110000")
        assert err_msg == "参保地医保区划【110000】未接入跨省异地就医平台"


class TestSession:
    async def test_a_transaction_before_the_sign_in_is_refused(self, changsha: Any) -> None:
        """9001 precedes everything where the region asks for it."""
        reply = await changsha.send("1101", {"data": {}})
        assert reply["err_msg"] == "签到流水号不存在，请先签到"

    async def test_a_sign_in_of_yesterday_is_refused(self, changsha: Any, clock: Any) -> None:
        """It ends with its day."""
        await changsha.sign_in()
        clock.now += timedelta(days=1)
        reply = await changsha.send("1101", {"data": {}})
        assert reply["err_msg"] == "签到流水号已失效，请重新签到"

    async def test_where_no_sign_in_is_asked_an_empty_number_will_do(
        self, platform_config: PlatformConfig, changsha: Any
    ) -> None:
        """But a wrong one is still wrong."""
        platform_config.regions[0].sign_in = False
        data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198001010010"}
        assert (await changsha.send("1101", {"data": data}))["infcode"] == 0
        reply = await changsha.send("1101", {"data": data}, sign_no="1")
        assert reply["err_msg"] == "签到流水号不存在，请先签到"


class TestInput:
    async def test_every_wrong_field_is_named(self, changsha: Any) -> None:
        """Presence, dictionary, length and form, with place and Chinese name."""
        data = {
            "psn_no": "",
            "insutype": "311",
            "fixmedins_code": "H430100000012",
            "med_type": 11,
            "begntime": "2026-02-30 00:00:00",
        }
        assert await changsha.refused("2001", {"data": data}) == (
            "入参校验失败：data.psn_no(人员编号)不能为空；data.insutype(险种类型)不在字典insutype中；"
            "data.fixmedins_code(定点医药机构编号)长度超过12；data.med_type(医疗类别)应为字符串；"
            "data.begntime(开始时间)格式应为yyyy-MM-dd HH:mm:ss"
        )

    async def test_a_missing_node_is_named(self, changsha: Any) -> None:
        """The input has no node at all."""
        assert await changsha.refused("2207", {}) == "入参校验失败：缺少节点data"

    @pytest.mark.parametrize(
        ("number", "fault"),
        [
            (Decimal("1.23456"), "小数超过4位"),
            (Decimal(1234567890123), "整数超过12位"),
            ("many", "应为数字"),
            (True, "应为数字"),
        ],
    )
    async def test_numbers_have_their_digits(self, changsha: Any, number: Any, fault: str) -> None:
        """A quantity has 16 digits, 4 of them behind the point."""
        lines = changsha.lines("P1", "1", NURSING)
        lines[0]["cnt"] = number
        err_msg = await changsha.refused("2204", {"feedetail": lines})
        assert err_msg == f"入参校验失败：feedetail[0].cnt(数量){fault}"

    @pytest.mark.parametrize("number", [0, "0", "1234567890123456", "A1", -1])
    async def test_a_line_number_has_one_to_fifteen_digits(
        self, changsha: Any, number: Any
    ) -> None:
        """Digits only, not 0 (reference: rules, section 9)."""
        lines = changsha.lines("P1", "1", NURSING)
        lines[0]["feedetl_sn"] = number
        assert "费用明细流水号" in await changsha.refused("2204", {"feedetail": lines})


class TestPerson:
    @pytest.mark.parametrize(
        ("data", "err_msg"),
        [
            (
                {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199200001010010"},
                "本地查询错误:该参保人的基本信息为空",
            ),
            (
                {"mdtrt_cert_type": "03", "mdtrt_cert_no": "D430000001"},
                "就诊凭证类型为社会保障卡时，卡识别码不能为空",
            ),
            (
                {"mdtrt_cert_type": "03", "mdtrt_cert_no": "D430000001", "card_sn": "1"},
                "卡识别码与社会保障卡不符",
            ),
            (
                {
                    "mdtrt_cert_type": "02",
                    "mdtrt_cert_no": "430199198001010010",
                    "psn_name": "李示例",
                },
                "姓名与证件信息不符",
            ),
        ],
    )
    async def test_a_person_who_is_not_there_is_refused(
        self, changsha: Any, data: dict[str, str], err_msg: str
    ) -> None:
        """1101."""
        assert await changsha.refused("1101", {"data": data}) == err_msg

    @pytest.mark.parametrize(("psn", "status"), [("P4", "暂停参保"), ("P9", "终止参保")])
    async def test_a_person_who_is_not_active_gets_no_visit(
        self, changsha: Any, psn: str, status: str
    ) -> None:
        """Suspended, and ended by death."""
        with pytest.raises(AssertionError, match=f"人员参保状态为【{status}】"):
            await changsha.register(psn)

    async def test_somebody_elses_certificate_opens_no_visit(self, changsha: Any) -> None:
        """The certificate is P2's."""
        data = {
            **changsha.who("P1"),
            **changsha.certificate("P2"),
            "begntime": "2026-03-02 09:30:00",
            "ipt_otp_no": "M1",
            "dept_code": "A03",
            "dept_name": "内科",
            "caty": "A03",
        }
        assert await changsha.refused("2201", {"data": data}) == "就诊凭证与人员信息不符"

    async def test_a_visit_number_is_used_once(self, changsha: Any) -> None:
        """`ipt_otp_no` is unique in the institution."""
        await changsha.register("P1", number="M1")
        with pytest.raises(AssertionError, match="住院/门诊号已存在"):
            await changsha.register("P2", number="M1")


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
