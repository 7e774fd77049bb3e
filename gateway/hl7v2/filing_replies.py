"""Answers to authorizations and referrals: RPA for RQA, RRI for REF.

Neither has an ERR in any version, so that a failure is told by a general ACK (matrix 1.10). On
success the request's PRD, PID and DG1 come back, with the number of the filing in AUT-6, and in a
referral in RF1-11. What the platform said of an entitlement or of filed transfers stands in NTE,
one a row. RPA needs a PR1: where the request has none, one says what was asked for.

Source: chapter 11; structures RPA_I08 and RRI_I12 of 2.3 to 2.8.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gateway.hl7v2 import answers
from gateway.hl7v2.acks import msa, reply_header
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.segments import SYSTEM, authorization, built, changed, of, stamp
from gateway.hl7v2.writer import components, message, segment
from gateway.intents import Record, Result, Status, Verb

TYPES = {"RQA": ("RPA", "RPA_I08"), "REF": ("RRI", "RRI_I12")}
"""Type of the request to type and structure of its answer."""

_FILED = frozenset({Verb.FILE_TRANSFER, Verb.FILE_CHRONIC, Verb.FILE_DESIGNATION})
_TRANSFERS = Verb.FIND_TRANSFERS.value


def write_filing_reply(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of the answer to RQA or REF."""
    if result.status is not Status.DONE:
        return answers.write_answer(kind, header, echoed, result, style=style, now=now)
    lines = echoed.get("lines", [])
    message_type, structure = TYPES[kind[:3]]
    head = reply_header(
        header,
        message_type,
        style.identity,
        now,
        code="AA",
        structure=structure,
        asks_accept=style.asks_accept,
    )
    body = [
        head,
        msa(header, "AA", ()),
        *_referral(header, lines, result),
        *_authorized(header, result, now),
        *of(lines, "PRD"),
        *of(lines, "PID")[:1],
        *of(lines, "DG1"),
    ]
    if message_type == "RPA":
        body += of(lines, "PR1") or [_procedure(header, result, now)]
    body += _notes(header, result)
    return "AA", encode(message(body), header.codec)


def _referral(header: Header, lines: list[str], result: Result) -> list[str]:
    """RF1 of the request; RF1-11 is the filing's number, RF1-1 how it stands."""
    found = of(lines, "RF1")[:1]
    if not found:
        return []
    values: dict[int, str] = {}
    filing = result.intent.filing
    if filing.has("trt_dcla_detl_sn"):
        values[11] = filing.get("trt_dcla_detl_sn")
    if result.intent.verb is Verb.FILE_TRANSFER:
        values[1] = "A"
    elif result.intent.verb is Verb.FIND_TRANSFERS:
        values[1] = "A" if result.found.get(_TRANSFERS) else "E"
    elif result.intent.verb is Verb.WITHDRAW_TRANSFER:
        values[1] = "E"
    return [changed(found[0], header.delimiters, values)]


def _authorized(header: Header, result: Result, now: datetime) -> list[str]:
    """AUT is there where something is authorized: a filing that was made, an entitlement."""
    intent = result.intent
    if intent.verb in _FILED:
        values = {**intent.person.values, **intent.filing.values}
        return [authorization(header, values, now, intent.verb.value)]
    for row in result.entitlements:
        if row.get("trt_enjymnt_flag") == "1":
            values = {**intent.person.values, **row.values, "trt_dcla_detl_sn": ""}
            return [authorization(header, values, now, intent.verb.value)]
    return []


def _procedure(header: Header, result: Result, now: datetime) -> str:
    verb = result.intent.verb.value
    return built("PR1", {1: "1", 3: components(verb, verb, SYSTEM), 5: stamp(now), 6: "A"}, header)


def _notes(header: Header, result: Result) -> list[str]:
    texts = [
        " ".join(filter(None, [row.get("fund_pay_type"), row.get("trt_chk_rslt")]))
        for row in result.entitlements
        if row.get("trt_chk_rslt")
    ]
    texts += [_transfer(row) for row in result.found.get(_TRANSFERS, [])]
    marks = header.reply_delimiters
    return [segment("NTE", [str(n), "", text], marks) for n, text in enumerate(texts, start=1)]


def _transfer(row: Record) -> str:
    codes = ("refl_date", "reflin_medins_no", "reflin_medins_name", "begndate", "enddate")
    return " ".join(row.get(code) for code in codes if row.has(code))
