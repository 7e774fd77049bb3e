"""The national JSON: a hospital that composes the transactions itself."""

from __future__ import annotations

import base64
import io
import types
import zipfile
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

PERSON = {"psn_no": "43010000000000000001", "insutype": "310"}
CARD = {
    "mdtrt_cert_type": "02",
    "mdtrt_cert_no": "430199198001010010",
    "psn_cert_type": "01",
    "certno": "430199198001010010",
    "psn_name": "张伟示",
    "psn_type": "11",
}
REGION = "430100"


def registration(number: str) -> dict[str, Any]:
    """The input of 2201."""
    return {
        "data": {
            **PERSON,
            **CARD,
            "begntime": "2026-03-02 09:30:00",
            "ipt_otp_no": number,
            "atddr_no": "D430100000001",
            "dr_name": "陈医生",
            "dept_code": "A03",
            "dept_name": "内科",
            "caty": "A03",
        }
    }


def report(mdtrt_id: str) -> dict[str, Any]:
    """The input of 2203."""
    return {
        "mdtrtinfo": {
            "mdtrt_id": mdtrt_id,
            "psn_no": PERSON["psn_no"],
            "med_type": "11",
            "begntime": "2026-03-02 09:30:00",
            "dise_codg": "J06.900",
            "dise_name": "急性上呼吸道感染",
            "birctrl_matn_date": "",
        },
        "diseinfo": [
            {
                "diag_type": "1",
                "maindiag_flag": "1",
                "diag_srt_no": 1,
                "diag_code": "J06.900",
                "diag_name": "急性上呼吸道感染",
                "diag_dept": "A03",
                "dise_dor_no": "D430100000001",
                "dise_dor_name": "陈医生",
                "diag_time": "2026-03-02 09:35:00",
                "vali_flag": "1",
            }
        ],
    }


def line(mdtrt_id: str, local: str = "CT001", **changes: Any) -> dict[str, Any]:
    """The input of 2204: one line by the hospital's own code, 240.00 yuan."""
    row = {
        "feedetl_sn": 1,
        "mdtrt_id": mdtrt_id,
        "psn_no": PERSON["psn_no"],
        "chrg_bchno": "B1",
        "dise_codg": "",
        "rxno": "R1",
        "rx_circ_flag": "0",
        "fee_ocur_time": "2026-03-02 09:40:00",
        "medins_list_codg": local,
        "det_item_fee_sumamt": Decimal("240.00"),
        "cnt": Decimal(1),
        "pric": Decimal("240.00"),
        "bilg_dept_codg": "A03",
        "bilg_dept_name": "内科",
        "bilg_dr_codg": "D430100000001",
        "bilg_dr_name": "陈医生",
        "hosp_appr_flag": "0",
    }
    return {"feedetail": [{**row, **changes}]}


def settlement(mdtrt_id: str, total: str = "240.00") -> dict[str, Any]:
    """The input of 2206 and 2207: class B, a tenth first, 216.00 in scope."""
    return {
        "data": {
            **PERSON,
            **CARD,
            "med_type": "11",
            "medfee_sumamt": Decimal(total),
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "chrg_bchno": "B1",
            "acct_used_flag": "1",
            "fulamt_ownpay_amt": Decimal("0.00"),
            "overlmt_selfpay": Decimal("0.00"),
            "preselfpay_amt": Decimal("24.00"),
            "inscp_scp_amt": Decimal("216.00"),
        }
    }


def reversal(msgid: str) -> dict[str, Any]:
    """The input of 2601 for a 2207."""
    return {"data": {"psn_no": PERSON["psn_no"], "omsgid": msgid, "oinfno": "2207"}}


async def accepted(world: Any, infno: str, content: Any, **more: Any) -> dict[str, Any]:
    """The output of a transaction that the platform accepts."""
    reply = await world.carry(infno, content, **{"insuplc": REGION, **more})
    assert (reply.status, reply.body["infcode"]) == (200, 0), reply.body
    output: dict[str, Any] = reply.body["output"]
    return output


async def charged(world: Any) -> str:
    """A visit with its line uploaded; the mdtrt_id."""
    mdtrt_id = str((await accepted(world, "2201", registration("N1")))["data"]["mdtrt_id"])
    await accepted(world, "2203", report(mdtrt_id))
    await accepted(world, "2204", line(mdtrt_id))
    return mdtrt_id


class TestDay:
    async def test_a_person_is_identified_without_a_region(self, world: Any) -> None:
        """pooling.md: the first 1101 of a person may leave without insuplc_admdvs."""
        output = await accepted(world, "1101", {"data": CARD}, insuplc="")
        assert output["baseinfo"]["psn_no"] == PERSON["psn_no"]
        assert [row["insuplc_admdvs"] for row in output["insuinfo"]] == [REGION]

    async def test_a_whole_outpatient_day(self, world: Any) -> None:
        """2201 to 2208 composed by the hospital: its local item code gets the national one, the
        fund pays (216.00 - 50.00) x 70 % = 116.20, and the cancellation leaves nothing.
        """
        mdtrt_id = await charged(world)
        quoted = await accepted(world, "2206", settlement(mdtrt_id))
        assert quoted["setlinfo"]["fund_pay_sumamt"] == Decimal("116.20")
        made = await accepted(world, "2207", settlement(mdtrt_id))
        info = made["setlinfo"]
        assert info["fund_pay_sumamt"] == Decimal("116.20")
        assert info["medfee_sumamt"] == Decimal("240.00")
        (row,) = await world.settled("N1")
        assert row["setl_id"] == info["setl_id"]
        undo = {
            "data": {
                "setl_id": info["setl_id"],
                "mdtrt_id": mdtrt_id,
                "psn_no": PERSON["psn_no"],
            }
        }
        await accepted(world, "2208", undo)
        assert await world.settled("N1") == []
        (code,) = world.platform._store.one("SELECT med_list_codg FROM charges")
        assert code == "002103000010000"

    async def test_the_senders_msgid_is_what_leaves(self, world: Any) -> None:
        """The msgid of the hospital reaches the platform, so that its own 2601 finds it."""
        msgid = world.msgid()
        await accepted(world, "1101", {"data": CARD}, msgid=msgid)
        assert [row["infno"] for row in await world.admin.rows("requests", msgid=msgid)] == ["1101"]


class TestRefused:
    async def test_an_unmapped_item_stops_before_the_send(self, world: Any) -> None:
        """F-025: a local code without national code is 422 at its place; nothing is sent."""
        reply = await world.carry("2204", line("M1", "YP999"), insuplc=REGION)
        assert reply.status == 422
        assert reply.body["infcode"] == -1
        (problem,) = reply.body["problems"]
        assert problem["place"] == "input.feedetail[0].medins_list_codg"
        assert problem["code"] == "MAP-NO-CODE"
        assert await world.requests() == []

    @pytest.mark.parametrize(
        ("insuplc", "code"), [("", "REGION-EMPTY"), ("4301", "REGION-UNKNOWN")]
    )
    async def test_a_known_person_needs_a_whole_region(
        self, world: Any, insuplc: str, code: str
    ) -> None:
        """F-004: with psn_no in the input, an empty or four-digit insuplc_admdvs is refused."""
        reply = await world.carry("2203", report("M1"), insuplc=insuplc)
        assert reply.status == 422
        assert [problem["code"] for problem in reply.body["problems"]] == [code]
        assert await world.requests() == []

    async def test_everything_wrong_is_told_at_once(self, world: Any) -> None:
        """A missing amount and a wrong date are two problems at their places."""
        content = line("M1", det_item_fee_sumamt="", fee_ocur_time="2026-02-30 09:00:00")
        reply = await world.carry("2204", content, insuplc=REGION)
        assert reply.status == 422
        places = {problem["place"] for problem in reply.body["problems"]}
        assert places == {
            "input.feedetail[0].det_item_fee_sumamt",
            "input.feedetail[0].fee_ocur_time",
        }
        assert await world.requests() == []

    async def test_a_refusal_of_the_platform_comes_in_its_own_form(self, world: Any) -> None:
        """Infcode -1 with the platform's err_msg, HTTP 200."""
        await world.admin.fault("refuse", "1101", message="系统维护")
        reply = await world.carry("1101", {"data": CARD})
        assert (reply.status, reply.body["infcode"], reply.body["err_msg"]) == (200, -1, "系统维护")


class TestRepeats:
    async def test_the_same_message_gets_the_stored_answer(self, world: Any) -> None:
        """A-021: the same msgid and content get the same bytes; nothing is sent again."""
        msgid = world.msgid()
        first = await world.carry("1101", {"data": CARD}, msgid=msgid)
        again = await world.carry("1101", {"data": CARD}, msgid=msgid)
        assert again.raw == first.raw
        assert await world.requests() == ["1101"]

    async def test_other_content_under_a_msgid_is_a_conflict(self, world: Any) -> None:
        """A-022: 409, and nothing is sent."""
        msgid = world.msgid()
        await world.carry("1101", {"data": CARD}, msgid=msgid)
        other = {"data": {**CARD, "psn_name": "李娜范"}}
        reply = await world.carry("1101", other, msgid=msgid)
        assert (reply.status, reply.body["infcode"]) == (409, -1)
        assert await world.requests() == ["1101"]

    async def test_what_was_not_sent_may_come_again_under_its_msgid(self, open_world: Any) -> None:
        """F-035: 503 with Retry-After while the platform is down; later the same message
        succeeds.
        """
        world = await open_world(platform="http://127.0.0.1:9")
        msgid = world.msgid()
        reply = await world.carry("1101", {"data": CARD}, msgid=msgid)
        assert (reply.status, reply.body["infcode"]) == (503, -1)
        assert int(reply.headers["retry-after"]) > 0
        await world.stop()
        await world.start()
        await accepted(world, "1101", {"data": CARD}, msgid=msgid, insuplc="")

    async def test_a_call_that_failed_to_sign_in_may_come_again(self, world: Any) -> None:
        """F-023: a transaction whose msgid was recorded and had no effect is sent when the same
        message comes again.
        """
        mdtrt_id = await charged(world)
        msgid = world.msgid()
        await world.admin.fault("expired-sign-no", "2207")
        await world.admin.fault("refuse", "9001")
        reply = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
        assert reply.status == 503
        await accepted(world, "2207", settlement(mdtrt_id), msgid=msgid)
        assert len(await world.settled("N1")) == 1


class TestUnknown:
    async def test_the_hospitals_own_reversal_ends_it(self, world: Any) -> None:
        """An unknown 2207 is 504 and holds the visit; the hospital's 2601 undoes it, the repeated
        message is told so, and a new one settles.
        """
        mdtrt_id = await charged(world)
        msgid = world.msgid()
        await world.admin.fault("drop-after", "2207")
        reply = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
        assert (reply.status, reply.body["infcode"]) == (504, -1)
        assert "请勿重复" in reply.body["err_msg"]
        held = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION)
        assert [problem["code"] for problem in held.body["problems"]] == ["VISIT-HELD"]
        await accepted(world, "2601", reversal(msgid))
        assert await world.states("2207") == ["reversed"]
        assert await world.settled("N1") == []

        async def known() -> Any:
            again = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
            return again if again.status != 504 else None

        again = await world.until(known)
        assert (again.status, again.body["infcode"]) == (200, -1)
        assert "冲正" in again.body["err_msg"]
        await accepted(world, "2207", settlement(mdtrt_id))
        assert len(await world.settled("N1")) == 1

    async def test_a_reversal_finds_the_second_attempt(self, world: Any) -> None:
        """After a sign-in that failed the transaction left under another msgid: the hospital's 2601
        names its own, and the right one is undone.
        """
        mdtrt_id = await charged(world)
        msgid = world.msgid()
        await world.admin.fault("expired-sign-no", "2207")
        await world.admin.fault("refuse", "9001")
        reply = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
        assert reply.status == 503
        await accepted(world, "2207", settlement(mdtrt_id), msgid=msgid)
        assert len(await world.settled("N1")) == 1
        await accepted(world, "2601", reversal(msgid))
        assert await world.settled("N1") == []

    async def test_the_policy_reverses_but_never_settles_for_the_hospital(
        self, open_world: Any
    ) -> None:
        """Policy reverse-and-settle: what the hospital composed is undone and left to it."""
        world = await open_world(policy="reverse-and-settle")
        mdtrt_id = await charged(world)
        msgid = world.msgid()
        await world.admin.fault("drop-after", "2207")
        first = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
        assert first.status == 504

        async def known() -> Any:
            again = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
            return again if again.status != 504 else None

        assert (await world.until(known)).body["infcode"] == -1
        assert await world.settled("N1") == []

    async def test_a_stored_reply_outlives_a_lost_answer(
        self, world: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """T-027: the settlement is stored and the answer is not: the same message gets the
        platform's reply from the journal.
        """
        mdtrt_id = await charged(world)
        msgid = world.msgid()
        journal = world.gateway.journal
        finish = journal.finish_exchange

        async def full_disk(*_: Any, **__: Any) -> None:
            monkeypatch.setattr(journal, "finish_exchange", finish)
            raise OSError

        monkeypatch.setattr(journal, "finish_exchange", full_disk)
        reply = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION, msgid=msgid)
        assert reply.status == 500
        output = await accepted(world, "2207", settlement(mdtrt_id), msgid=msgid)
        (row,) = await world.settled("N1")
        assert output["setlinfo"]["setl_id"] == row["setl_id"]
        assert await world.requests("2207") == ["2207"]


class TestFiles:
    """Transactions that carry a file, for a HIS that already speaks the interface."""

    async def test_a_catalogue_file_reaches_the_his_as_it_is(self, world: Any) -> None:
        """9102 answers with the raw ZIP in place of an envelope; the HIS gets the same bytes."""
        named = await world.carry("1301", {"data": {"ver": "v0000"}})
        file = named.body["output"]
        file = next(iter(file.values())) if "file_qury_no" not in file else file
        wanted = {
            "file_qury_no": file["file_qury_no"],
            "filename": file["filename"],
            "fixmedins_code": "plc",
        }
        reply = await self._download(world, wanted)
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/octet-stream"
        with zipfile.ZipFile(io.BytesIO(reply.raw)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 1

    async def test_an_upload_may_be_longer_than_another_input(self, world: Any) -> None:
        """9101 carries its file in the input: 40,000 characters are no limit for it."""
        content = base64.b64encode(bytes(60_000)).decode()
        upload = {"in": content, "filename": "list.zip", "fixmedins_code": "H43010000001"}
        reply = await world.carry("9101", {"fsUploadIn": upload})
        assert "INPUT-LIMIT" not in {p["code"] for p in reply.body.get("problems", [])}

    async def _download(self, world: Any, wanted: dict[str, str]) -> Any:
        envelope = {
            "infno": "9102",
            "msgid": world.msgid(),
            "fixmedins_code": "H43010000001",
            "input": {"fsDownloadIn": wanted},
        }
        headers = {"Authorization": f"Bearer {world.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{world.http}/fsi/9102", json=envelope) as response,
        ):
            raw = await response.read()
            found = {name.lower(): value for name, value in response.headers.items()}
            return types.SimpleNamespace(status=response.status, headers=found, raw=raw)
