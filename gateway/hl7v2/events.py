"""What is served, and the rules a message has to meet before its content is looked at.

Sources: HL7 v2 event and structure tables of versions 2.3 to 2.8.2; tables 0076, 0003, 0103, 0104
and 0155. A message type or event that is not served is refused with 200 or 201, processing id with
202, version with 203; an event of the peer's ignore list is accepted without any transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, UnsupportedError
from gateway.hl7v2.header import ACKNOWLEDGE_WHEN, Header
from gateway.hl7v2.reader import Document
from gateway.settings import HL7Dialect

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2")
MAX_CONTROL_ID = 199
"""Characters of MSH-10 in 2.7 and later; older versions say 20, and senders exceed it."""

TYPES = {
    "ADT": "2.3",
    "BAR": "2.3",
    "DFT": "2.3",
    "EHC": "2.6",
    "MFN": "2.3",
    "PIN": "2.3",
    "QBP": "2.4",
    "QCN": "2.4",
    "RDS": "2.3",
    "REF": "2.3",
    "RQA": "2.3",
    "RQI": "2.3",
    "SIU": "2.3",
}
"""Message types that are known, and the first version that has each. EHC^E30 and E31 have no
published structure and are not served."""

STRUCTURES = {
    "ADT^A01": "ADT_A01",
    "ADT^A02": "ADT_A02",
    "ADT^A03": "ADT_A03",
    "ADT^A04": "ADT_A01",
    "ADT^A05": "ADT_A05",
    "ADT^A06": "ADT_A06",
    "ADT^A07": "ADT_A06",
    "ADT^A08": "ADT_A01",
    "ADT^A11": "ADT_A09",
    "ADT^A12": "ADT_A12",
    "ADT^A13": "ADT_A01",
    "ADT^A28": "ADT_A05",
    "ADT^A31": "ADT_A05",
    "ADT^A38": "ADT_A38",
    "ADT^A40": "ADT_A39",
    "BAR^P01": "BAR_P01",
    "BAR^P02": "BAR_P02",
    "BAR^P05": "BAR_P05",
    "BAR^P06": "BAR_P06",
    "BAR^P12": "BAR_P12",
    "DFT^P03": "DFT_P03",
    "DFT^P11": "DFT_P11",
    **{f"EHC^E{n}": f"EHC_E{n}" for n in ("01", "02", "04", "10", "12", "13", "15")},
    **{f"EHC^E{n}": f"EHC_E{n}" for n in ("20", "21", "24")},
    "MFN^M02": "MFN_M02",
    "MFN^M04": "MFN_M04",
    "MFN^M05": "MFN_M05",
    "PIN^I07": "PIN_I07",
    "QBP^E03": "QBP_E03",
    "QBP^E22": "QBP_E22",
    "QBP^Q11": "QBP_Q11",
    "QBP^Q22": "QBP_Q21",
    "QBP^Q23": "QBP_Q21",
    "QCN^J01": "QCN_J01",
    "RDS^O13": "RDS_O13",
    **{f"REF^I{n}": "REF_I12" for n in (12, 13, 14, 15)},
    **{f"RQA^I{n:02}": "RQA_I08" for n in (8, 9, 10, 11)},
    "RQI^I01": "RQI_I01",
    "RQI^I02": "RQI_I01",
    "RQI^I03": "RQI_I01",
    **{f"SIU^S{n}": "SIU_S12" for n in range(12, 25)},
    "SIU^S26": "SIU_S12",
}
"""MSH-9.3 of each event. The event's own name (`ADT_A04`) is widely sent and taken too."""

_BEFORE_24 = {
    "ADT^A05": "ADT_A01",
    "ADT^A28": "ADT_A01",
    "ADT^A31": "ADT_A01",
    "BAR^P05": "BAR_P01",
}

SINCE = {
    "QBP^Q22": "2.4",
    "QBP^Q23": "2.4",
    "QCN^J01": "2.4",
    "DFT^P11": "2.4",
    "BAR^P12": "2.5",
    "MFN^M04": "2.4",
    "MFN^M05": "2.4",
    "QBP^E03": "2.6",
    "QBP^E22": "2.6",
    "QBP^Q11": "2.4",
    "RDS^O13": "2.4",
}
"""First version that has the event."""

REQUIRED = {
    "ADT": ("PID", "PV1"),
    "ADT^A28": ("PID",),
    "ADT^A31": ("PID",),
    "ADT^A40": ("PID", "MRG"),
    "DFT": ("PID", "FT1"),
    "BAR": ("PID",),
    "EHC": ("IVC",),
    "EHC^E01": ("IVC", "PSS", "PSG", "PID", "PSL"),
    "EHC^E10": ("IPR", "IVC"),
    "EHC^E12": ("RFI", "IVC"),
    "EHC^E15": ("PMT", "PYE"),
    "EHC^E20": ("IVC", "PID", "PSL"),
    "EHC^E21": ("IVC", "PSL"),
    "MFN": ("MFI", "MFE"),
    "QBP": ("QPD",),
    "RDS": ("PID", "RXD"),
    "REF": ("PRD", "PID"),
    "REF^I12": ("RF1", "PRD", "PID"),
    "RQA": ("PRD", "PID"),
    "RQA^I11": ("AUT", "PRD", "PID"),
    "RQI": ("PID",),
    "PIN": ("PID",),
    "SIU": ("SCH",),
}
"""Segments without which a message of the event or type says nothing."""

NOT_DONE = {
    "EHC^E04": ("医保接口没有重新审核", "the insurance re-assesses nothing"),
    **dict.fromkeys(
        ("EHC^E10", "EHC^E12", "EHC^E15", "EHC^E24"),
        (
            "该消息由付款方发出，该发送方不是付款方",
            "a payer sends this message, and the sender is none",
        ),
    ),
}
"""Events that are understood and refused with AE 207, and why, unless the peer's settings say what
becomes of them (`served_by`)."""

OF_PAYERS = frozenset({"EHC^E10", "EHC^E12", "EHC^E15", "EHC^E24"})
"""Events that a payer sends, taken in by `payer_messages`."""

MODIFYING = frozenset({"REF^I13", "RQA^I09", "RQA^I10"})
"""Events that change a filing, which the interface cannot: by the peer's `modify_filings` it is
withdrawn and filed anew."""

_ORDER = ("MSH", "EVN", "PID", "PV1", "FT1")
"""Segments whose first occurrences stand in this order in every served structure."""


def structure_of(kind: str, header: Header) -> str:
    """MSH-9.3 of an event in the version of the message; empty for events that are not served."""
    if not header.at_least("2.4") and kind in _BEFORE_24:
        return _BEFORE_24[kind]
    return STRUCTURES.get(kind, "")


def check_header(header: Header, processing_ids: Collection[str]) -> None:
    """Refuse a header that leads to no exchange: no control id, not our process, not our version.

    Raises:
        InvalidError: a required field is missing or has no value of its table.
        UnsupportedError: MSH-11 or MSH-12 is not accepted.
    """
    missing = [
        _required(place)
        for place, value in (("MSH[1]-9", header.type), ("MSH[1]-10", header.control_id))
        if not value
    ]
    if not header.version:
        missing.append(_required("MSH[1]-12"))
    elif header.at_least("2.4") and not header.time:
        missing.append(_required("MSH[1]-7"))
    if missing:
        raise InvalidError(missing)
    if header.version not in VERSIONS:
        raise _unsupported(
            ProblemKind.UNSUPPORTED_VERSION,
            ProblemCode.VERSION_UNSUPPORTED,
            "不支持的 HL7 版本",
            "unsupported version",
            "MSH[1]-12",
        )
    if header.processing_id not in processing_ids:
        raise _unsupported(
            ProblemKind.UNSUPPORTED_PROCESSING,
            ProblemCode.PROCESSING_UNSUPPORTED,
            "不接受的处理标识",
            "processing id is not accepted",
            "MSH[1]-11",
        )
    for number, value in ((15, header.accept_ack), (16, header.application_ack)):
        if value and value not in ACKNOWLEDGE_WHEN:
            raise _invalid_value(
                f"MSH[1]-{number}", "取值不在表 0155 中", "not a value of table 0155"
            )
    if header.delimiters.truncation and not header.at_least("2.7"):
        raise _too_long("MSH[1]-2", "MSH-2 过长", "the fifth encoding character exists from 2.7")
    if len(header.control_id) > MAX_CONTROL_ID:
        raise _too_long("MSH[1]-10", "消息控制号过长", "the control id is too long")
    if header.continuation:
        raise InvalidError(
            [
                Problem(
                    kind=ProblemKind.BUSINESS,
                    code=ProblemCode.NOT_SUPPORTED,
                    zh="不支持分片续传的报文",
                    en="continued messages are not supported",
                    place="MSH[1]-14",
                )
            ]
        )


def check_kind(header: Header, kind: str, served: Collection[str]) -> None:
    """Refuse a message type or event that is not served in the version of the message.

    Raises:
        UnsupportedError: 200 for the type, 201 for the event or a structure of another event.
    """
    message_type = kind.partition("^")[0]
    if message_type not in TYPES or not header.at_least(TYPES[message_type]):
        raise _unsupported(
            ProblemKind.UNSUPPORTED_TYPE,
            ProblemCode.TYPE_UNSUPPORTED,
            "不支持的消息类型",
            "unsupported message type",
            "MSH[1]-9[1].1",
        )
    if kind not in served or not header.at_least(SINCE.get(kind, VERSIONS[0])):
        raise _unsupported_event("MSH[1]-9[1].2")
    own = {
        structure_of(kind, header),
        STRUCTURES.get(kind, ""),
        kind.replace("^", "_"),
        header.kind.replace("^", "_"),
        "",
    }
    if header.structure not in own and header.kind == kind:
        raise _unsupported_event("MSH[1]-9[1].3")


def served_by(dialect: HL7Dialect) -> frozenset[str]:
    """The events of `NOT_DONE` that the settings of a peer serve."""
    reassessed = {"EHC^E04"} if dialect.reassess_invoices else set()
    return frozenset(reassessed | (OF_PAYERS if dialect.payer_messages else frozenset()))


def check_segments(document: Document, kind: str, dialect: HL7Dialect) -> list[Problem]:
    """Segments that are missing or out of order, as problems of kind structure (100)."""
    if kind in NOT_DONE and kind not in served_by(dialect):
        return [_not_done(kind)]
    problems = [
        Problem(
            kind=ProblemKind.STRUCTURE,
            code=ProblemCode.FIELD_REQUIRED,
            zh=f"缺少 {name} 段",
            en=f"segment {name} is missing",
            place=f"{name}[1]",
        )
        for name in REQUIRED.get(kind, REQUIRED.get(kind.partition("^")[0], ()))
        if document.first(name) is None
    ]
    if kind == "BAR^P02" and len(document.all("PV1")) > 1:
        problems.append(
            Problem(
                kind=ProblemKind.BUSINESS,
                code=ProblemCode.NOT_SUPPORTED,
                zh="一条消息只能清除一个账户",
                en="one account at most can be purged by a message",
                place="PV1[2]",
            )
        )
    seen = [segment.name for segment in document.segments if segment.occurrence == 1]
    present = [name for name in seen if name in _ORDER]
    for name, after in pairwise(present):
        if _ORDER.index(name) > _ORDER.index(after):
            problems.append(
                Problem(
                    kind=ProblemKind.STRUCTURE,
                    code=ProblemCode.READ_SYNTAX,
                    zh=f"{after} 段位置不对，应在 {name} 段之前",
                    en=f"segment {after} is out of order: it belongs before {name}",
                    place=f"{after}[1]",
                )
            )
    return problems


def _not_done(kind: str) -> Problem:
    """The event is understood, and nothing is done about it here."""
    zh, en = NOT_DONE[kind]
    business, code = ProblemKind.BUSINESS, ProblemCode.NOT_SUPPORTED
    return Problem(kind=business, code=code, zh=zh, en=en, place="MSH[1]-9")


def _required(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        zh="必填字段缺失",
        en="required field is missing",
        place=place,
    )


def _too_long(place: str, zh: str, en: str) -> InvalidError:
    kind, code = ProblemKind.LENGTH, ProblemCode.FIELD_LENGTH
    return InvalidError([Problem(kind=kind, code=code, zh=zh, en=en, place=place)])


def _invalid_value(place: str, zh: str, en: str) -> InvalidError:
    return InvalidError(
        [Problem(kind=ProblemKind.VALUE, code=ProblemCode.FIELD_VALUE, zh=zh, en=en, place=place)]
    )


def _unsupported(
    kind: ProblemKind, code: ProblemCode, zh: str, en: str, place: str
) -> UnsupportedError:
    return UnsupportedError([Problem(kind=kind, code=code, zh=zh, en=en, place=place)])


def _unsupported_event(place: str) -> UnsupportedError:
    return _unsupported(
        ProblemKind.UNSUPPORTED_EVENT,
        ProblemCode.EVENT_UNSUPPORTED,
        "不支持的事件",
        "unsupported event",
        place,
    )
