"""Faults on demand.

A fault waits for requests of a region and a transaction (empty: any) and strikes `count` of them.
The kinds, and where they strike::

    delay-before      wait `seconds`, then work and answer
    delay-after       work, wait `seconds`, then answer
    refuse            answer infcode -1 with `message`; nothing is done or kept
    drop-before       close the connection; nothing is done
    drop-after        work, then close the connection
    late              close the connection, work `seconds` later
    http-500-before   answer HTTP 500; nothing is done
    http-500-after    work, then answer HTTP 500
    garbled           work, then answer half of a JSON text
    interrupted       work, then send half of the reply or file and close the connection
    stalled           work, send half of the reply or file, wait `seconds`, then send the rest
    truncated         work, then answer with half of the reply or file, in form
    corrupt           work, then answer with the middle of the reply or file changed
    wrong-signature   work, then answer with a signature over something else
    expired-sign-no   every sign-in of the region expires, then the request is worked on

On a command line a fault is written `kind=drop-after,region=430100,infno=2207,count=1`.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import count
from typing import Annotated

import msgspec

from gateway.errors import ConfigurationError


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY_BEFORE = "delay-before"
    DELAY_AFTER = "delay-after"
    REFUSE = "refuse"
    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    LATE = "late"
    HTTP_500_BEFORE = "http-500-before"
    HTTP_500_AFTER = "http-500-after"
    GARBLED = "garbled"
    INTERRUPTED = "interrupted"
    STALLED = "stalled"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    WRONG_SIGNATURE = "wrong-signature"
    EXPIRED_SIGN_NO = "expired-sign-no"


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault; `count` is how many requests it still strikes, `seconds` its delay."""

    kind: FaultKind
    region: str = ""
    infno: str = ""
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 1.0
    message: str = "系统繁忙，请稍后再试"
    id: int = 0
    """Given by the book."""

    def meets(self, region: str, infno: str) -> bool:
        """True when a request of this region and transaction is struck."""
        return self.region in ("", region) and self.infno in ("", infno)


class FaultBook:
    """The faults that wait, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._numbers = count(1)

    def add(self, fault: Fault) -> Fault:
        """Have a fault wait; it gets its number."""
        fault.id = next(self._numbers)
        self._faults.append(fault)
        return fault

    def take(self, region: str, infno: str) -> Fault | None:
        """The oldest fault that strikes this request, which it thereby has."""
        for fault in self._faults:
            if fault.meets(region, infno):
                fault.count -= 1
                if not fault.count:
                    self._faults.remove(fault)
                return fault
        return None

    def waiting(self) -> list[Fault]:
        """The faults that have not struck as often as they should."""
        return list(self._faults)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()


def parse_fault(text: str) -> Fault:
    """A fault as written on a command line: `kind=late,infno=2207,seconds=3`.

    Raises:
        ConfigurationError: a part is no `name=value`, or says something impossible.
    """
    members: dict[str, str] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        if not sign:
            raise ConfigurationError(f"fault {text!r}: {part!r} is not name=value")
        members[name.strip()] = value.strip()
    try:
        return msgspec.convert(members, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"fault {text!r}: {error}") from error
