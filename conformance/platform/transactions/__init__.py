"""What each transaction does.

A handler takes a `Call` and gives the output; it raises `Refusal` to say no. It runs inside one
database transaction together with the record of the request: a refusal leaves nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.platform.call import Call
from conformance.platform.transactions import (
    catalogues,
    charges,
    clearing,
    files,
    filings,
    generic,
    inpatient,
    lists,
    outpatient,
    persons,
    pharmacy,
    queries,
    reconciliation,
    reversal,
    session,
    settlements,
    staff,
)

Handler = Callable[[Call], Any]

HANDLERS: dict[str, Handler] = {
    **session.HANDLERS,
    **persons.HANDLERS,
    **outpatient.HANDLERS,
    **inpatient.HANDLERS,
    **charges.HANDLERS,
    **settlements.HANDLERS,
    **reversal.HANDLERS,
    **queries.HANDLERS,
    **filings.HANDLERS,
    **pharmacy.HANDLERS,
    **staff.HANDLERS,
    **files.HANDLERS,
    **catalogues.HANDLERS,
    **reconciliation.HANDLERS,
    **clearing.HANDLERS,
    **lists.HANDLERS,
}


def handler(infno: str) -> Handler:
    """The handler of a known transaction; one without behaviour of its own answers in form."""
    return HANDLERS.get(infno, generic.answer)
