"""Outcomes of calls in the words that senders are told.

The platform's own text is shown as it came, but for what identifies the patient of the message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Message, NotSent, Rejected, Result, Status, Unknown

MASK = "***"
IDENTIFYING = (
    *("psn_name", "certno", "mdtrt_cert_no", "card_sn", "psn_no", "tel", "curr_addr"),
    *("coner_name", "coner_tel", "coner_addr"),
)
_KINDS = {"person-not-found": ProblemKind.NOT_FOUND}
"""Meanings of a refusal that are more than a refusal."""
NUMBERS = re.compile(r"(?<!\d)\d{14,18}[\dXx]?(?!\d)")


def masked(text: str, intent: Intent) -> str:
    """The text without the patient's name, numbers and cards."""
    for code in IDENTIFYING:
        value = intent.person.get(code)
        if len(value) > 1:
            text = text.replace(value, MASK)
    return NUMBERS.sub(MASK, text)


def refused(infno: str, outcome: Rejected, intent: Intent, meaning: str = "") -> Problem:
    """The platform said no; `meaning` is what the region's profile takes its text for."""
    text = masked(outcome.reply.err_msg, intent) or "平台未说明原因"
    return Problem(
        kind=_KINDS.get(meaning, ProblemKind.BUSINESS),
        code=ProblemCode.FSI_REJECT,
        place=intent.place,
        zh=text,
        en=f"the platform refused transaction {infno}: {text}",
        detail=f"{infno} {outcome.reply.inf_refmsgid}".strip(),
    )


def not_sent(infno: str, outcome: NotSent, intent: Intent) -> Problem:
    """Nothing left, or nothing that could have changed anything."""
    return Problem(
        kind=ProblemKind.NOT_SENT,
        code=ProblemCode.FSI_NOTSENT,
        place=intent.place,
        zh=f"交易{infno}未发送：医保平台暂不可用，请稍后重试",
        en=f"transaction {infno} was not sent: {outcome.reason}",
        remedy_zh="稍后以相同消息号重新发送",
        remedy_en="send the same message again later",
        detail=infno,
    )


def no_answer(infno: str, intent: Intent) -> Problem:
    """A query or computation got no answer: it changed nothing and may be repeated."""
    return Problem(
        kind=ProblemKind.NOT_SENT,
        code=ProblemCode.FSI_NOTSENT,
        place=intent.place,
        zh=f"交易{infno}未得到答复；该交易不改变任何数据，可重新发送",
        en=f"no answer to transaction {infno}; it changes nothing and may be sent again",
        remedy_zh="稍后以相同消息号重新发送",
        remedy_en="send the same message again later",
        detail=infno,
    )


def unreadable(infno: str, intent: Intent) -> Problem:
    """The platform accepted a query, but its reply lacks what it must give."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REPLY,
        place=intent.place,
        zh=f"交易{infno}的返回报文不完整",
        en=f"the reply to transaction {infno} lacks what it must give",
        detail=infno,
    )


def splits_unknown(infno: str, chrg_bchno: str, intent: Intent) -> Problem:
    """The upload was accepted and its reply does not split every line: nothing is settled."""
    batch = f" {chrg_bchno}" if chrg_bchno else ""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REPLY,
        field="inscp_scp_amt",
        place=intent.settlement.place("chrg_bchno") or intent.place,
        zh=f"平台没有返回收费批次{batch}明细的费用分割（全自费、超限价、先行自付、范围内），"
        f"不能办理{infno}，未结算",
        en=f"the platform has not said how the lines of charge batch{batch} are split (fully "
        f"self-paid, over ceiling, self-paid first, within scope): {infno} is not sent",
        remedy_zh="请撤销该批次的明细，用新的批次号重新上传",
        remedy_en="withdraw the lines of the batch and upload them under a new batch number",
        detail=infno,
    )


def unknown(infno: str, msgid: str, intent: Intent, _outcome: Unknown | None = None) -> Problem:
    """The outcome is not known."""
    return Problem(
        kind=ProblemKind.UNKNOWN,
        code=ProblemCode.FSI_UNKNOWN,
        place=intent.place,
        zh=f"交易{infno}结果未知，请勿重复提交；核实后以原消息号可查询最终结果",
        en=f"the outcome of transaction {infno} is not known: do not repeat it; once it is "
        "resolved, the same control id gets the final answer",
        remedy_zh="以相同消息号重新发送可查询最终结果，不会重复结算",
        remedy_en="sending the same message again asks for the final outcome and settles nothing",
        detail=f"{infno} {msgid}",
    )


def held(intent: Intent) -> Problem:
    """An earlier step of the visit has no known outcome yet."""
    return Problem(
        kind=ProblemKind.LOCKED,
        code=ProblemCode.VISIT_HELD,
        field="ipt_otp_no",
        place=intent.visit.place("ipt_otp_no") or intent.place,
        zh="该就诊有一笔交易结果未知，核实之前不能继续",
        en="a transaction of this visit has no known outcome yet: nothing goes on before it has",
        remedy_zh="请等待网关核实，或由管理员处理",
        remedy_en="wait for the gateway to resolve it, or ask its operator",
    )


def reversed_(infno: str, msgid: str, intent: Intent, anew: Sequence[Problem] = ()) -> Problem:
    """The unknown transaction was undone on the platform.

    `anew` is what stopped the new attempt. One that the platform did not answer is told here and
    not beside: this answer is final, so that "send the same message again" would be wrong advice.
    """
    failed = next((p.detail for p in anew if p.kind is ProblemKind.NOT_SENT), "")
    zh = f"；随后重新办理时，交易{failed}未得到平台答复" if failed else ""
    en = f"; the platform then did not answer {failed} of the new attempt" if failed else ""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REVERSED,
        place=intent.place,
        zh=f"交易{infno}已在平台冲正，未发生费用{zh}，可用新的消息号重新办理",
        en=f"transaction {infno} was reversed on the platform: nothing was charged{en}; start "
        "again with a new control id",
        detail=f"{infno} {msgid}",
    )


def vouched(infno: str, msgid: str, intent: Intent) -> Problem:
    """An operator found that the platform does not have the transaction."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REVERSED,
        place=intent.place,
        zh=f"经核实，交易{infno}在平台未发生，可用新的消息号重新办理",
        en=f"transaction {infno} was found not to have happened; start again with a new control id",
        detail=f"{infno} {msgid}",
    )


def rest_open(infno: str, intent: Intent) -> Problem:
    """A transaction was confirmed; what the message meant beyond it was never sent."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        place=intent.place,
        zh=f"交易{infno}已确认完成；该消息的其余步骤（或其余收费批次）没有办理，请用新的消息号继续",
        en=f"transaction {infno} was confirmed; the other steps or charge batches of the message "
        "were not done: go on with a new control id",
    )


def forbidden(infno: str, state: str, field: str) -> Problem:
    """A visit in this state, or the settlement that is named, cannot make the transaction."""
    settlement = field != "mdtrt_id"
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        field=field,
        place=f"input.data.{field}",
        zh=f"该结算已撤销或已冲正，不能办理{infno}，未发送"
        if settlement
        else f"该就诊当前状态（{state}）不允许交易{infno}，未发送",
        en=f"this settlement is cancelled or reversed: {infno} is not possible, nothing was sent"
        if settlement
        else f"the visit is {state}: {infno} is not possible, nothing was sent",
        remedy_zh="请核对该就诊已办理的业务；若有业务未经网关办理，请联系网关管理员",
        remedy_en="check what was done in this visit; if something was done past the gateway, ask"
        " its operator",
        detail=infno,
    )


def token_gone(intent: Intent) -> Problem:
    """The e-voucher token of a message that is taken up again was not kept."""
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.TOKEN_GONE,
        field="mdtrt_cert_no",
        place=intent.person.place("mdtrt_cert_no") or intent.place,
        zh="医保电子凭证令牌只能使用一次且不保存，请重新出示凭证后以新的消息号发送",
        en="an e-voucher token is used once and not kept: present it again in a new message",
    )


def conflict(message: Message) -> Problem:
    """The key of the message belongs to another content."""
    return Problem(
        kind=ProblemKind.DUPLICATE,
        code=ProblemCode.DUPLICATE_KEY,
        place=message.context.get("key_place", ""),
        zh="该消息号已用于不同内容的消息",
        en="the key of this message was used for other content",
        remedy_zh="新的内容请使用新的消息号",
        remedy_en="give new content a new key",
    )


def internal(error: Exception) -> Problem:
    """Something of ours broke."""
    return Problem(
        kind=ProblemKind.INTERNAL,
        code=ProblemCode.INTERNAL,
        zh="网关内部错误，请联系管理员",
        en="the gateway failed; ask its operator",
        detail=type(error).__name__,
    )


def may_come_again(result: Result) -> bool:
    """True when the same message is to be worked on again, and not answered from the journal.

    Nothing of it was sent; or it only waits for another step of its visit; or we failed after a
    send, and what the sends did is found in the journal.
    """
    stopping = {problem.code for problem in result.problems if problem.stops}
    if result.status is Status.UNKNOWN and ProblemCode.INTERNAL in stopping:
        return True
    waits = not result.calls and stopping == {ProblemCode.VISIT_HELD}
    return waits or result.status is Status.NOT_SENT
