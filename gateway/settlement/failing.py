"""Why one transaction of the gateway's own work did not end well, in words for the operator."""

from __future__ import annotations

from gateway.intents import NotSent, Outcome, Rejected, Unknown


def why(infno: str, outcome: Outcome) -> str:
    """A line for the note of a book; empty where the transaction was accepted."""
    if isinstance(outcome, Rejected):
        return f"{infno} refused: {outcome.reply.err_msg}"
    if isinstance(outcome, NotSent | Unknown):
        return f"{infno}: {outcome.reason}"
    return ""


def why_told(infno: str, outcome: Outcome) -> tuple[str, str]:
    """In Chinese and English, with what to do: for a `gateway.errors.StepError`."""
    if isinstance(outcome, Rejected):
        said = outcome.reply.err_msg
        return (
            f"{infno}被医保平台拒绝：{said}；请按原因处理后重试",
            f"{infno} refused: {said}; see to that, and try again",
        )
    reason = outcome.reason if isinstance(outcome, NotSent | Unknown) else ""
    return (
        f"{infno}未得到医保平台应答：{reason}；请稍后重试",
        f"{infno} got no answer: {reason}; try again later",
    )
