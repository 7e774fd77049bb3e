"""What an operator is told when a step of a settlement list cannot be taken, and what to do."""

from __future__ import annotations

from enum import Enum

from gateway.errors import StepError


class ListError(StepError):
    """The step cannot be taken now; nothing was sent."""


class Refusal(Enum):
    """Chinese and English; `{setl_id}` is the settlement, `{more}` its day, state or message id."""

    NO_SETTLEMENT = (
        "{more}没有有效的结算{setl_id}：请核对结算ID与结算日期",
        "no settlement {setl_id} of {more} stands here: check its id, and the day it was made on",
    )
    UNDONE = (
        "结算{setl_id}已撤销或冲正：不再需要结算清单",
        "settlement {setl_id} was cancelled or reversed: no list of it is due",
    )
    NOT_PREPARED = (
        "尚未生成{setl_id}的结算清单：请先执行prepare",
        "no list of {setl_id} was prepared yet: prepare that of its day first",
    )
    UNKNOWN = (
        "结算清单{setl_id}有一步结果未知：请先查询其状态（status）",
        "a step of the list of {setl_id} has no known outcome: ask for its status first",
    )
    HANDED_IN = (
        "中心的结算清单{setl_id}状态为{more}，不能更改；未通过审核退回后方可更正",
        "the centre has the list of {setl_id} as {more}: it cannot be changed unless it is refused",
    )
    OF_THE_HOSPITAL = (
        "结算清单{setl_id}由医院自行上传（{more}）：请由医院更正，网关只能提交",
        "the hospital has uploaded this list itself ({more}): the gateway can only hand it in",
    )
    OTHER_STEP = (
        "结算清单{setl_id}的另一步正在进行：请稍后重试",
        "another step of the list of {setl_id} is under way: try again later",
    )

    def of(self, setl_id: str, more: str = "") -> ListError:
        """The error for a settlement."""
        zh, en = (text.format(setl_id=setl_id, more=more) for text in self.value)
        return ListError(zh, en)
