"""Rules about records, lists, stock, prescriptions and mobile payment."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.findings import wrong_value
from gateway.fsi.rules.conditions import formed, one_of, required_when, required_with
from gateway.fsi.rules.model import Rows, Rule, Scope
from gateway.fsi.values import is_empty

MOST_FILES = 5
"""Files of one 3704."""

INSURED_RECORDS = frozenset(
    {
        *("4301", "4302", "4401", "4402", "4402A", "4501", "4502", "4503", "4504", "4505"),
        *("4506", "4601", "4602", "4701"),
    }
)

_DURATION = r"\d{1,4}/([01]?\d|2[0-3])/[0-5]?\d"
_WEIGHTS = r"\d+(\.\d+)?(,\d+(\.\d+)?)*"


def state_by_institution(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """An institution sets a settlement list to not submitted (0) or submitted (1)."""
    problem = wrong_value(
        scope.fields["stas_type"],
        "只能为0(未提交)或1(已提交)，审核结果由医保填写",
        "can only be 0 or 1; the bureau sets the others",
    )
    for path, row in rows:
        value = row.get("stas_type")
        if isinstance(value, str) and value.strip() and value not in {"0", "1"}:
            yield scope.at(problem, path)


def few_files(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """At most five files go with one call."""
    for path, row in rows:
        files = row.get("fsiAppealFileDTOList")
        if isinstance(files, list) and len(files) > MOST_FILES:
            problem = Problem(
                kind=ProblemKind.TOO_COSTLY,
                code=ProblemCode.NODE_COUNT,
                field="fsiAppealFileDTOList",
                zh=f"每次最多上传{MOST_FILES}个文件",
                en=f"at most {MOST_FILES} files go with one call",
            )
            yield scope.at(problem, path)


def authorised_payment(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A payment is authorised by a number, or by the three parts of an e-voucher."""
    parts = ("ecAuthCode", "ecChnlAppId", "ecChnlUserId")
    problem = wrong_value(
        scope.fields["payAuthNo"],
        "与电子凭证三要素不可同时为空",
        "or the three e-voucher fields are required",
    )
    for path, row in rows:
        if is_empty(row.get("payAuthNo")) and any(is_empty(row.get(part)) for part in parts):
            yield scope.at(problem, path)


def visit_and_person_together(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The record of an insured patient names visit and person, another one neither."""
    for path, row in rows:
        given = [code for code in ("mdtrt_id", "psn_no") if not is_empty(row.get(code))]
        if len(given) == 1:
            other = "psn_no" if given == ["mdtrt_id"] else "mdtrt_id"
            problem = wrong_value(
                scope.fields[other],
                "为空：医保病人应同时填写就诊ID和人员编号",
                "is empty: an insured patient has mdtrt_id and psn_no",
            )
            yield scope.at(problem, path)


def _appeal(code: str) -> Rule:
    return Rule(
        name=f"appeal-{code.lower()}",
        text=f"An appeal or joint review (`applyFlag` 1) has its `{code}`.",
        source=("16.15",),
        check=required_when(code, {"applyFlag": ["1"]}, "申诉标识为1", "applyFlag is 1"),
        needs=frozenset({"applyFlag", code}),
        only=frozenset({"3702", "3703"}),
    )


def _contact(code: str) -> Rule:
    return Rule(
        name=f"contact-{code.replace('_', '-')}",
        text=f"A contact (`coner_name`) has its `{code}`.",
        source=("17.3",),
        check=required_with(code, "coner_name"),
        needs=frozenset({"coner_name", code}),
        only=frozenset({"4101", "4101A"}),
    )


def _insured_sale(code: str) -> Rule:
    return Rule(
        name=f"insured-sale-{code.replace('_', '-')}",
        text=f"A sale settled by insurance (`MDTRT_SETL_TYPE` 1) has its `{code}`.",
        source=("16.9",),
        check=required_when(
            code, {"MDTRT_SETL_TYPE": ["1"]}, "就诊结算类型为1(医保结算)", "MDTRT_SETL_TYPE is 1"
        ),
        needs=frozenset({"MDTRT_SETL_TYPE", code}),
        only=frozenset({"3505A"}),
    )


RULES = (
    Rule(
        name="continued-warning-reason",
        text="Carrying on in spite of a warning (`dspo_way` 1) has a reason.",
        source=("16.3",),
        check=required_when(
            "dspo_way_rea", {"dspo_way": ["1"]}, "处理方式为1(继续执行)", "dspo_way is 1"
        ),
        needs=frozenset({"dspo_way", "dspo_way_rea"}),
        only=frozenset({"3103"}),
    ),
    *(_insured_sale(code) for code in ("setl_id", "rxno")),
    *(_appeal(code) for code in ("susptAmt", "attUploadId", "auditOpinion")),
    Rule(
        name="appeal-files",
        text=f"At most {MOST_FILES} files go with one 3704.",
        source=("16.15",),
        check=few_files,
        needs=frozenset({"fsiAppealFileDTOList"}),
        only=frozenset({"3704"}),
    ),
    Rule(
        name="audit-list-level",
        text="`hilist_lv` of an audited order is 01, 02 or 03 for class A, B or C.",
        source=("16.2",),
        check=formed(("hilist_lv",), "0[123]", "应为01、02或03", "should be 01, 02 or 03"),
        needs=frozenset({"hilist_lv"}),
        only=frozenset({"3101", "3102"}),
    ),
    Rule(
        name="refund-flags",
        text="`fixmedins_refd_setl_flag` and `refd_setl_flag` are 0 or 1.",
        source=("15.3",),
        check=formed(
            ("fixmedins_refd_setl_flag", "refd_setl_flag"), "[01]", "应为0或1", "should be 0 or 1"
        ),
        needs=frozenset({"fixmedins_refd_setl_flag"}),
        only=frozenset({"3201", "3202"}),
    ),
    Rule(
        name="counted-refunds",
        text="`refdset_flag` is 1 to count negative settlements, 0 not to.",
        source=("17.10",),
        check=formed(("refdset_flag",), "[01]", "应为0或1", "should be 0 or 1"),
        needs=frozenset({"refdset_flag"}),
        only=frozenset({"4105"}),
    ),
    Rule(
        name="stock-kind",
        text="`inv_data_type` is 1 stock-taking, 2 change, 3 purchase or 4 sale.",
        source=("16.12",),
        check=formed(("inv_data_type",), "[1-4]", "应为1、2、3或4", "should be 1, 2, 3 or 4"),
        needs=frozenset({"inv_data_type"}),
        only=frozenset({"3507", "3507A"}),
    ),
    Rule(
        name="upload-kind",
        text="`upType` is 0 for a full upload or 1 for an update.",
        source=("17.11",),
        check=formed(("upType",), "[01]", "应为0(全量)或1(更新)", "should be 0 or 1"),
        needs=frozenset({"upType"}),
        only=frozenset({"4261"}),
    ),
    *(_contact(code) for code in ("patn_rlts", "coner_addr", "coner_tel")),
    Rule(
        name="record-durations",
        text="Durations are days/hours/minutes, such as 1/13/24.",
        source=("17.4",),
        check=formed(
            (
                *("vent_used_dura", "pwcry_bfadm_coma_dura", "pwcry_afadm_coma_dura"),
                "scs_cutd_sum_dura",
            ),
            _DURATION,
            "应为天数/小时数/分钟数，例：1/13/24",
            "should be days/hours/minutes, such as 1/13/24",
        ),
        only=frozenset({"4101", "4101A"}),
    ),
    Rule(
        name="newborn-weights",
        text="Weights of several newborns are numbers with commas between them.",
        source=("17.4",),
        check=formed(
            ("mul_nwb_bir_wt", "mul_nwb_adm_wt"),
            _WEIGHTS,
            "应为用英文逗号隔开的数字",
            "should be numbers with commas between them",
        ),
        only=frozenset({"4101"}),
    ),
    Rule(
        name="list-state",
        text="An institution sets `stas_type` to 0 or 1.",
        source=("17.7",),
        check=state_by_institution,
        needs=frozenset({"stas_type"}),
        only=frozenset({"4102"}),
    ),
    Rule(
        name="insured-record",
        text="A record has both `mdtrt_id` and `psn_no`, or neither.",
        source=("17.12",),
        doubt="the text asks for both from insured patients, whom a record does not mark",
        check=visit_and_person_together,
        needs=frozenset({"mdtrt_id", "psn_no", "mdtrt_sn"}),
        only=INSURED_RECORDS,
    ),
    Rule(
        name="record-diagnosis",
        text="A diagnosis of 4701 has a western or a traditional Chinese code.",
        source=("17.14",),
        check=one_of("wm_diag_code", "tcm_dise_code"),
        needs=frozenset({"wm_diag_code", "tcm_dise_code"}),
        only=frozenset({"4701"}),
    ),
    Rule(
        name="payment-authorised",
        text="A payment has `payAuthNo`, or `ecAuthCode`, `ecChnlAppId` and `ecChnlUserId`.",
        source=("19.2",),
        check=authorised_payment,
        needs=frozenset({"payAuthNo", "ecAuthCode", "ecChnlAppId", "ecChnlUserId"}),
        only=frozenset({"6202"}),
    ),
    Rule(
        name="refund-kind",
        text="`refdType` is ALL, CASH or HI.",
        source=("19.3",),
        check=formed(("refdType",), "ALL|CASH|HI", "应为ALL、CASH或HI", "is ALL, CASH or HI"),
        needs=frozenset({"refdType"}),
        only=frozenset({"6203"}),
    ),
    Rule(
        name="self-pay-reason",
        text="A drug that is paid by the patient (`hospApprFlag` 2) has its `selfPayRea`.",
        source=("19.7",),
        check=required_when(
            "selfPayRea", {"hospApprFlag": ["2"]}, "医院审批标志为2(自费)", "hospApprFlag is 2"
        ),
        needs=frozenset({"hospApprFlag", "selfPayRea"}),
        only=frozenset({"7101"}),
    ),
)
