"""Every rule: an input it is content with, and one it finds fault with, at the right place."""

from __future__ import annotations

import copy
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.errors import Problem, Severity
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.rules import HEADER_RULES, RULES
from gateway.fsi.samples import IDENTITY_NUMBER, sample_input

BASE = Definitions.load()
PROFILE = msgspec.structs.replace(load_profile("generic"), strict_rules=[])
CHECKER = Checker(BASE, PROFILE)
BY_NAME = {rule.name: rule for rule in RULES}

NO_ID = "430199198001010011"
"""An identity number whose check digit should be 0."""


class Case(msgspec.Struct, frozen=True):
    """A rule, a transaction, changes to its sample that are right, further ones that are wrong."""

    rule: str
    infno: str
    wrong: dict[str, Any]
    place: str
    right: dict[str, Any] = {}


def _keys(**members: str) -> str:
    return msgspec.json.encode(members).decode()


CASES = [
    Case(
        "card-number-with-card",
        "1101",
        {"data.card_sn": ""},
        "data.card_sn",
        {"data.mdtrt_cert_type": "03", "data.mdtrt_cert_no": "D430000001", "data.card_sn": "X1"},
    ),
    Case(
        "card-number-with-card-prescription",
        "7101",
        {"data.cardSn": " "},
        "data.cardSn",
        {"data.mdtrtCertType": "03", "data.cardSn": "X1"},
    ),
    Case(
        "identity-card-as-voucher",
        "2201",
        {"data.mdtrt_cert_no": NO_ID},
        "data.mdtrt_cert_no",
        {"data.mdtrt_cert_type": "02", "data.mdtrt_cert_no": IDENTITY_NUMBER},
    ),
    Case("resident-identity-number", "1101", {"data.certno": NO_ID}, "data.certno"),
    Case("institution-name-or-code", "1201", {"medinsinfo.fixmedins_code": ""}, "medinsinfo.fixmedins_code", {"medinsinfo.fixmedins_name": ""}),
    Case("one-main-diagnosis", "2401", {"diseinfo[1].maindiag_flag": "1"}, "diseinfo[1].maindiag_flag"),
    Case("main-diagnosis-agrees", "2401", {"mdtrtinfo.dscg_maindiag_code": "K35.800"}, "mdtrtinfo.dscg_maindiag_code"),
    Case("diagnosis-number-once", "2403", {"diseinfo[1].diag_srt_no": 1}, "diseinfo[1].diag_srt_no"),
    Case("diagnoses-of-the-visit", "2402", {"diseinfo[1].psn_no": "P9"}, "diseinfo[1].psn_no"),
    Case("chronic-visit-disease", "2203", {"mdtrtinfo.dise_codg": None}, "mdtrtinfo.dise_codg", {"mdtrtinfo.med_type": "14"}),
    Case("chronic-prescription-disease", "7101", {"mdtrtinfo.diseCodg": ""}, "mdtrtinfo.diseCodg", {"mdtrtinfo.medType": "14"}),
    Case("day-surgery-operation", "2401", {"mdtrtinfo.oprn_oprt_code": ""}, "mdtrtinfo.oprn_oprt_code", {"mdtrtinfo.med_type": "28"}),
    Case("death-date", "2402", {"dscginfo.die_date": ""}, "dscginfo.die_date", {"dscginfo.dscg_way": "5"}),
    Case("line-number-digits", "2204", {"feedetail[1].feedetl_sn": "0002"}, "feedetail[1].feedetl_sn"),
    Case("line-number-once", "2204", {"feedetail[1].feedetl_sn": "1"}, "feedetail[1].feedetl_sn"),
    Case("line-amount", "2204", {"feedetail[0].det_item_fee_sumamt": Decimal("3.02")}, "feedetail[0].det_item_fee_sumamt", {"feedetail[0].det_item_fee_sumamt": Decimal("3.01")}),
    Case("line-price", "2204", {"feedetail[0].pric": Decimal("-1.5"), "feedetail[0].cnt": Decimal(-2)}, "feedetail[0].pric", {"feedetail[0].pric": Decimal(0), "feedetail[0].det_item_fee_sumamt": Decimal(0)}),
    Case("batch-one-disease", "2204", {"feedetail[1].dise_codg": ""}, "feedetail[1].dise_codg"),
    Case(
        "return-names-original",
        "2301",
        {"feedetail[1].init_feedetl_sn": None},
        "feedetail[1].init_feedetl_sn",
        {"feedetail[1].cnt": Decimal(-2), "feedetail[1].det_item_fee_sumamt": Decimal("-3.00"), "feedetail[1].init_feedetl_sn": "1"},
    ),
    Case("return-is-negative", "2301", {"feedetail[0].init_feedetl_sn": "9"}, "feedetail[0].cnt"),
    Case("external-prescription-number", "2204", {"feedetail[0].rxno": ""}, "feedetail[0].rxno", {"feedetail[0].rx_circ_flag": "1"}),
    Case("withdraw-all-alone", "2302", {"data[1].feedetl_sn": "0000"}, "data[1].feedetl_sn"),
    Case("purchase-total", "2102", {"druginfo.medfee_sumamt": Decimal("6.01")}, "druginfo.medfee_sumamt"),
    Case("split-sums", "2207", {"data.inscp_scp_amt": Decimal("7.01")}, "data.medfee_sumamt"),
    Case("extension-object", "2204", {"feedetail[0].exp_content": '["TRUM_FLAG"]'}, "feedetail[0].exp_content", {"feedetail[0].exp_content": '{"x":1}'}),
    Case("crossing-values", "2207", {"data.exp_content": _keys(MDTRT_GRP_TYPE="5")}, "data.exp_content", {"data.exp_content": _keys(MDTRT_GRP_TYPE="4")}),
    Case("injury-third-party", "2401", {"mdtrtinfo.exp_content": _keys(TRUM_FLAG="1")}, "mdtrtinfo.exp_content", {"mdtrtinfo.exp_content": _keys(TRUM_FLAG="1", REL_TTP_FLAG="0")}),
    Case("crossing-medical-type", "2207", {"data.exp_content": _keys(OTP_ER_REFL_FLAG="2")}, "data.exp_content", {"data.med_type": "13", "data.exp_content": _keys(OTP_ER_REFL_FLAG="3")}),
    Case("pages-page-num-page-size", "1312", {"data.page_num": 0}, "data.page_num", {"data.page_num": "1"}),
    Case("pages-pagenum-pagesize", "4507", {"input.pageNum": Decimal(-1)}, "input.pageNum"),
    Case("pages-currentpage-pagesize", "3701", {"FsiIntlgSupnApplEvtCQueryDTO.input.currentPage": 0}, "FsiIntlgSupnApplEvtCQueryDTO.input.currentPage"),
    Case("prescription-list-page", "7211", {"data.pageSize": 101}, "data.pageSize", {"data.pageSize": 100}),
    Case("stock-item-or-batch", "3508", {"data.fixmedins_bchno": ""}, "data.medins_list_codg", {"data.medins_list_codg": ""}),
    Case("trace-in-key", "3512", {"data.fixmedins_bchno": ""}, "data.med_list_codg", {"data.med_list_codg": "", "data.medins_list_codg": ""}),
    Case("trace-out-key", "3513", {"data.certno": ""}, "data.med_list_codg", {f"data.{code}": "" for code in ("med_list_codg", "medins_list_codg", "fixmedins_bchno", "mdtrt_id")}),
    Case("audit-scene-or-rules", "3101", {"data.rule_ids": None}, "data.trig_scen", {"data.trig_scen": "", "data.rule_ids": ["R1"]}),
    Case("settlement-month", "4104", {"data.setl_ym": "202613"}, "data.setl_ym"),
    Case("file-institution", "9102", {"fsDownloadIn.fixmedins_code": "H43010000001"}, "fsDownloadIn.fixmedins_code"),
    Case("reversible-transaction", "2601", {"data.oinfno": "2204"}, "data.oinfno", {"data.oinfno": "2401"}),
    Case("reversed-message-id", "2601", {"data.omsgid": "H4301000000120260301090507"}, "data.omsgid"),
    Case("continued-warning-reason", "3103", {"data.warns[0].dspo_way_rea": ""}, "data.warns[0].dspo_way_rea", {"data.warns[0].dspo_way": "1"}),
    Case("insured-sale-setl-id", "3505A", {"selinfoDetail[0].setl_id": ""}, "selinfoDetail[0].setl_id", {"selinfoDetail[0].MDTRT_SETL_TYPE": "1"}),
    Case("insured-sale-rxno", "3505A", {"selinfoDetail[0].rxno": ""}, "selinfoDetail[0].rxno", {"selinfoDetail[0].MDTRT_SETL_TYPE": "1"}),
    *(
        Case(
            f"appeal-{code.lower()}",
            infno,
            {f"List[0].input.docs[0].docSusptDTOS[0].{code}": ""},
            f"List[0].input.docs[0].docSusptDTOS[0].{code}",
            {"List[0].input.docs[0].docSusptDTOS[0].applyFlag": "1"},
        )
        for code in ("susptAmt", "attUploadId", "auditOpinion")
        for infno in ("3702", "3703")
    ),
    Case("appeal-files", "3704", {"FsiAttFileUploadDTO.input.fsiAppealFileDTOList": [{"name": "a", "bytes": [1]}] * 6}, "FsiAttFileUploadDTO.input.fsiAppealFileDTOList", {"FsiAttFileUploadDTO.input.fsiAppealFileDTOList": [{"name": "a", "bytes": [1]}] * 5}),
    Case("audit-list-level", "3101", {"data.patient_dtos[0].fsi_encounter_dtos[0].fsi_order_dtos[1].hilist_lv": "1"}, "data.patient_dtos[0].fsi_encounter_dtos[0].fsi_order_dtos[1].hilist_lv"),
    Case("refund-flags", "3201", {"data.fixmedins_refd_setl_flag": "2"}, "data.fixmedins_refd_setl_flag", {"data.fixmedins_refd_setl_flag": "1"}),
    Case("counted-refunds", "4105", {"data.refdset_flag": "2"}, "data.refdset_flag"),
    Case("stock-kind", "3507", {"data.inv_data_type": "5"}, "data.inv_data_type"),
    Case("upload-kind", "4261", {"upType": "2"}, "upType"),
    *(
        Case(f"contact-{code.replace('_', '-')}", "4101", {f"setlinfo.{code}": ""}, f"setlinfo.{code}")
        for code in ("patn_rlts", "coner_addr", "coner_tel")
    ),
    Case("record-durations", "4101", {"setlinfo.vent_used_dura": "1/24/0"}, "setlinfo.vent_used_dura", {"setlinfo.vent_used_dura": "10/23/59"}),
    Case("list-state", "4102", {"stastinfo[0].stas_type": "2"}, "stastinfo[0].stas_type", {"stastinfo[0].stas_type": "1"}),
    Case("insured-record", "4301", {"rgstinfo.psn_no": ""}, "rgstinfo.psn_no"),
    Case("record-diagnosis", "4701", {"diseinfo[0].tcm_dise_code": ""}, "diseinfo[0].wm_diag_code", {"diseinfo[0].wm_diag_code": ""}),
    Case("payment-authorised", "6202", {"data.ecChnlUserId": ""}, "data.payAuthNo", {"data.payAuthNo": ""}),
    Case("refund-kind", "6203", {"data.refdType": "SOME"}, "data.refdType"),
    Case("self-pay-reason", "7101", {"rxdrugdetail[0].selfPayRea": ""}, "rxdrugdetail[0].selfPayRea", {"rxdrugdetail[0].hospApprFlag": "2"}),
    Case("member-spelling", "2204", {"feedetail[0].CNT": Decimal(2), "feedetail[0].cnt": None}, "feedetail[0].cnt"),
    Case("empty-number", "4101", {"setlinfo.nwb_bir_wt": ""}, "setlinfo.nwb_bir_wt"),
]  # fmt: skip

RANGES = [rule for rule in RULES if rule.name.startswith(("range-", "period-"))]

OTHERWISE = {
    "newborn-weights": "test_weights_of_several_newborns_have_commas_between_them",
    "resident-identity-number-admission": "test_the_admission_calls_the_type_of_certificate_otherwise",
}
"""Rules whose cases stand in another file, because they hold in one edition only."""


def _put(content: Any, path: str, value: Any) -> None:
    steps = [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]
    for step in steps[:-1]:
        content = content[step]
    if value is None and isinstance(content, dict):
        content.pop(steps[-1], None)
    else:
        content[steps[-1]] = value


def _sample(infno: str, changes: dict[str, Any]) -> dict[str, Any]:
    content = sample_input(BASE, PROFILE, infno)
    for path, value in changes.items():
        _put(content, path, value)
    return content


def _of(rule: str, problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.detail == f"rule {rule}"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.infno}")
def test_a_rule_finds_what_breaks_it(case: Case) -> None:
    """The right input has no problem at all; the wrong one has one of this rule, at its place."""
    right = _sample(case.infno, case.right)
    assert CHECKER.check(case.infno, right) == []
    wrong = _sample(case.infno, {**case.right, **case.wrong})
    (problem,) = _of(case.rule, CHECKER.check(case.infno, wrong))
    assert problem.place == case.place
    assert problem.zh
    assert problem.en


def test_every_rule_has_a_case() -> None:
    """A rule without one would be unproven."""
    proven = {case.rule for case in CASES} | {rule.name for rule in RANGES} | OTHERWISE.keys()
    assert proven == set(BY_NAME)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.infno}")
def test_a_doubtful_rule_warns_unless_a_profile_insists(case: Case) -> None:
    """`strict_rules` makes it an error, `off_rules` takes it away."""
    wrong = _sample(case.infno, {**case.right, **case.wrong})
    rule = BY_NAME[case.rule]
    (problem,) = _of(case.rule, CHECKER.check(case.infno, wrong))
    doubtful = bool(rule.doubt) or case.infno in rule.doubtful_in
    assert problem.severity is (Severity.WARNING if doubtful else Severity.ERROR)
    strict = msgspec.structs.replace(PROFILE, strict_rules=[case.rule])
    (problem,) = _of(case.rule, Checker(BASE, strict).check(case.infno, wrong))
    assert problem.stops
    off = msgspec.structs.replace(PROFILE, off_rules=[case.rule])
    assert _of(case.rule, Checker(BASE, off).check(case.infno, wrong)) == []


def _moments(node: Any, first: str, last: str, path: str) -> list[tuple[Any, str]]:
    """The rows below this content that have both ends of a range, with their paths."""
    if isinstance(node, list):
        return [
            f for at, row in enumerate(node) for f in _moments(row, first, last, f"{path}[{at}]")
        ]
    if not isinstance(node, dict):
        return []
    here = [(node, path)] if first in node and last in node else []
    inner = [
        found
        for name, value in node.items()
        for found in _moments(value, first, last, f"{path}.{name}".strip("."))
    ]
    return here + inner


@pytest.mark.parametrize(
    ("name", "infno"), [(rule.name, infno) for rule in RANGES for infno in sorted(rule.only)]
)
def test_a_range_does_not_end_before_it_begins(name: str, infno: str) -> None:
    """One day earlier is found, at the end of the range; an open end is no problem."""
    rule = BY_NAME[name]
    first, last = sorted(rule.needs, key=lambda code: rule.text.index(f"`{code}`"), reverse=True)
    content = sample_input(BASE, PROFILE, infno)
    (row, path), *_ = _moments(content, first, last, "")
    row[first], row[last] = (
        row[code].replace("2026-03-01", "2026-03-02") for code in (first, last)
    )
    assert _of(name, CHECKER.check(infno, content)) == []
    row[last] = row[last].replace("2026-03-02", "2026-03-01")
    found = _of(name, CHECKER.check(infno, content))
    assert [problem.place for problem in found] == [f"{path}.{last}"]
    row[first] = ""
    assert _of(name, CHECKER.check(infno, content)) == []


HEADER = {
    "infno": "2207",
    "msgid": "H43010000001202603010905070001",
    "mdtrtarea_admvs": "430100",
    "insuplc_admdvs": "430100",
    "opter_type": "1",
    "opter": "1001",
    "opter_name": "收费员",
    "inf_time": "2026-03-01 09:05:07",
    "fixmedins_code": "H43010000001",
    "fixmedins_name": "长沙示范医院",
    "sign_no": "",
}

HEADER_CASES: list[tuple[str, dict[str, str], dict[str, Any], str]] = [
    ("header-members", {"opter": "1" * 31}, {}, "opter"),
    ("header-members", {"opter_name": ""}, {}, "opter_name"),
    ("header-treatment-region", {"mdtrtarea_admvs": ""}, {}, "mdtrtarea_admvs"),
    ("header-insurance-region", {"insuplc_admdvs": ""}, {}, "insuplc_admdvs"),
    ("header-region-form", {"insuplc_admdvs": "4301"}, {}, "insuplc_admdvs"),
    ("header-regions-repeated", {}, {"data.insuplc_admdvs": "440300"}, "input.data.insuplc_admdvs"),
    ("header-message-id", {"msgid": "H43010000001202603010905"}, {}, "msgid"),
    ("header-message-id", {"msgid": "H99999999999202603010905070001"}, {}, "msgid"),
    ("header-operator-type", {"opter_type": "4"}, {}, "opter_type"),
    ("header-time", {"inf_time": "20260301090507"}, {}, "inf_time"),
    (
        "header-crossing-keys",
        {"insuplc_admdvs": "440300"},
        {"data.med_type": "13"},
        "input.data.exp_content",
    ),
]


def test_a_good_header_has_no_problem() -> None:
    """Of a local patient, and of one from another province at an ordinary visit."""
    content = _sample("2207", {})
    assert CHECKER.check_header(HEADER, content) == []
    assert CHECKER.check_header({**HEADER, "insuplc_admdvs": "440300"}, content) == []
    assert CHECKER.check_header({**HEADER, "insuplc_admdvs": ""}, {"data": {"psn_no": ""}}) == []


@pytest.mark.parametrize(("rule", "members", "changes", "place"), HEADER_CASES)
def test_a_header_rule_finds_what_breaks_it(
    rule: str, members: dict[str, str], changes: dict[str, Any], place: str
) -> None:
    """One problem, of this rule, at the member or at the path in the input."""
    content = _sample("2207", changes)
    (problem,) = CHECKER.check_header({**HEADER, **members}, content)
    assert (problem.detail, problem.place) == (f"rule {rule}", place)
    assert problem.stops
    off = msgspec.structs.replace(PROFILE, off_rules=[rule])
    assert Checker(BASE, off).check_header({**HEADER, **members}, content) == []


@pytest.mark.parametrize(("rule", "members", "changes", "place"), HEADER_CASES)
def test_members_that_are_right_alone_are_looked_at_beside_the_input_only(
    rule: str, members: dict[str, str], changes: dict[str, Any], place: str
) -> None:
    """What is wrong with a header is found by itself or beside the input, and never by neither."""
    header, content = {**HEADER, **members}, _sample("2207", changes)
    right = CHECKER.are_members_right(header)
    found = CHECKER.check_header(header, content, members_right=True)
    expected = [] if not right else [(f"rule {rule}", place)]
    assert [(problem.detail, problem.place) for problem in found] == expected


def test_the_front_page_of_a_record_is_numbered_by_the_institution() -> None:
    """mdtrt_sn of 4401 begins with the institution code (rules, statement 17.13)."""
    content = _sample("4401", {"baseinfo.mdtrt_sn": "H430100000010001"})
    content["baseinfo"]["psn_no"] = ""
    for node in ("diseinfo", "oprninfo", "icuinfo"):
        content.pop(node, None)
    header = {**HEADER, "infno": "4401"}
    assert CHECKER.check_header(header, content) == []
    content["baseinfo"]["mdtrt_sn"] = "0001"
    (problem,) = CHECKER.check_header(header, content)
    assert (problem.detail, problem.place) == (
        "rule header-record-number",
        "input.baseinfo.mdtrt_sn",
    )


def test_every_header_rule_has_a_case() -> None:
    """A rule without one would be unproven."""
    proven = {rule for rule, *_ in HEADER_CASES} | {"header-record-number"}
    assert proven == {rule.name for rule in HEADER_RULES}


def test_the_keys_of_a_crossing_patient_are_doubtful_in_2203() -> None:
    """The version table names 2203 in two paragraphs and not in its list (statement 11.8)."""
    content = _sample("2203", {"mdtrtinfo.med_type": "9903"})
    header = {**HEADER, "infno": "2203", "insuplc_admdvs": "440300"}
    (problem,) = CHECKER.check_header(header, content)
    assert (problem.severity, problem.place) == (
        Severity.WARNING,
        "input.mdtrtinfo.exp_content",
    )
    content["mdtrtinfo"]["exp_content"] = _keys(TRUM_FLAG="1", REL_TTP_FLAG="0")
    assert CHECKER.check_header(header, content) == []


@pytest.mark.parametrize("members", [{}, {"infno": 5}, {"infno": "9999", "msgid": None}, {"x": []}])
@pytest.mark.parametrize("content", [None, [], {"data": [1, {}]}, {"data": {"psn_no": "P1"}}, 7])
def test_any_header_and_input_give_problems_and_no_exception(
    members: dict[str, Any], content: Any
) -> None:
    """Without the region of treatment there is always a problem."""
    problems = CHECKER.check_header(copy.deepcopy(members), content)
    assert "mdtrtarea_admvs" in {problem.place for problem in problems}
