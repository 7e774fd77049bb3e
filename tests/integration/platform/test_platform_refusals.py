"""What a regional centre refuses before there is a visit, and in which words."""

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
