"""The national JSON side: a hospital that speaks the interface itself posts its envelope.

The gateway codes, checks, signs and routes what the sender composed. The sender's `msgid` is the
key of the exchange within its `fixmedins_code`: the same content again gets the stored answer,
other content is refused. Answers have the form of the platform's reply, so that a client written
for the platform reads them; what is ours stands in `problems`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Container, Mapping
from typing import Any

import msgspec

from gateway.clock import Clock
from gateway.crypto.sm import sm3
from gateway.errors import (
    InvalidError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnsupportedError,
)
from gateway.inbound import national_answers as answers
from gateway.inbound.national_envelope import (
    canonical,
    charset_of,
    first_value,
    input_of,
    parse,
    redacted,
    text_of,
    without_tokens,
)
from gateway.intents import Answer, Intent, Message, Record, Result, Source, Verb, VisitClass
from gateway.settings import PeerSettings

PROTOCOL = "fsi"

CONTENT_TYPE = "content_type"
"""Key of `meta` that holds the request's Content-Type."""

PATH_INFNO = "infno"
"""Key of `meta` that holds the transaction number of the path; may be absent."""

THREAD_FROM = 262_144
"""Bytes from which a body is parsed beside the event loop."""

HEADER = (
    "insuplc_admdvs",
    "mdtrtarea_admvs",
    "opter",
    "opter_name",
    "opter_type",
    "sign_no",
    "msgid",
    "dev_no",
    "dev_safe_info",
)
"""Members of the envelope that the call keeps; the rest is the gateway's to fill."""

_KEYED = ("fixmedins_code", "insuplc_admdvs", "mdtrtarea_admvs")
_PERSON = ("psn_no", "insuplc_admdvs")
_VISIT = ("mdtrt_id", "ipt_otp_no")
_MSGID = re.compile(r"[!-~]{1,30}")
_INFNO = re.compile(r"[0-9]{4,6}[A-Z]?")


class NationalDocument(msgspec.Struct):
    """An envelope that was read: the transaction, the members as text, the input."""

    infno: str
    header: dict[str, str]
    input: dict[str, Any]


class NationalAdapter:
    """Speaks the national JSON for the pipeline (`gateway.pipeline.Adapter`).

    `infnos` are the transactions that can be carried.
    """

    def __init__(self, infnos: Container[str], clock: Clock) -> None:
        self._infnos = infnos
        self._clock = clock

    @property
    def protocol(self) -> str:
        """`fsi`."""
        return PROTOCOL

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """Read the envelope.

        Raises:
            UnreadableError: no JSON object in the declared charset.
            UnsupportedError: the transaction is not known.
            InvalidError: the envelope lacks a member, contradicts the path, or speaks for an
                institution that is not the peer's.
        """
        charset = charset_of(meta.get(CONTENT_TYPE, ""))
        if len(raw) < THREAD_FROM:
            document = parse(raw, charset)
        else:
            document = await asyncio.to_thread(parse, raw, charset)
        envelope = self._envelope(document, peer, meta.get(PATH_INFNO, ""))
        msgid = envelope.header["msgid"]
        return Message(
            protocol=PROTOCOL,
            peer=peer.name,
            sender=envelope.header["fixmedins_code"],
            control_id=msgid,
            kind=envelope.infno,
            fingerprint=_fingerprint(envelope),
            context={
                "infno": envelope.infno,
                "msgid": msgid,
                "key_place": "msgid",
                "received": answers.moment(self._clock.now()),
            },
            document=envelope,
        )

    def _envelope(
        self, document: dict[str, Any], peer: PeerSettings, path_infno: str
    ) -> NationalDocument:
        header = {key: text for key, value in document.items() if (text := text_of(value))}
        infno = header.get("infno") or path_infno
        problems = _header_problems(header, infno, path_infno)
        if problems:
            raise InvalidError(problems)
        if infno not in self._infnos:
            raise UnsupportedError([_unknown_infno(infno)])
        if header["fixmedins_code"] not in peer.institutions:
            raise InvalidError([_not_yours()])
        carried = input_of(document)
        if carried is None:
            raise InvalidError([_required("input", "缺少交易输入", "no transaction input")])
        return NationalDocument(infno, header, carried)

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """One transaction to carry, with the keys that route it and hold its visit."""
        del peer
        envelope: NationalDocument = message.document
        header = envelope.header
        person, visit = Record(), Record()
        for record, codes in ((person, _PERSON), (visit, _VISIT)):
            for code in codes:
                found = first_value(envelope.input, code)
                if found is not None:
                    record.set(code, *found)
        if "insuplc_admdvs" in header:
            region = header["insuplc_admdvs"]
            person.set("insuplc_admdvs", region, Source("insuplc_admdvs", region, PROTOCOL))
        facility = _taken(header, ("fixmedins_code", "fixmedins_name"))
        facility.fill_from(_taken(header, ("opter", "opter_name", "opter_type")))
        intent = Intent(
            verb=Verb.CARRY,
            visit_class=_visit_class(envelope.infno),
            person=person,
            visit=visit,
            facility=facility,
            carried_infno=envelope.infno,
            carried=envelope.input,
            carried_header=_taken(header, HEADER),
            place="input",
        )
        return intent, []

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:
        """The result in the form of the platform's reply."""
        del message_kind
        return answers.from_result(context, result, answers.moment(self._clock.now()))

    def refuse(
        self,
        raw: bytes,
        meta: Mapping[str, str],
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """The refusal in the form of the platform's reply."""
        del raw, meta
        now = answers.moment(self._clock.now())
        return answers.from_error(context or {"received": now}, error, now)

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG002 - never taken up
        """Nothing: no message of this protocol is taken up."""
        return {}

    def owns(self, context: Mapping[str, Any]) -> bool:
        """Never: the sender waits on its connection and comes again."""
        del context
        return False

    def redact(self, raw: bytes) -> bytes:
        """The bytes to keep: without an e-voucher token."""
        return redacted(raw)


def _header_problems(header: Mapping[str, str], infno: str, path_infno: str) -> list[Problem]:
    problems = []
    if not infno:
        problems.append(_required("infno", "缺少交易编号", "no transaction number"))
    elif not _INFNO.fullmatch(infno):
        problems.append(
            _value("infno", "交易编号格式不正确", "not the form of a transaction number")
        )
    elif path_infno and path_infno != infno:
        problems.append(
            _value("infno", "交易编号与请求地址不一致", "differs from the transaction of the path")
        )
    msgid = header.get("msgid", "")
    if not msgid:
        problems.append(_required("msgid", "缺少发送方报文ID", "no message id"))
    elif not _MSGID.fullmatch(msgid):
        problems.append(
            _value("msgid", "应为不超过30位的可见字符", "has to be 1 to 30 printable characters")
        )
    if not header.get("fixmedins_code"):
        problems.append(_required("fixmedins_code", "缺少定点医药机构编号", "no institution code"))
    return problems


def _fingerprint(envelope: NationalDocument) -> str:
    """SM3 of what the message asks for: not when it was sent, not by which token it is allowed."""
    without, _ = without_tokens(envelope.input)
    keyed = {code: envelope.header.get(code, "") for code in _KEYED}
    return sm3(canonical({"infno": envelope.infno, **keyed, "input": without})).hex()


def _visit_class(infno: str) -> VisitClass | None:
    if infno.startswith("22"):
        return VisitClass.OUTPATIENT
    return VisitClass.INPATIENT if infno.startswith(("23", "24")) else None


def _taken(header: Mapping[str, str], codes: tuple[str, ...]) -> Record:
    record = Record()
    for code in codes:
        if code in header:
            record.set(code, header[code], Source(code, header[code], PROTOCOL))
    return record


def _required(place: str, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        zh=zh,
        en=en,
        place=place,
        field=place,
    )


def _value(place: str, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        zh=zh,
        en=en,
        place=place,
        field=place,
    )


def _unknown_infno(infno: str) -> Problem:
    return Problem(
        kind=ProblemKind.UNSUPPORTED_TYPE,
        code=ProblemCode.TYPE_UNSUPPORTED,
        zh=f"不支持交易 {infno}",
        en=f"transaction {infno} is not served",
        remedy_zh="请核对交易编号；可用 gateway fsi list 查看支持的交易",
        remedy_en="check the number; `gateway fsi list` names what is served",
        place="infno",
        field="infno",
    )


def _not_yours() -> Problem:
    return Problem(
        kind=ProblemKind.FORBIDDEN,
        code=ProblemCode.PEER_DENIED,
        zh="无权代表该定点医药机构",
        en="may not speak for this institution",
        remedy_zh="请核对机构编号，或让网关管理员将其加入该发送方的 institutions",
        remedy_en="check the code, or add it to `institutions` of the peer",
        place="fixmedins_code",
        field="fixmedins_code",
    )
