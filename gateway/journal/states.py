"""Transition tables of a send and of an exchange; the rules they stand for.

A **send** is one transaction given to a platform. Its rules:

1. A send is stored as `sending` before its first byte leaves; that record is the only entrance.
2. A parsed reply with `infcode` 0 makes it `accepted`, a parsed refusal `rejected`.
3. It becomes `not-sent` only where provably nothing took effect.
4. Everything else that can end a send is `unknown`: time-out, broken connection, unreadable reply,
   and a crash of ours. Start-up turns what it finds `sending` into `unknown`, never into a failure.
5. `unknown` ends in one of four ways: the reply itself, come late (`accepted`, `rejected`), an
   undoing by 2601 (`reversed`), proof read back from the platform (`confirmed`), or the decision of
   a person (`manual`). A late reply about something else leaves it `unknown`, and says why.
6. `unknown` never becomes `not-sent`, and `rejected` by nothing but the late reply: a query that
   finds nothing is no proof, since the original may still arrive.
7. Every other state is final.
8. A visit has at most one money send in `sending` or `unknown`; 2601 alone may stand beside it,
   and at most one 2601 of a send is itself in `sending` or `unknown`.
9. The 2601 that stands in the exchange of what it undoes is the gateway's own: it is recorded only
   while that is `unknown`. And while a 2601 is `sending`, and once one is `accepted` or
   `confirmed`, what it undoes ends as nothing but `reversed`. So two gateways, a person and a
   gateway, or a reversal and a late reply do not each do one of the two.

An **exchange** is one message and its answer. Its rules:

10. It is stored as `open` before anything is done for it.
11. Its first answer makes it `final`, or `provisional` while an outcome is unknown.
12. A provisional answer may be replaced; a final one never changes.

A transition that is not in a table raises `StateError` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.errors import StateError


class SendState(StrEnum):
    """Where a send stands."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not-sent"
    UNKNOWN = "unknown"
    REVERSED = "reversed"
    CONFIRMED = "confirmed"
    MANUAL = "manual"


class Stage(StrEnum):
    """How far the answer of an exchange is."""

    OPEN = "open"
    PROVISIONAL = "provisional"
    FINAL = "final"


SEND_TRANSITIONS: Mapping[SendState, frozenset[SendState]] = {
    SendState.SENDING: frozenset(
        {SendState.ACCEPTED, SendState.REJECTED, SendState.NOT_SENT, SendState.UNKNOWN}
    ),
    SendState.UNKNOWN: frozenset(
        {
            SendState.ACCEPTED,
            SendState.REJECTED,
            SendState.REVERSED,
            SendState.CONFIRMED,
            SendState.MANUAL,
            SendState.UNKNOWN,
        }
    ),
    SendState.ACCEPTED: frozenset(),
    SendState.REJECTED: frozenset(),
    SendState.NOT_SENT: frozenset(),
    SendState.REVERSED: frozenset(),
    SendState.CONFIRMED: frozenset(),
    SendState.MANUAL: frozenset(),
}
"""Rules 2 to 7."""

STAGE_TRANSITIONS: Mapping[Stage, frozenset[Stage]] = {
    Stage.OPEN: frozenset({Stage.PROVISIONAL, Stage.FINAL}),
    Stage.PROVISIONAL: frozenset({Stage.PROVISIONAL, Stage.FINAL}),
    Stage.FINAL: frozenset(),
}
"""Rules 11 and 12."""


def check_send(msgid: str, old: SendState, new: SendState) -> None:
    """Let a send go from `old` to `new`.

    Raises:
        StateError: the table has no such transition.
    """
    if new not in SEND_TRANSITIONS[old]:
        raise StateError(f"send {msgid}: no transition from {old} to {new}")


def check_resolution(msgid: str, old: SendState, state: str) -> SendState:
    """The state in which an unknown outcome ends (rule 5).

    Raises:
        StateError: there is no such state, the outcome is not unknown, or the table has no such
            transition.
    """
    try:
        new = SendState(state)
    except ValueError:
        raise StateError(f"send {msgid}: there is no state {state!r}") from None
    if old is not SendState.UNKNOWN:
        raise StateError(f"send {msgid}: its outcome is not unknown but {old}")
    check_send(msgid, old, new)
    return new


def check_reversal(msgid: str, original: str, state: SendState) -> None:
    """Let the gateway's own 2601 be recorded for an original in this state (rule 9).

    Raises:
        StateError: the outcome of the original is known.
    """
    if state is not SendState.UNKNOWN:
        raise StateError(f"send {msgid}: {original} is not unknown but {state}")


def check_not_being_reversed(msgid: str, new: SendState, reversal: str) -> None:
    """Let a send end as `new` beside this 2601 on its way or done; empty: there is none (rule 9).

    Raises:
        StateError: what the 2601 does has to be waited for, or was done.
    """
    if reversal and new not in (SendState.REVERSED, SendState.UNKNOWN):
        raise StateError(f"send {msgid}: it is being reversed by {reversal}")


def check_stage(exchange_id: str, old: Stage, new: Stage) -> None:
    """Let the answer of an exchange go from `old` to `new`.

    Raises:
        StateError: the table has no such transition.
    """
    if new not in STAGE_TRANSITIONS[old]:
        raise StateError(f"exchange {exchange_id}: no transition from {old} to {new}")
