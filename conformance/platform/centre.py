"""One regional centre: from the body of a request to the body of its reply.

The order of the checks: the outer message, the institution and its region, the signature over the
input, the session; up to here nothing is kept, for the sender is not known to be the sender. Then
the message id, which is spent by whatever follows, the input against the definitions, and the
transaction itself. The record of the request and what the transaction does are one database
transaction.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from conformance.platform import wire
from conformance.platform.call import STAMP, Call, File, Refusal, Tables, find_member
from conformance.platform.config import InstitutionConfig, RegionConfig
from conformance.platform.inspection import Inspector, in_one_sentence
from conformance.platform.places import home_region, pool_of
from conformance.platform.transactions import handler
from gateway.crypto.sm import SigningKey, VerifyKey
from gateway.errors import ConfigurationError
from gateway.fsi.definitions import Definitions

MAX_INPUT = 40_000
"""Characters of the input (reference: rules, section 1)."""

MAX_UPLOAD = 8 * 1024 * 1024
"""Characters of the input of an upload, which carries a file (9101)."""

MAX_ERR_MSG = 200

SIGN_IN = "9001"
UPLOAD = "9101"

_MSGID = re.compile(r"[HP]\d{11}\d{14}\d{4}\Z", re.ASCII)


class Reply(msgspec.Struct, kw_only=True):
    """What a centre answers, before it is bytes."""

    infno: str
    infcode: int
    err_msg: str = ""
    inf_refmsgid: str = ""
    output: Any = None
    file: bytes | None = None
    """The body itself, of a transaction that answers with a file."""


class Centre:
    """A regional centre.

    `neighbours` are the codes of every centre of the process, this one included. `clock` gives
    China Standard Time.
    """

    def __init__(
        self,
        config: RegionConfig,
        tables: Tables,
        neighbours: tuple[str, ...],
        clock: Callable[[], datetime],
    ) -> None:
        self.config = config
        self._tables = tables
        self._neighbours = neighbours
        self._clock = clock
        self._definitions = Definitions.load(config.edition)
        self._inspector = Inspector(self._definitions, frozenset(config.open_dictionaries))
        self._institutions = {each.fixmedins_code: each for each in config.institutions}
        self._keys = {
            each.fixmedins_code: VerifyKey.from_pem(read_key(each.public_key_file))
            for each in config.institutions
            if each.public_key_file
        }
        self._key = SigningKey.from_pem(read_key(config.key_file)) if config.key_file else None
        self.gateway = wire.GatewayCheck(
            config.scheme, config.account, config.secret, clock, milliseconds=config.milliseconds
        )

    def handle(self, body: bytes, name: str) -> Reply:
        """Carry out a request; `name` is the transaction the transport named, empty for none."""
        received = self._clock()
        serial = self._tables.store.next_serial(f"message:{self.config.code}")
        reference = f"{self.config.code}{received.strftime(STAMP)}{serial:010d}"
        infno = name
        try:
            envelope = self._read(body)
            infno = envelope["infno"]
            institution = self._check_envelope(envelope, name)
            self._check_signature(envelope, institution)
            self._check_session(envelope)
            reply = self._carry_out(envelope, institution, reference, received)
        except Refusal as refusal:
            reply = Reply(infno=infno, infcode=-1, err_msg=refusal.err_msg[:MAX_ERR_MSG])
        reply.inf_refmsgid = reference
        return reply

    def encode(self, reply: Reply, *, forged: bool = False) -> bytes:
        """The reply on the wire, signed over its output; `forged` signs something else."""
        now = self._clock()
        stamp = now.strftime(STAMP) + f"{now.microsecond // 1000:03d}"
        document: dict[str, Any] = {
            "infcode": str(reply.infcode) if self.config.infcode_text else reply.infcode,
            "inf_refmsgid": reply.inf_refmsgid,
            "refmsg_time": stamp,
            "respond_time": stamp,
            "err_msg": reply.err_msg,
            "warn_msg": "",
            "cainfo": "",
            "signtype": "",
            "output": reply.output,
        }
        key = self._key or (SigningKey.generate() if forged else None)
        if key is not None:
            text = wire.canonical_text(reply.output) + ("?" if forged else "")
            document["cainfo"] = base64.b64encode(key.sign(text.encode())).decode()
            document["signtype"] = "SM2"
        return wire.encode(document)

    def expire_sessions(self) -> int:
        """End every sign-in of the region; their number."""
        return self._tables.store.run(
            "UPDATE sign_ins SET state = 'expired' WHERE region = ? AND state = 'open'",
            self.config.code,
        )

    # Steps --------------------------------------------------------------------------------------

    def _read(self, body: bytes) -> dict[str, Any]:
        try:
            document = wire.decode(body)
        except ValueError:
            raise Refusal("报文不是有效的JSON格式") from None
        if not isinstance(document, dict):
            raise Refusal("报文不是JSON对象")
        findings = self._inspector.envelope(document)
        if findings:
            raise Refusal(in_one_sentence(findings))
        if not isinstance(document.get("input"), dict):
            raise Refusal("入参校验失败：input应为对象")
        limit = MAX_UPLOAD if document["infno"] == UPLOAD else MAX_INPUT
        if len(wire.encode(document["input"]).decode()) > limit:
            raise Refusal(f"入参校验失败：input超过{limit}字符")
        return document

    def _check_envelope(self, envelope: Mapping[str, Any], name: str) -> InstitutionConfig:
        infno, msgid = envelope["infno"], envelope["msgid"]
        if infno not in self._definitions:
            raise Refusal(f"交易编号{infno}不存在")
        if name and name != infno:
            raise Refusal(f"交易编号{infno}与请求的服务{name}不一致")
        institution = self._institutions.get(envelope["fixmedins_code"])
        if institution is None:
            raise Refusal("定点医药机构编号不存在")
        if pool_of(envelope["mdtrtarea_admvs"]) != pool_of(self.config.code):
            raise Refusal("就医地医保区划与接入地区不符")
        if not _MSGID.match(msgid) or not msgid.startswith(institution.fixmedins_code):
            raise Refusal("发送方报文ID格式错误")
        insuplc = envelope.get("insuplc_admdvs") or ""
        if insuplc and not (insuplc.isascii() and insuplc.isdigit() and len(insuplc) == 6):
            raise Refusal("参保地医保区划格式错误")
        return institution

    def _check_signature(self, envelope: Mapping[str, Any], institution: InstitutionConfig) -> None:
        if not self.config.cainfo:
            return
        try:
            signature = base64.b64decode(envelope.get("cainfo") or "", validate=True)
        except (binascii.Error, ValueError):
            signature = b""
        text = wire.canonical_text(envelope["input"]).encode()
        key = self._keys[institution.fixmedins_code]
        if (
            envelope.get("signtype") != "SM2"
            or len(signature) != 64
            or not key.verify(signature, text)
        ):
            raise Refusal("数字签名验证失败")

    def _check_session(self, envelope: Mapping[str, Any]) -> None:
        sign_no = envelope.get("sign_no") or ""
        if envelope["infno"] == SIGN_IN or not (self.config.sign_in or sign_no):
            return
        row = self._tables.store.one(
            "SELECT state, sign_time FROM sign_ins "
            "WHERE sign_no = ? AND region = ? AND fixmedins_code = ?",
            sign_no,
            self.config.code,
            envelope["fixmedins_code"],
        )
        if row is None:
            raise Refusal("签到流水号不存在，请先签到")
        today = self._clock().date().isoformat()
        if row["state"] != "open" or row["sign_time"][:10] != today:
            raise Refusal("签到流水号已失效，请重新签到")

    def _carry_out(
        self,
        envelope: Mapping[str, Any],
        institution: InstitutionConfig,
        reference: str,
        received: datetime,
    ) -> Reply:
        store, infno = self._tables.store, envelope["infno"]
        if store.one("SELECT 1 FROM requests WHERE msgid = ?", envelope["msgid"]):
            raise Refusal("发送方报文ID重复")
        record = {
            "msgid": envelope["msgid"],
            "region": self.config.code,
            "infno": infno,
            "fixmedins_code": institution.fixmedins_code,
            "psn_no": find_member(envelope["input"], "psn_no"),
            "infcode": 0,
            "err_msg": "",
            "inf_refmsgid": reference,
            "received": received.isoformat(timespec="milliseconds"),
        }
        try:
            with store.transaction():
                store.insert("requests", record)
                output = self._work(envelope, institution, received)
        except Refusal as refusal:
            err_msg = refusal.err_msg[:MAX_ERR_MSG]
            with store.transaction():
                store.insert("requests", {**record, "infcode": -1, "err_msg": err_msg})
            return Reply(infno=infno, infcode=-1, err_msg=err_msg)
        if isinstance(output, File):
            return Reply(infno=infno, infcode=0, file=output.content)
        return Reply(infno=infno, infcode=0, output=output)

    def _work(
        self, envelope: Mapping[str, Any], institution: InstitutionConfig, now: datetime
    ) -> Any:
        infno = envelope["infno"]
        findings = self._inspector.input(infno, envelope["input"])
        if findings:
            raise Refusal(in_one_sentence(findings))
        insuplc = envelope.get("insuplc_admdvs") or self.config.code
        call = Call(
            region=self.config,
            institution=institution,
            definitions=self._definitions,
            tables=self._tables,
            envelope=envelope,
            home=home_region(insuplc, self._neighbours),
            now=now,
        )
        call.check_home()
        return handler(infno)(call)


def read_key(path: str) -> bytes:
    """The bytes of a key file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=path) from error
