"""Findings, repairs and states of a reconciliation in Chinese and English."""

from __future__ import annotations

from gateway.settlement.reconciling.report import (
    Finding,
    GroupState,
    Repair,
    ReportState,
    SideState,
)

FINDINGS: dict[Finding, tuple[str, str]] = {
    Finding.BALANCED: ("两边一致", "both sides agree"),
    Finding.AMOUNTS_DIFFER: ("两边内容不一致", "the two sides differ"),
    Finding.ONLY_OURS: ("医院有，中心无", "we have it, the centre has not"),
    Finding.ONLY_THEIRS: (
        "中心有，医院无，也无对应的消息",
        "the centre has it, and no message of ours made it",
    ),
    Finding.REVERSED_HERE: (
        "医院已冲正或被拒绝，中心仍有",
        "undone or refused as far as we know, the centre still has it",
    ),
    Finding.REVERSED_THERE: ("中心有退费，医院无", "the centre has a refund that we have not"),
    Finding.UNKNOWN_FOUND: (
        "医院结果未知，中心已有",
        "our outcome is unknown, and the centre has it",
    ),
    Finding.UNKNOWN_NOT_FOUND: (
        "医院结果未知，中心未列出（不能证明未发生）",
        "our outcome is unknown, and the centre does not name it (no proof)",
    ),
    Finding.UNREADABLE: (
        "医院已受理，但未保存金额",
        "accepted here, but its amounts are not kept",
    ),
    Finding.DISPUTED: (
        "内容一致，中心标为不平",
        "every field agrees, the centre calls it unbalanced",
    ),
    Finding.UNCLEAR: (
        "中心的这一行不能对应到一笔结算",
        "a line of the centre that names no single settlement",
    ),
    Finding.UNMENTIONED: ("中心的结果文件未提到", "the centre's result does not mention it"),
    Finding.NOT_COMPARED: ("未得到中心答复，未比较", "not compared: the centre gave no answer"),
}

REPAIRS: dict[Repair, tuple[str, str]] = {
    Repair.NONE: ("", ""),
    Repair.WAIT: (
        "等待并重新对账；不要重新结算",
        "wait and reconcile again; settle nothing anew",
    ),
    Repair.CONFIRM: (
        "用 gateway unknown resolve 确认（confirm，填中心的结算ID），或冲正（reverse）",
        "`gateway unknown resolve`: confirm with the centre's setl_id, or reverse",
    ),
    Repair.REVERSE: (
        "核实后按本行报文ID做冲正交易2601",
        "once it is verified, reverse it by 2601 with the message id of this line",
    ),
    Repair.ASK_CENTRE: (
        "凭结算ID和报文ID向经办机构核实；核实之前不要重新结算",
        "ask the centre, with setl_id and message id; settle nothing anew before it answered",
    ),
    Repair.READ_BACK: (
        "用5203读取中心的结算信息，按中心金额更正医院账目",
        "read the settlement back (5203) and correct the hospital's account by it",
    ),
    Repair.RECORD_REFUND: (
        "核实后在医院侧登记退费",
        "once it is verified, record the refund on the hospital's side",
    ),
}

SIDES: dict[SideState, tuple[str, str]] = {
    SideState.ABSENT: ("无", "absent"),
    SideState.SETTLED: ("已结算", "settled"),
    SideState.REFUND: ("退费", "refund"),
    SideState.UNKNOWN: ("未知", "unknown"),
    SideState.REVERSED: ("已冲正", "reversed"),
    SideState.REFUSED: ("被拒绝或未发送", "refused or not sent"),
}

REPORTS: dict[ReportState, tuple[str, str]] = {
    ReportState.BALANCED: ("平", "balanced"),
    ReportState.DIFFERENT: ("不平", "different"),
    ReportState.INCOMPLETE: ("未完成", "incomplete"),
}

GROUPS: dict[GroupState, tuple[str, str]] = {
    GroupState.BALANCED: ("平", "balanced"),
    GroupState.DIFFERENT: ("不平", "different"),
    GroupState.REFUSED: ("中心拒绝", "refused"),
    GroupState.NOT_REACHED: ("无答复", "no answer"),
}

COLUMNS: dict[str, tuple[str, str]] = {
    "finding": ("结论", "finding"),
    "msgid": ("报文ID", "msgid"),
    "setl_id": ("结算ID", "setl_id"),
    "mdtrt_id": ("就诊ID", "mdtrt_id"),
    "psn_no": ("人员编号", "psn_no"),
    "insutype": ("险种", "insutype"),
    "clr_type": ("清算类别", "clr_type"),
    "setl_optins": ("结算经办机构", "setl_optins"),
    "refd_setl_flag": ("退费", "refund"),
    "infno": ("交易", "infno"),
    "setl_time": ("结算时间", "setl_time"),
    "our_state": ("医院", "ours"),
    "our_medfee_sumamt": ("医院 总额", "our medfee_sumamt"),
    "our_fund_pay_sumamt": ("医院 基金", "our fund_pay_sumamt"),
    "our_acct_pay": ("医院 账户", "our acct_pay"),
    "their_state": ("中心", "theirs"),
    "their_medfee_sumamt": ("中心 总额", "their medfee_sumamt"),
    "their_fund_pay_sumamt": ("中心 基金", "their fund_pay_sumamt"),
    "their_acct_pay": ("中心 账户", "their acct_pay"),
    "fields": ("不一致字段", "fields"),
    "memo": ("中心备注", "the centre's remark"),
    "repair": ("建议", "proposed repair"),
}
"""Columns of a report's rows, in their order."""
