"""Whole days on the platform over real sockets, the money worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

D = Decimal

KNIFE = "C01024003300007"
CT = "002103000010000"
DRIP = "001204000060000"
NURSING = "001201000030000"

STAY = [
    (NURSING, "280.00", "10", "28.000000"),
    (CT, "240.00", "1", "240.000000"),
    (DRIP, "160.00", "20", "8.000000"),
    (KNIFE, "1200.00", "1", "1200.000000"),
]
"""A stay of 1880.00; first 24.00 (tomography) and 240.00 (knife), in scope 1616.00."""


def amounts(info: dict[str, Any], *codes: str) -> list[Decimal]:
    """Some amounts of a settlement."""
    return [info[code] for code in codes]


async def test_a_person_is_identified_by_each_certificate(changsha: Any) -> None:
    """Identity card, social-security card and e-voucher lead to the same person (1101)."""
    people = [
        {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198001010010"},
        {"mdtrt_cert_type": "01", "mdtrt_cert_no": "EC43010000000000000000000001"},
        {
            "mdtrt_cert_type": "03",
            "mdtrt_cert_no": "D430000001",
            "card_sn": "430199D1560000000000000000000001",
        },
    ]
    for data in people:
        output = await changsha.call("1101", {"data": data})
        assert output["baseinfo"]["psn_no"] == "43010000000000000001"
        assert output["baseinfo"]["psn_name"] == "张伟示"
        assert output["baseinfo"]["age"] == D("46.0")
        (row,) = output["insuinfo"]
        assert (row["insutype"], row["insuplc_admdvs"]) == ("310", "430100")
        assert row["balc"] == D("1000.00")


async def test_rare_characters_come_back_as_they_are(changsha: Any) -> None:
    """A name with characters outside the basic plane."""
    data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198808080562"}
    output = await changsha.call("1101", {"data": data})
    assert output["baseinfo"]["psn_name"] == "㐂龘𠮷"


async def test_a_person_insured_in_two_places_has_two_rows(changsha: Any) -> None:
    """The sender has to choose; each row names its place."""
    data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "430199198209300391"}
    output = await changsha.call("1101", {"data": data})
    assert [(row["insutype"], row["insuplc_admdvs"]) for row in output["insuinfo"]] == [
        ("310", "430100"),
        ("390", "440300"),
    ]


async def test_entitlement_says_why_not(changsha: Any) -> None:
    """2001: the active person enjoys the benefit, the suspended one does not."""
    answers = []
    for psn in ("P1", "P4"):
        data = {
            **changsha.who(psn),
            "fixmedins_code": "H43010000001",
            "med_type": "11",
            "begntime": "2026-03-02 09:00:00",
        }
        output = await changsha.call("2001", {"data": data}, insuplc="430100")
        (row,) = output["trtinfo"]
        answers.append((row["trt_enjymnt_flag"], row["trt_chk_rslt"]))
    assert answers == [("1", ""), ("0", "人员参保状态为【暂停参保】")]


async def test_an_outpatient_day(changsha: Any) -> None:
    """P1: of 279.45 in scope 50 are the deductible; 70 % of 229.45 = 160.615 = 160.62.

    The person's 175.38 come from the account of 1000.00, so 824.62 stay and no cash is paid.
    """
    mdtrt_id = await changsha.register("P1")
    await changsha.report("P1", mdtrt_id)
    lines = changsha.lines("P1", mdtrt_id, changsha.day)
    output = await changsha.call("2204", {"feedetail": lines})
    split = [
        amounts(row, "fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")
        for row in output["result"]
    ]
    assert split == [
        [D("0.00"), D("0.00"), D("0.00"), D("37.20")],
        [D("0.00"), D("1.30"), D("1.25"), D("11.25")],
        [D("5.00"), D("0.00"), D("0.00"), D("0.00")],
        [D("0.00"), D("5.00"), D("0.00"), D("15.00")],
        [D("0.00"), D("20.00"), D("24.00"), D("216.00")],
    ]
    quoted = await changsha.call("2206", changsha.settlement("P1", mdtrt_id, "336.00"))
    assert await changsha.settlements() == []
    made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
    info = made["setlinfo"]
    assert amounts(info, "act_pay_dedc", "hifp_pay", "fund_pay_sumamt", "psn_part_amt") == [
        D("50.00"),
        D("160.62"),
        D("160.62"),
        D("175.38"),
    ]
    assert amounts(info, "acct_pay", "psn_cash_pay", "balc") == [
        D("175.38"),
        D("0.00"),
        D("824.62"),
    ]
    assert info["medins_setl_id"] == changsha.last_msgid
    assert (info["clr_type"], info["clr_optins"], info["pay_loc"]) == ("11", "430100", "2")
    (fund,) = made["setldetail"]
    assert (fund["fund_pay_type"], fund["fund_payamt"]) == ("310102", D("160.62"))
    assert fund["crt_payb_lmt_amt"] == D("150000.00")
    same = [code for code, value in quoted["setlinfo"].items() if info[code] == value]
    assert set(info) - set(same) == {"setl_id", "medins_setl_id"}
    await _read_back(changsha, mdtrt_id, info["setl_id"])


async def _read_back(changsha: Any, mdtrt_id: str, setl_id: str) -> None:
    """5201, 5203 and 5204 tell what was settled."""
    data = {
        "psn_no": "43010000000000000001",
        "begntime": "2026-03-02 00:00:00",
        "endtime": "2026-03-02 23:59:59",
        "med_type": "11",
    }
    visits = await changsha.call("5201", {"data": data})
    assert [row["mdtrt_id"] for row in visits["mdtrtinfo"]] == [mdtrt_id]
    key = changsha.key("P1", mdtrt_id, setl_id=setl_id)
    found = (await changsha.call("5203", key))["setlinfo"]
    assert (found["refd_setl_flag"], found["pay_loc"]) == ("0", "2")
    assert found["fund_pay_sumamt"] == D("160.62")
    rows = await changsha.call("5204", key)
    assert [row["feedetl_sn"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert sum(row["det_item_fee_sumamt"] for row in rows) == D("336.00")


async def test_the_deductible_of_the_year_is_paid_once(changsha: Any) -> None:
    """The second visit of the year: nothing of 279.45 is deducted, 70 % is 195.615 = 195.62."""
    for number, deducted, fund in (("M1", "50.00", "160.62"), ("M2", "0.00", "195.62")):
        mdtrt_id = await changsha.charged_day("P1", number=number)
        made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
        assert amounts(made["setlinfo"], "act_pay_dedc", "hifp_pay") == [D(deducted), D(fund)]


async def test_a_cancelled_settlement_gives_everything_back(changsha: Any) -> None:
    """2208: amounts turned, account restored, deductible of the year free again, lines unsettled."""
    mdtrt_id = await changsha.charged_day("P1")
    made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
    key = changsha.key("P1", mdtrt_id, setl_id=made["setlinfo"]["setl_id"])
    info = (await changsha.call("2208", key))["setlinfo"]
    assert amounts(info, "medfee_sumamt", "fund_pay_sumamt", "acct_pay", "balc") == [
        D("-336.00"),
        D("-160.62"),
        D("-175.38"),
        D("1000.00"),
    ]
    assert "pdn_cash_pay" in info
    assert info["setl_id"] != made["setlinfo"]["setl_id"]
    found = await changsha.call("5203", key)
    assert found["setlinfo"]["refd_setl_flag"] == "1"
    again = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
    assert again["setlinfo"]["act_pay_dedc"] == D("50.00")
    (books,) = [row for row in await changsha.admin("GET", "ledger") if row["region"] == "430100"]
    assert books["funded_settlements"] == 1
    assert books["funded_fund_pay_sumamt"] == "160.62"


async def test_everything_of_a_visit_can_be_taken_back(changsha: Any) -> None:
    """2208, 2205 with 0000, 2202: the number of the visit is free again."""
    mdtrt_id = await changsha.charged_day("P1")
    made = await changsha.call("2207", changsha.settlement("P1", mdtrt_id, "336.00"))
    await changsha.call("2208", changsha.key("P1", mdtrt_id, setl_id=made["setlinfo"]["setl_id"]))
    assert await changsha.call("2205", changsha.key("P1", mdtrt_id, chrg_bchno="0000")) == {}
    assert await changsha.call("2202", changsha.key("P1", mdtrt_id, ipt_otp_no="M1")) == {}
    await changsha.register("P1", number="M1")


async def test_an_inpatient_stay(changsha: Any) -> None:
    """P2, resident of 34: 1880.00 less a return of 5 drips (40.00), 1576.00 in scope.

    1200 are the deductible, 60 % of 376 = 225.60 the fund's; residents have no account.
    """
    mdtrt_id = await changsha.admit("P2")
    await changsha.call("2301", {"feedetail": changsha.lines("P2", mdtrt_id, STAY)})
    back = changsha.lines("P2", mdtrt_id, [(DRIP, "-40.00", "-5", "8.000000")], first=9)
    back[0]["init_feedetl_sn"] = "3"
    output = await changsha.call("2301", {"feedetail": back})
    assert output["result"][0]["inscp_scp_amt"] == D("-40.00")
    await changsha.call("2303", changsha.stay_settlement("P2", mdtrt_id, "1840.00"))
    assert await changsha.call("2402", changsha.discharge("P2", mdtrt_id)) == {}
    made = await changsha.call(
        "2304", changsha.stay_settlement("P2", mdtrt_id, "1840.00", acct_used_flag="1")
    )
    info = made["setlinfo"]
    assert amounts(info, "inscp_scp_amt", "preselfpay_amt", "act_pay_dedc", "hifp_pay") == [
        D("1576.00"),
        D("264.00"),
        D("1200.00"),
        D("225.60"),
    ]
    assert amounts(info, "psn_part_amt", "acct_pay", "psn_cash_pay") == [
        D("1614.40"),
        D("0.00"),
        D("1614.40"),
    ]
    assert (info["clr_type"], info["pay_loc"]) == ("21", "2")


async def test_a_stay_can_be_taken_back_step_by_step(changsha: Any) -> None:
    """2305, 2405, 2302 with 0000, 2404, in this order."""
    mdtrt_id = await changsha.admit("P2")
    await changsha.call("2301", {"feedetail": changsha.lines("P2", mdtrt_id, STAY)})
    await changsha.call("2402", changsha.discharge("P2", mdtrt_id))
    made = await changsha.call("2304", changsha.stay_settlement("P2", mdtrt_id, "1880.00"))
    key = changsha.key("P2", mdtrt_id)
    settlement = changsha.key("P2", mdtrt_id, setl_id=made["setlinfo"]["setl_id"])
    cancelled = await changsha.call("2305", settlement)
    assert cancelled["setlinfo"]["medfee_sumamt"] == D("-1880.00")
    assert await changsha.call("2405", key) == {}
    everything = [{**key["data"], "feedetl_sn": "0000"}]
    assert await changsha.call("2302", {"data": everything}) == {}
    assert await changsha.call("2404", key) == {}


async def test_a_settlement_during_the_stay_leaves_it_open(changsha: Any) -> None:
    """`mid_setl_flag` 1: lines so far are settled, later ones follow at the end.

    P1: 280.00 in scope fill part of the deductible of 900; of the later 160.00 nothing is paid.
    """
    mdtrt_id = await changsha.admit("P1")
    await changsha.call("2301", {"feedetail": changsha.lines("P1", mdtrt_id, STAY[:1])})
    middle = changsha.stay_settlement("P1", mdtrt_id, "280.00", mid_setl_flag="1")
    first = await changsha.call("2304", middle)
    assert first["setlinfo"]["act_pay_dedc"] == D("280.00")
    lines = changsha.lines("P1", mdtrt_id, STAY[2:3], first=2)
    await changsha.call("2301", {"feedetail": lines})
    await changsha.call("2402", changsha.discharge("P1", mdtrt_id))
    last = await changsha.call("2304", changsha.stay_settlement("P1", mdtrt_id, "160.00"))
    assert amounts(last["setlinfo"], "medfee_sumamt", "act_pay_dedc") == [D("160.00"), D("160.00")]


async def test_a_patient_of_another_province(changsha: Any) -> None:
    """P3 of 440300: the catalogue of 430100, 65 % without deductible: 181.6425 = 181.64.

    The person's 154.36; the account of Shenzhen pays no 31.30 out of scope, so 123.06 of it.
    """
    mdtrt_id = await changsha.charged_day("P3", insuplc="440300")
    made = await changsha.call(
        "2207", changsha.settlement("P3", mdtrt_id, "336.00"), insuplc="440300"
    )
    info = made["setlinfo"]
    assert amounts(info, "inscp_scp_amt", "act_pay_dedc", "hifp_pay", "psn_part_amt") == [
        D("279.45"),
        D("0.00"),
        D("181.64"),
        D("154.36"),
    ]
    assert amounts(info, "acct_pay", "psn_cash_pay", "balc") == [
        D("123.06"),
        D("31.30"),
        D("3137.44"),
    ]
    assert (info["clr_type"], info["clr_optins"], info["pay_loc"]) == ("99963", "440300", "4")
    books = {row["region"]: row for row in await changsha.admin("GET", "ledger")}
    assert (books["430100"]["treated_settlements"], books["430100"]["funded_settlements"]) == (1, 0)
    assert (books["440300"]["treated_settlements"], books["440300"]["funded_settlements"]) == (0, 1)
    assert books["440300"]["funded_fund_pay_sumamt"] == "181.64"
    assert books["440300"]["funded_acct_pay"] == "123.06"


async def test_an_inpatient_of_another_province(changsha: Any) -> None:
    """P3: 1616.00 in scope, 400 deductible, 90 % of 1216 = 1094.40."""
    mdtrt_id = await changsha.admit("P3", insuplc="440300")
    lines = changsha.lines("P3", mdtrt_id, STAY)
    await changsha.call("2301", {"feedetail": lines}, insuplc="440300")
    await changsha.call("2402", changsha.discharge("P3", mdtrt_id), insuplc="440300")
    content = changsha.stay_settlement("P3", mdtrt_id, "1880.00", insuplc="440300")
    info = (await changsha.call("2304", content, insuplc="440300"))["setlinfo"]
    assert amounts(info, "act_pay_dedc", "hifp_pay") == [D("400.00"), D("1094.40")]
    assert (info["clr_type"], info["pay_loc"]) == ("99968", "4")


async def test_a_patient_of_another_city_of_the_province(changsha: Any) -> None:
    """P10 of 430200 has no centre of its own here: 60 % of 179.45 = 107.67, by its own policy."""
    mdtrt_id = await changsha.charged_day("P10", insuplc="430200")
    made = await changsha.call(
        "2207", changsha.settlement("P10", mdtrt_id, "336.00"), insuplc="430200"
    )
    info = made["setlinfo"]
    assert amounts(info, "act_pay_dedc", "hifp_pay") == [D("100.00"), D("107.67")]
    assert (info["clr_type"], info["clr_optins"], info["pay_loc"]) == ("9909", "430200", "3")


async def test_an_out_of_area_person_without_a_place_is_not_found(changsha: Any) -> None:
    """An empty insuplc_admdvs means local; the right one finds the person."""
    data = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440399197503200429"}
    assert await changsha.refused("1101", {"data": data}) == "本地查询错误:该参保人的基本信息为空"
    output = await changsha.call("1101", {"data": data}, insuplc="440300")
    assert output["baseinfo"]["psn_no"] == "44030000000000000003"


async def test_the_second_centre_speaks_x_tif(shenzhen: Any) -> None:
    """Its own people settle at home: 65 % of what its own catalogue puts in scope.

    There tomography has a ceiling of 280 and a twentieth first: 13.00 first, 247.00 in scope;
    the rest of the day leaves 63.45, so 65 % of 310.45 = 201.7925 = 201.79.
    """
    mdtrt_id = await shenzhen.charged_day("P3", insuplc="440300")
    sums = {
        "overlmt_selfpay": D("6.30"),
        "preselfpay_amt": D("14.25"),
        "inscp_scp_amt": D("310.45"),
    }
    content = shenzhen.settlement("P3", mdtrt_id, "336.00", **sums)
    made = await shenzhen.call("2207", content, insuplc="440300")
    assert made["setlinfo"]["hifp_pay"] == D("201.79")
    assert (made["setlinfo"]["clr_type"], made["setlinfo"]["pay_loc"]) == ("11", "2")


async def test_a_transaction_without_behaviour_of_its_own_answers_in_form(changsha: Any) -> None:
    """1201 has its input checked and gives the node of its definition."""
    data = {"fixmedins_type": "1", "fixmedins_name": "示范", "fixmedins_code": ""}
    output = await changsha.call("1201", {"medinsinfo": data})
    assert set(output) == {"medinsinfo"}
    assert "fixmedins_type" in await changsha.refused(
        "1201", {"medinsinfo": {"fixmedins_code": "1"}}
    )


async def test_a_day_ends_with_the_signing_out(changsha: Any) -> None:
    """9002 of a sign-in of the day; the number is worth nothing afterwards."""
    await changsha.sign_in()
    content = {"signOut": {"sign_no": changsha.sign_no, "opter_no": "001"}}
    output = await changsha.call("9002", content)
    assert output["signoutoutb"]["sign_time"] == "2026-03-02 10:00:00"
    assert await changsha.refused("9002", content) == "签到流水号已失效，请重新签到"


async def test_the_reply_has_the_members_of_the_envelope(changsha: Any, shenzhen: Any) -> None:
    """inf_refmsgid is region, time and ten digits; one centre writes infcode as text."""
    for hospital, infcode in ((changsha, 0), (shenzhen, "0")):
        content = {"signIn": {"opter_no": "001", "mac": "00", "ip": "127.0.0.1"}}
        reply = await hospital.send("9001", content)
        assert reply["infcode"] == infcode
        assert reply["inf_refmsgid"].startswith(f"{hospital.region}20260302100000")
        assert len(reply["inf_refmsgid"]) == 30
        assert reply["refmsg_time"] == "20260302100000000"
        assert reply["signtype"] == "SM2"


async def test_people_in_hospital_can_be_found(changsha: Any) -> None:
    """5303 by the time of admission, of one person or of all; somebody who left is not there."""
    first = await changsha.admit("P1", number="Z1")
    second = await changsha.admit("P2", number="Z2")
    data = {"begntime": "2026-02-20 00:00:00", "endtime": "2026-02-20 23:59:59", "psn_no": ""}
    everybody = await changsha.call("5303", {"data": data})
    assert [row["mdtrt_id"] for row in everybody["data"]] == [first, second]
    await changsha.call("2402", changsha.discharge("P1", first))
    one = {**data, **changsha.who("P1")}
    assert await changsha.call("5303", {"data": one}) == {"data": []}


async def test_an_admission_can_be_changed_until_the_discharge(changsha: Any) -> None:
    """2403 overwrites the bed and adds a diagnosis; 5201 shows the later state."""
    mdtrt_id = await changsha.admit("P1")
    content = changsha.admission("P1")
    change = {
        "adminfo": {
            **content["mdtrtinfo"],
            "mdtrt_id": mdtrt_id,
            "ipt_otp_no": "Z1",
            "adm_bed": "12",
        },
        "diseinfo": [{**content["diseinfo"][0], "mdtrt_id": mdtrt_id, "diag_srt_no": 2}],
    }
    assert await changsha.call("2403", change) == {}
    data = {
        **changsha.who("P1"),
        "begntime": "2026-02-01 00:00:00",
        "endtime": "2026-03-02 00:00:00",
        "med_type": "2101",
    }
    (visit,) = (await changsha.call("5201", {"data": data}))["mdtrtinfo"]
    assert (visit["adm_bed"], visit["inhosp_stas"]) == ("12", "1")
    await changsha.call("2402", changsha.discharge("P1", mdtrt_id))
    assert await changsha.refused("2403", change) == "患者已办理出院，不能变更入院信息"
