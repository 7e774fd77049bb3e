"""Reconciliation of single settlements (3202): the detail file, its result, the comparison.

The lines of a group go up as a file (9101), 3202 names it, and the result comes as a file too
(9102). A refunded settlement is two lines, forward and reverse. Only the centre's line tells the
msgid of a settlement that was lost here, which is what a reversal (2601) needs (reference: 3202;
rules of the interface, section 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import LIMITS, FileError, Limits
from gateway.fsi.files.line import Line
from gateway.fsi.files.textfile import LineEnd, read_rows, write_rows
from gateway.fsi.files.transfer import (
    PATIENCE,
    Downloaded,
    Patience,
    StoredFile,
    UploadForm,
    download,
    stored_file,
    upload,
)
from gateway.intents import Accepted, NotSent, Rejected, Unknown

RECONCILE = "3202"
AMOUNTS = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")
BALANCED = "0"
"""`stmt_rslt` of a line that agrees."""
_FEN = Decimal("0.01")


class DetailLine(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement as we know it; amounts in yuan, negative in a refund.

    `msgid` is the message id it was made with, which the file does not hold. `refd_setl_flag` is
    1 for a refund. `cash_payamt` counts in the totals of the call only.
    """

    msgid: str
    setl_id: str
    mdtrt_id: str
    psn_no: str
    medfee_sumamt: Decimal
    fund_pay_sumamt: Decimal
    acct_pay: Decimal
    refd_setl_flag: str = "0"
    cash_payamt: Decimal = Decimal(0)


class ResultLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the centre's answer; an amount that it leaves empty is None.

    `setl_id` and `mdtrt_id` are empty when several of its settlements answer to one of ours,
    `msgid` when none does.
    """

    line: int
    msgid: str
    setl_id: str
    mdtrt_id: str
    psn_no: str
    stmt_rslt: str
    refd_setl_flag: str
    memo: str
    medfee_sumamt: Decimal | None
    fund_pay_sumamt: Decimal | None
    acct_pay: Decimal | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is reconciled together: clearing centre and class, days of settlement, refunds or not.

    The days are those of the settlement time that the platform gave.
    """

    setl_optins: str
    clr_type: str
    begin: date
    end: date
    refd_setl_flag: str = "0"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A field of one settlement in which the two sides differ."""

    msgid: str
    field: str
    ours: str
    theirs: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides know.

    `agreed` are message ids. `disputed` are lines that the centre calls unbalanced although every
    field it states is ours; its memo says why. `only_ours` the centre has not, `only_theirs` we
    have not: money that moved there. `unmentioned` are lines of ours that the result is silent
    about, and `unclear` those of its lines that name no settlement, or one a second time.
    """

    agreed: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    disputed: tuple[ResultLine, ...] = ()
    only_ours: tuple[DetailLine, ...] = ()
    only_theirs: tuple[ResultLine, ...] = ()
    unmentioned: tuple[DetailLine, ...] = ()
    unclear: tuple[ResultLine, ...] = ()

    @property
    def balanced(self) -> bool:
        """Nothing is left to look at."""
        return not (
            self.differences
            or self.disputed
            or self.only_ours
            or self.only_theirs
            or self.unmentioned
            or self.unclear
        )


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """How a 3202 ended: both files and what they say."""

    detail: Path
    result: Path
    comparison: Comparison


def write_detail(
    path: Path,
    lines: Iterable[DetailLine],
    definitions: Definitions,
    *,
    line_end: LineEnd = LineEnd.LF,
) -> int:
    """Write the detail file, its text named as the ZIP file; the number of lines.

    Raises:
        FileError: an amount has more than two decimals, or a value a TAB or line end in it.
    """
    codes = [column.code for column in definitions.transaction(RECONCILE).files[0].columns]
    rows = ([_text(getattr(line, code)) for code in codes] for line in lines)
    return write_rows(path, f"{path.stem}.txt", rows, line_end=line_end)


def _text(value: str | Decimal) -> str:
    if isinstance(value, str):
        return value
    if not value.is_finite() or value != value.quantize(_FEN):
        raise FileError("an amount is no amount of yuan and fen")
    return str(value.quantize(_FEN))


def read_result(
    path: Path, definitions: Definitions, *, limits: Limits = LIMITS
) -> list[ResultLine]:
    """The lines of a result file.

    Raises:
        FileError: it is no such file; names the line.
    """
    codes = [column.code for column in definitions.transaction(RECONCILE).files[1].columns]
    found = []
    for row in read_rows(path, len(codes), limits=limits):
        values: dict[str, Any] = dict(zip(codes, row.values, strict=True))
        for code in AMOUNTS:
            values[code] = _amount(values[code], row.line)
        found.append(ResultLine(line=row.line, **values))
    return found


def _amount(text: str, line: int) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise FileError("an amount is no number", line=line)
    return value


def compare(ours: Sequence[DetailLine], theirs: Sequence[ResultLine]) -> Comparison:
    """Set both sides against one another, by message id.

    A line of the centre without a message id answers one of ours that it does not have, and is
    known by settlement and flag.
    """
    known = {line.msgid: line for line in ours}
    by_settlement = {(line.setl_id, line.refd_setl_flag): line for line in ours}
    mentioned: set[str] = set()
    agreed: list[str] = []
    differences: list[Difference] = []
    disputed: list[ResultLine] = []
    only_ours: list[DetailLine] = []
    only_theirs: list[ResultLine] = []
    unclear: list[ResultLine] = []
    for their in theirs:
        our = known.get(their.msgid)
        if our is None and their.msgid:
            only_theirs.append(their)
            continue
        nameless = our is None
        our = our or by_settlement.get((their.setl_id, their.refd_setl_flag))
        if our is None or our.msgid in mentioned:
            unclear.append(their)
            continue
        mentioned.add(our.msgid)
        if nameless:
            only_ours.append(our)
            continue
        found = _differences(our, their)
        differences += found
        if not found and their.stmt_rslt == BALANCED:
            agreed.append(our.msgid)
        elif not found:
            disputed.append(their)
    return Comparison(
        agreed=tuple(agreed),
        differences=tuple(differences),
        disputed=tuple(disputed),
        only_ours=tuple(only_ours),
        only_theirs=tuple(only_theirs),
        unmentioned=tuple(line for line in ours if line.msgid not in mentioned),
        unclear=tuple(unclear),
    )


def _differences(our: DetailLine, their: ResultLine) -> list[Difference]:
    found = []
    for code in (*AMOUNTS, "refd_setl_flag", "mdtrt_id", "psn_no"):
        mine, other = getattr(our, code), getattr(their, code)
        if other not in (None, "") and mine != other:
            found.append(Difference(msgid=our.msgid, field=code, ours=str(mine), theirs=str(other)))
    return found


def statement(group: Group, lines: Sequence[DetailLine], file_qury_no: str) -> dict[str, Any]:
    """The input of 3202 for these lines."""
    zero = Decimal("0.00")
    return {
        "data": {
            "setl_optins": group.setl_optins,
            "file_qury_no": file_qury_no,
            "stmt_begndate": group.begin.isoformat(),
            "stmt_enddate": group.end.isoformat(),
            "medfee_sumamt": sum((line.medfee_sumamt for line in lines), zero),
            "fund_pay_sumamt": sum((line.fund_pay_sumamt for line in lines), zero),
            "cash_payamt": sum((line.cash_payamt for line in lines), zero),
            "fixmedins_setl_cnt": len(lines),
            "clr_type": group.clr_type,
            "refd_setl_flag": group.refd_setl_flag,
            "fixmedins_refd_setl_flag": group.refd_setl_flag,
        }
    }


async def reconcile(
    line: Line,
    group: Group,
    ours: Sequence[DetailLine],
    folder: Path,
    definitions: Definitions,
    *,
    form: UploadForm = UploadForm.BASE64,
    line_end: LineEnd = LineEnd.LF,
    patience: Patience = PATIENCE,
) -> Reconciled | Rejected | NotSent | Unknown:
    """Upload the lines of a group, have them compared, fetch and read the result.

    Nothing of it moves money, so that the whole may be done again after `NotSent` or `Unknown`.

    Raises:
        FileError: a line cannot be written, or the result is of another form.
    """
    name = f"{RECONCILE}_{group.setl_optins}_{group.clr_type}_{group.refd_setl_flag}"
    name = f"{name}_{group.begin:%Y%m%d}_{group.end:%Y%m%d}"
    detail, result = folder / f"{name}.zip", folder / f"{name}_result.zip"
    write_detail(detail, ours, definitions, line_end=line_end)
    sent = await upload(line, detail.read_bytes(), detail.name, form=form)
    if not isinstance(sent, StoredFile):
        return sent
    outcome = await line.transact(RECONCILE, statement(group, ours, sent.file_qury_no))
    if not isinstance(outcome, Accepted):
        return outcome
    info = outcome.reply.output.get("fileinfo")
    file = stored_file(info) if isinstance(info, dict) else None
    if file is None:
        return Unknown("the reply names no file")
    got = await download(line, file, result, patience=patience)
    if not isinstance(got, Downloaded):
        return got
    comparison = compare(ours, read_result(result, definitions))
    return Reconciled(detail=detail, result=result, comparison=comparison)
