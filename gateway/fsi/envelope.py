"""The outer message of a request (reference: the envelope of the interface, 18 members).

The order of the members, and which there are, comes from the profile and the tables; `cainfo`
signs the canonical text of the input where the profile says so.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from gateway.clock import CHINA, stamp
from gateway.crypto.sm import VerifyKey
from gateway.fsi.profiles import Profile
from gateway.fsi.replies import decode_reply
from gateway.fsi.sealed_text import read_base64
from gateway.fsi.wire import canonical_bytes, canonical_text, encode_json
from gateway.intents import Call

__all__ = [
    "build_request",
    "canonical_text",
    "decode_reply",
    "new_msgid",
    "signature_text",
    "signed_bytes",
    "text_to_sign",
    "verifies",
]

SERIALS = 10_000
"""Message ids of an institution in one second."""


def new_msgid(fixmedins_code: str, now: datetime, serial: int) -> str:
    """A message id: institution (12), yyyyMMddHHmmss in China Standard Time (14), serial (4).

    >>> new_msgid("H43010000001", datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA), 42)
    'H43010000001202603010905070042'

    Raises:
        ValueError: the institution code has not 12 characters, or the serial not 4 digits.
    """
    if len(fixmedins_code) != 12 or not 0 <= serial < SERIALS:
        raise ValueError("a message id has 12 + 14 + 4 characters")
    return f"{fixmedins_code}{now.astimezone(CHINA):%Y%m%d%H%M%S}{serial:04d}"


def signed_bytes(content: Any) -> bytes:
    """The bytes that a `cainfo` over an input or output signs."""
    return canonical_bytes(content)


def signature_text(signature: bytes) -> str:
    """A signature as `cainfo` carries it: base64 of r and s, 88 characters."""
    return base64.b64encode(signature).decode("ascii")


def verifies(cainfo: str, content: Any, key: VerifyKey) -> bool:
    """True when `cainfo` is a signature over the content; False for anything else."""
    return key.verify(signature_bytes(cainfo), signed_bytes(content))


def signature_bytes(cainfo: str) -> bytes:
    """The bytes of a `cainfo`, empty when it is not base64 in its one form."""
    return read_base64(cainfo) or b""


def text_to_sign(call: Call, profile: Profile) -> bytes | None:
    """The bytes that `cainfo` signs; None where the profile does not sign the input."""
    return signed_bytes(call.input) if profile.cainfo == "input" else None


def build_request(
    call: Call, *, msgid: str, sign_no: str, now: datetime, profile: Profile, cainfo: str
) -> bytes:
    """The request with this `cainfo`.

    Raises:
        ValueError: the input holds a number or text that JSON cannot carry.
    """
    members: dict[str, Any] = {
        "infno": call.infno,
        "msgid": msgid,
        "mdtrtarea_admvs": call.mdtrtarea_admvs,
        "insuplc_admdvs": call.insuplc_admdvs,
        "recer_sys_code": profile.recer_sys_code,
        "dev_no": "",
        "dev_safe_info": "",
        "cainfo": cainfo,
        "signtype": profile.signtype,
        "infver": profile.infver,
        "opter_type": call.opter_type,
        "opter": call.opter,
        "opter_name": call.opter_name,
        "inf_time": stamp(now),
        "fixmedins_code": call.fixmedins_code,
        "fixmedins_name": call.fixmedins_name,
        "sign_no": sign_no,
    }
    members.update(profile.header_extra)
    for member, source in profile.header_copy.items():
        members[member] = members[source]
    members["input"] = call.input
    return encode_json(members)
