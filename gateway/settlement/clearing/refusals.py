"""What an operator is told when a step of a clearing month cannot be taken, and what to do then."""

from __future__ import annotations

from enum import Enum

from gateway.errors import StepError


class ClearingError(StepError):
    """The step cannot be taken now; nothing was sent."""


class Refusal(Enum):
    """Chinese and English; `{month}` is the clearing month, `{msgid}` the transaction meant."""

    NOT_FETCHED = (
        "{month}的清分明细尚未提取：请先执行fetch",
        "{month} was not fetched yet: fetch it first",
    )
    NOT_WHOLE = (
        "{month}的清分明细尚未提取完毕：请再次执行fetch",
        "{month} was not fetched to its end yet: fetch it again",
    )
    REPEATED_LINE = (
        "中心返回的{month}清分明细有重复：请重新提取",
        "the centre lists a line of {month} twice: fetch the month again",
    )
    UNKNOWN = (
        "{month}有一笔交易结果未知：请先裁定（decide），或回退全月",
        "a transaction of {month} has no known outcome: decide about it, or roll back everything",
    )
    UNKNOWN_ROLL_BACK = (
        "{month}有一笔回退结果未知：请先裁定（decide）",
        "a roll back of {month} has no known outcome: decide about it first",
    )
    NOTHING_CONFIRMED = (
        "{month}没有已确认的清分结果，无可回退",
        "nothing of {month} is confirmed: there is nothing to roll back",
    )
    NO_SUCH_CONFIRMATION = (
        "{month}没有报文ID为{msgid}的有效确认：请查看当月报告中的确认",
        "no confirmation of {month} stands under {msgid}: see those of its report",
    )
    NO_REFERENCE = (
        "确认{msgid}的中心流水号未知：只能回退{month}全月",
        "the centre's reference of {msgid} is not known: roll back everything of {month}",
    )
    NOT_UNKNOWN = (
        "没有报文ID为{msgid}且结果未知的清分交易：请核对报文ID",
        "no unknown clearing transaction has the msgid {msgid}: check it in the report",
    )
    LOST = (
        "确认{msgid}已发送，但不在{month}的记录中：请向中心核实",
        "the confirmation {msgid} was sent and is in no book of {month}: ask the centre for it",
    )
    OTHER_GATEWAY = (
        "另一网关正在处理{month}：请稍后重试",
        "another gateway is in the middle of a step of {month}: try again later",
    )
    OTHER_STEP = (
        "{month}的另一步正在进行：请稍后重试",
        "another step of {month} is under way: try again later",
    )

    def of(self, month: str = "", msgid: str = "") -> ClearingError:
        """The error for a month, as `2026-03`, and where one is meant a transaction."""
        zh, en = (text.format(month=month, msgid=msgid) for text in self.value)
        return ClearingError(zh, en)
