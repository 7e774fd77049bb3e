"""A result as the answer to its message: ACK, RSP^K22 or RPI^I01.

ADT, DFT, BAR, QCN and PIN are answered by ACK of the same event, and an ignored event of a type
that has its own reply by that one (`REPLIES`). QBP^Q22 and Q23 are answered by RSP^K22 and K23 in
every case, as QAK and QPD are required there also on failure; a person who is not found is AA with
QAK-2 NF. RQI^I01, I02 and I03 are answered by RPI, RPL and RPR on success and by ACK otherwise,
because those have no ERR in any version.

Z segments follow the standard ones where the peer's `reply_segments` name them:

=======  =========================================================================================
ZMI      the visit: 1 mdtrt_id, 2 psn_no, 3 insutype, 4 insuplc_admdvs, 5 ipt_otp_no, 6 med_type
ZSL      one a settlement: 1 set id; 2 `S` settled, `P` computed only, `C` cancelling; then the
         values of setlinfo in the order of `SETTLEMENT_FIELDS` (3 to 19); 20 funds, repeating
         `fund_pay_type^fund_payamt`; 21 msgid of the transaction
=======  =========================================================================================

Amounts are in yuan, as the platform gave them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.hl7v2.acks import Identity, acknowledgement, err, msa, reply_header
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.writer import Components, Field, Raw, components, message, segment
from gateway.intents import Record, Result, Settlement, Status

SETTLEMENT_FIELDS = (
    "setl_id",
    "mdtrt_id",
    "chrg_bchno",
    "setl_time",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "psn_part_amt",
    "acct_pay",
    "psn_cash_pay",
    "hosp_part_amt",
    "balc",
    "inscp_scp_amt",
    "fulamt_ownpay_amt",
    "overlmt_selfpay",
    "preselfpay_amt",
    "act_pay_dedc",
    "acct_mulaid_pay",
)
"""ZSL-3 to ZSL-19."""

QUERIES = {
    "QBP^Q11": "K11",
    "QBP^Q22": "K22",
    "QBP^Q23": "K23",
    "QBP^E03": "E03",
    "QBP^E22": "E22",
}
"""Queries and the event of their response."""

CANDIDATES = frozenset({"QBP^Q22", "QBP^Q23"})
"""Queries that ask for persons."""

INQUIRIES = {
    "RQI^I01": ("RPI", "RPI_I01"),
    "RQI^I02": ("RPL", "RPL_I02"),
    "RQI^I03": ("RPR", "RPR_I03"),
}
"""Inquiries, and type and structure of their answer: insurances, lines to show, the patient."""

REPLIES = {
    "ORM^O01": ("ORR", "O02", "ORR_O02"),
    "OML^O21": ("ORL", "O22", "ORL_O22"),
    "RDE^O11": ("RRE", "O12", "RRE_O12"),
    "RDS^O13": ("RRD", "O14", "RRD_O14"),
    **{f"SRM^S{number:02}": ("SRR", f"S{number:02}", "SRR_S01") for number in range(1, 12)},
}
"""Events that are never answered by a general ACK: type, event and structure of their reply. Before
2.4 a failure of theirs is, as their replies had no place for it."""

CODES = {
    Status.DONE: "AA",
    Status.INVALID: "AE",
    Status.REJECTED: "AE",
    Status.NOT_SENT: "AR",
    Status.UNKNOWN: "AE",
    Status.REVERSED: "AE",
}
"""MSA-1 of each status."""

_SEX = {"1": "M", "2": "F", "0": "U", "9": "O"}
_IDENTIFIER_TYPES = {"01": "NNCHN", "08": "PPN", "07": "PRC"}
_FALLBACKS = {
    Status.INVALID: (
        ProblemKind.BUSINESS,
        ProblemCode.FIELD_VALUE,
        "报文内容不符合要求",
        "the content of the message is not acceptable",
    ),
    Status.REJECTED: (
        ProblemKind.BUSINESS,
        ProblemCode.FSI_REJECT,
        "医保平台拒绝",
        "refused by the platform",
    ),
    Status.NOT_SENT: (
        ProblemKind.NOT_SENT,
        ProblemCode.FSI_NOTSENT,
        "未发送到医保平台，可稍后重发",
        "nothing was sent to the platform; the message may be repeated",
    ),
    Status.UNKNOWN: (
        ProblemKind.UNKNOWN,
        ProblemCode.FSI_UNKNOWN,
        "结果未知，请勿重复办理，请按消息控制号查询",
        "result not known, do not repeat; query with the control id",
    ),
    Status.REVERSED: (
        ProblemKind.BUSINESS,
        ProblemCode.FSI_REVERSED,
        "结果曾未知，现已冲正，未产生费用",
        "the outcome was unknown and has been reversed: nothing was charged",
    ),
}


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How answers to a peer look."""

    identity: Identity
    segments: Collection[str] = ()
    """Names of additional segments: `ZMI`, `ZSL`, and `IN1` in RSP^K22."""
    asks_accept: str = ""
    """MSH-15 of application acknowledgements in enhanced mode."""


def problems_of(result: Result) -> list[Problem]:
    """The problems of a result, errors first; a failure without any gets one by its status."""
    problems = sorted(result.problems, key=lambda problem: not problem.stops)
    if result.status is Status.DONE or (problems and problems[0].stops):
        return problems
    kind, code, zh, en = _FALLBACKS[result.status]
    return [Problem(kind=kind, code=code, zh=zh, en=en), *problems]


def write_answer(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The acknowledgement code and the bytes of the answer.

    `echoed` holds the segments of the request that an answer repeats, raw and without token.
    """
    code = CODES[result.status]
    problems = problems_of(result)
    extra = _extra_segments(header, result, style.segments)
    if kind in CANDIDATES:
        return _candidates(header, echoed, result, style, now)
    if kind in INQUIRIES and code == "AA":
        return code, _inquired(kind, header, echoed, result, style=style, now=now)
    if header.kind in REPLIES and (code == "AA" or header.at_least("2.4")):
        return code, _empty_reply(header, code, problems, style, now)
    body = acknowledgement(
        header, code, problems, style.identity, now, asks_accept=style.asks_accept, extra=extra
    )
    return code, body


def _inquired(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: Style,
    now: datetime,
) -> bytes:
    message_type, structure = INQUIRIES[kind]
    person = result.intent.person
    head = reply_header(
        header,
        message_type,
        style.identity,
        now,
        code="AA",
        structure=structure,
        asks_accept=style.asks_accept,
    )
    lines = [head, msa(header, "AA", ()), *echoed.get("PRD", [])[:1]]
    rows = list(enumerate(result.insurances, start=1))
    if kind == "RQI^I01":
        lines += [*echoed.get("PID", [])[:1], *echoed.get("GT1", [])]
        lines += [_insurance(header, number, row, person) for number, row in rows]
    elif kind == "RQI^I02":
        lines += [_shown(header, number, row, person) for number, row in rows]
    else:
        lines.append(_person(header, person))
    return encode(message([*lines, *_extra_segments(header, result, style.segments)]), header.codec)


def _shown(header: Header, number: int, row: Record, person: Record) -> str:
    """DSP of one insuinfo row: name, number, type of insurance, insured place."""
    parts = (person.get("psn_name"), person.get("psn_no"))
    text = " ".join(filter(None, [*parts, row.get("insutype"), row.get("insuplc_admdvs")]))
    fields: list[Field] = [str(number), "", text]
    return segment("DSP", fields, header.reply_delimiters)


def _empty_reply(
    header: Header, code: str, problems: list[Problem], style: Style, now: datetime
) -> bytes:
    """The reply of the event's own type: that all is well, or what is wrong."""
    message_type, event, structure = REPLIES[header.kind]
    head = reply_header(
        header,
        message_type,
        style.identity,
        now,
        code=code,
        event=event,
        structure=structure,
        asks_accept=style.asks_accept,
    )
    lines = [head, msa(header, code, problems), *err(header, problems)]
    return encode(message(lines), header.codec)


def refuse_query(
    header: Header,
    code: str,
    problems: list[Problem],
    echoed: Mapping[str, list[str]],
    *,
    style: Style,
    now: datetime,
) -> bytes:
    """RSP for a query that was refused before it had a result."""
    lines = [
        *query_head(header, code, problems, style, now),
        *query_tail(header, echoed, code, 0),
    ]
    return encode(message(lines), header.codec)


def _candidates(
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    style: Style,
    now: datetime,
) -> tuple[str, bytes]:
    code = CODES[result.status]
    problems = problems_of(result)
    if code == "AE" and any(problem.kind is ProblemKind.NOT_FOUND for problem in problems):
        code, problems = "AA", []
        lines = [
            *query_head(header, code, problems, style, now),
            *query_tail(header, echoed, "NF", 0),
        ]
        return code, encode(message(lines), header.codec)
    found = 1 if code == "AA" else 0
    lines = [
        *query_head(header, code, problems, style, now),
        *query_tail(header, echoed, "OK" if found else code, found),
    ]
    if found:
        person = result.intent.person
        lines.append(_person(header, person))
        if "IN1" in style.segments:
            lines += [
                _insurance(header, number, row, person)
                for number, row in enumerate(result.insurances, start=1)
            ]
        lines += _extra_segments(header, result, style.segments)
    return code, encode(message(lines), header.codec)


def query_head(
    header: Header, code: str, problems: list[Problem], style: Style, now: datetime
) -> list[str]:
    """MSH, MSA and the one ERR that a query response may have."""
    event = QUERIES.get(header.kind, "K22")
    head = reply_header(
        header,
        "RSP",
        style.identity,
        now,
        code=code,
        event=event,
        structure=f"RSP_{event}",
        asks_accept=style.asks_accept,
    )
    return [head, msa(header, code, problems), *err(header, problems, most=1)]


def query_tail(
    header: Header, echoed: Mapping[str, list[str]], status: str, found: int
) -> list[str]:
    """QAK and QPD; `status` is QAK-2, `found` the number of hits."""
    marks = header.reply_delimiters
    query = echoed.get("QPD", ["QPD"])[0]
    name, tag = (*query.split(header.delimiters.field)[1:3], "", "")[:2]
    hits = str(found)
    fields: list[Field] = [Raw(tag), status, Raw(name), hits, hits, "0"]
    return [segment("QAK", fields, marks), query]


def _person(header: Header, person: Record) -> str:
    identifiers: list[str | Components] = []
    if person.has("psn_no"):
        identifiers.append(components(person.get("psn_no"), "", "", "", "MB"))
    if person.has("certno"):
        kind = _IDENTIFIER_TYPES.get(person.get("psn_cert_type", "01"), "")
        identifiers.append(components(person.get("certno"), "", "", "", kind))
    fields: list[Field] = [
        "1",
        "",
        identifiers,
        "",
        components(person.get("psn_name")),
        "",
        _day(person.get("brdy")),
        _SEX.get(person.get("gend"), ""),
    ]
    return segment("PID", fields, header.reply_delimiters)


def _insurance(header: Header, number: int, row: Record, person: Record) -> str:
    """IN1 of one insuinfo row."""
    values: dict[int, Field] = {
        1: str(number),
        2: components(row.get("insutype")),
        3: components(row.get("insuplc_admdvs"), "", "", "", "XX"),
        12: _day(row.get("psn_insu_date")),
        13: _day(row.get("paus_insu_date")),
        15: row.get("insutype"),
        36: person.get("psn_no"),
        45: row.get("psn_insu_stas"),
        49: components(person.get("psn_no"), "", "", "", "MB") if person.has("psn_no") else "",
    }
    fields: list[Field] = [values.get(place, "") for place in range(1, 50)]
    return segment("IN1", fields, header.reply_delimiters)


def _extra_segments(header: Header, result: Result, names: Collection[str]) -> list[str]:
    marks = header.reply_delimiters
    lines = []
    intent = result.intent
    if "ZMI" in names and intent.visit.has("mdtrt_id"):
        fields: list[Field] = [
            intent.visit.get("mdtrt_id"),
            intent.person.get("psn_no"),
            intent.person.get("insutype"),
            intent.person.get("insuplc_admdvs"),
            intent.visit.get("ipt_otp_no"),
            intent.visit.get("med_type"),
        ]
        lines.append(segment("ZMI", fields, marks))
    if "ZSL" in names:
        made = [("C" if it.cancels else "S", it) for it in result.settlements]
        if result.presettlement is not None:
            made.insert(0, ("P", result.presettlement))
        lines += [
            segment("ZSL", _settlement(number, letter, it), marks)
            for number, (letter, it) in enumerate(made, start=1)
        ]
    return lines


def _settlement(number: int, letter: str, settlement: Settlement) -> list[Field]:
    info = settlement.info
    values: dict[str, Any] = {code: info.get(code) for code in SETTLEMENT_FIELDS}
    values["chrg_bchno"] = values["chrg_bchno"] or settlement.chrg_bchno
    funds: list[str | Components] = [
        components(fund.get("fund_pay_type"), fund.get("fund_payamt")) for fund in settlement.funds
    ]
    return [str(number), letter, *values.values(), funds, settlement.msgid]


def _day(text: str) -> str:
    """`yyyy-MM-dd` with or without a time as HL7 DT."""
    return text[:10].replace("-", "")
