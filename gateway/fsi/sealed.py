"""The sealed envelope of mobile payment, e-voucher and e-prescription (reference: signing, 5).

It is not the envelope of the interface: the business data travels encrypted in `encData`, and
`signData` signs a text made of the clear members. Both sides know the `appId`, the `appSecret`
and each other's public SM2 key.

    K1       = first 16 characters of appId
    T        = hex( SM4-ECB-PKCS7( K1, appSecret ) ), upper case
    K2       = first 16 characters of T
    encData  = hex( SM4-ECB-PKCS7( K2, data as JSON ) )
    signData = base64( r, s ) of SM2 with SM3 over
               appId=...&data=...&encType=SM4&signType=SM2&timestamp=...&version=...&key=appSecret

What the signature does not cover follows from that text: `extra`, members that are empty at any
level of `data`, and with `scalars="text"` whether a value was a number or a string.

With twenty charge lines `Sealer.seal` and `Sealer.open` each take half a millisecond to one, about
half of it inside libcrypto without the interpreter lock; beside an event loop they belong into
`asyncio.to_thread`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from gateway.crypto.sm import (
    SIGNATURE_SIZE,
    SigningKey,
    VerifyKey,
    raw_from_der,
    sm4_ecb_decrypt,
    sm4_ecb_encrypt,
)
from gateway.errors import ConfigurationError
from gateway.fsi.sealed_text import (
    APP_CODE,
    APP_ID,
    DATA,
    ENC_DATA,
    ENC_TYPE,
    EXTRA,
    KEY_CHARACTERS,
    SIGN_DATA,
    SIGN_TYPE,
    SM2,
    SM4,
    TIMESTAMP,
    TRANS_TYPE,
    VERSION,
    Scalars,
    TimestampForm,
    canonical_data,
    check_exact,
    data_key,
    is_ambiguous,
    read_base64,
    read_hex,
    read_timestamp,
    sign_text,
    timestamp_text,
)
from gateway.fsi.wire import decode_json, encode_json

ClearData = dict[str, Any] | list[Any]
"""What `data` is: an object, or an array of a query's rows; fractions are `Decimal`."""

_REQUIRED = (ENC_TYPE, SIGN_TYPE, TIMESTAMP, ENC_DATA, SIGN_DATA)


class Reason(StrEnum):
    """Why a sealed message is refused. For logs and support; the other side is told only "no"."""

    UNREADABLE = "unreadable"
    """No JSON object in UTF-8, or nested too deeply."""
    MISSING = "member-missing"
    """A member is absent or empty: the account, the types, the time, encData or signData."""
    AMBIGUOUS = "ambiguous"
    """A signed member holds `&`, so that two messages have one text; or a clear `data` came too."""
    ACCOUNT = "other-account"
    """`appId` or `appCode` is not ours."""
    ALGORITHM = "other-algorithm"
    """`encType` is not SM4 or `signType` not SM2."""
    TIMESTAMP = "timestamp-form"
    """Neither yyyyMMddHHmmss nor milliseconds since 1970."""
    ENCRYPTION_FORM = "encdata-form"
    """`encData` is not hexadecimal text in one case."""
    ENCRYPTION = "encdata-key"
    """`encData` was not made with our key, or was changed."""
    DATA = "data-form"
    """The decrypted text is not a JSON object or array."""
    SIGNATURE_FORM = "signdata-form"
    """`signData` is not base64 of 64 bytes."""
    SIGNATURE_DER = "signdata-der"
    """`signData` is base64 of a DER signature; the interface asks for r and s alone."""
    SIGNATURE = "signature-differs"
    """The signature is not one of this text and key."""
    OTHER_READING = "other-reading"
    """The signature is right for the other reading of numbers and booleans; see `scalars`."""


class SealedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between deployments. Only `scalars` matters for what is read as well."""

    version: str = "2.0.1"
    """Mobile payment and e-voucher 2.0.1, e-prescription 1.0.0."""
    timestamp: TimestampForm = "calendar"
    """`calendar` is yyyyMMddHHmmss in China Standard Time; either form is sent as text."""
    scalars: Scalars = "json"
    """Numbers and booleans in the signed text: as JSON writes them, or as strings."""
    encrypted: Literal["given", "canonical"] = "given"
    """Encrypt the data as it is given, or its canonical text, which lacks the empty members."""
    hex_case: Literal["upper", "lower"] = "upper"
    id_member: Literal["appId", "appCode"] = "appId"


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bureau hands out. Its text form does not show the secret.

    Raises:
        ConfigurationError: the first 16 characters of the id are no key, or the secret is empty.
    """

    app_id: str
    app_secret: str

    def __post_init__(self) -> None:
        head = self.app_id[:KEY_CHARACTERS]
        if len(head) < KEY_CHARACTERS or not head.isascii() or "&" in self.app_id:
            raise ConfigurationError("an appId begins with 16 ASCII characters and holds no '&'")
        if not self.app_secret:
            raise ConfigurationError("the appSecret is empty")

    def __repr__(self) -> str:
        return f"Account(app_id={self.app_id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("app_id", self.app_id)]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed message said, or why it is refused. Its text form shows no data."""

    data: ClearData | None = None
    """None when the message is refused."""
    members: dict[str, Any] = {}
    """The clear top-level members without encData and signData; `extra` among them is unsigned."""
    sent: datetime | None = None
    """The time in `timestamp`, China Standard Time. How old it may be is the caller's to say."""
    reasons: tuple[Reason, ...] = ()

    @property
    def accepted(self) -> bool:
        """True when the signature is good and nothing else stands against the message."""
        return not self.reasons

    def __repr__(self) -> str:
        return f"Opened(reasons={[str(reason) for reason in self.reasons]})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("reasons", [str(reason) for reason in self.reasons])]


class Sealer:
    """One side of the envelope: its account, its private key, the other side's public key."""

    def __init__(
        self,
        account: Account,
        options: SealedOptions,
        *,
        signing_key: SigningKey,
        verify_key: VerifyKey,
    ) -> None:
        self._account, self._options = account, options
        self._signing_key, self._verify_key = signing_key, verify_key
        self._data_key = data_key(account.app_id, account.app_secret)

    def seal(
        self, data: ClearData, *, now: datetime, trans_type: str = "", extra: Any = None
    ) -> bytes:
        """The message as JSON in UTF-8.

        `now` is aware. The signature covers `trans_type`, not `extra`.

        Raises:
            ValueError: the data holds a float or what JSON cannot carry, or is nested deeper than
                the limit; a member holds `&`; `now` is naive.
        """
        check_exact([data, extra])
        plain = encode_json(data)
        clear = decode_json(plain)  # what the other side reads is what must be signed
        members = self._members(now, trans_type)
        if self._options.encrypted == "canonical":
            nothing = "{}" if isinstance(clear, dict) else "[]"
            plain = (canonical_data(clear, self._options.scalars) or nothing).encode()
        encrypted = sm4_ecb_encrypt(self._data_key, plain).hex()
        signature = self._signing_key.sign(
            self._signed({**members, DATA: clear}, self._options.scalars)
        )
        members[ENC_DATA] = encrypted.upper() if self._options.hex_case == "upper" else encrypted
        members[SIGN_DATA] = base64.b64encode(signature).decode()
        if extra is not None:
            members[EXTRA] = extra
        return encode_json(members)

    def open(self, message: bytes | str | Mapping[str, Any]) -> Opened:
        """The content of a message, or the reasons why it is refused; garbage never raises.

        `message` is JSON text, or its members as `decode_json` gives them.
        """
        members = _read_members(message)
        if members is None:
            return Opened(reasons=(Reason.UNREADABLE,))
        if reasons := self._envelope_reasons(members):
            return Opened(reasons=tuple(reasons))
        data = self._decrypt(members[ENC_DATA])
        if isinstance(data, Reason):
            return Opened(reasons=(data,))
        sign_data = members.pop(SIGN_DATA)
        if reason := self._signature_reason({**members, DATA: data}, sign_data):
            return Opened(reasons=(reason,))
        clear = {name: value for name, value in members.items() if name not in (ENC_DATA, DATA)}
        return Opened(data=data, members=clear, sent=read_timestamp(clear[TIMESTAMP]))

    def _members(self, now: datetime, trans_type: str) -> dict[str, Any]:
        members = {
            self._options.id_member: self._account.app_id,
            ENC_TYPE: SM4,
            SIGN_TYPE: SM2,
            VERSION: self._options.version,
            TIMESTAMP: timestamp_text(now, self._options.timestamp),
        }
        if trans_type:
            members[TRANS_TYPE] = trans_type
        if is_ambiguous(members):
            raise ValueError("a member of the envelope holds '&'")
        return members

    def _envelope_reasons(self, members: Mapping[str, Any]) -> list[Reason]:
        accounts = [members[name] for name in (APP_ID, APP_CODE) if members.get(name)]
        if not accounts or not all(members.get(name) for name in _REQUIRED):
            return [Reason.MISSING]
        reasons = []
        if members.get(DATA) or is_ambiguous(members):
            reasons.append(Reason.AMBIGUOUS)
        if any(account != self._account.app_id for account in accounts):
            reasons.append(Reason.ACCOUNT)
        if (members[ENC_TYPE], members[SIGN_TYPE]) != (SM4, SM2):
            reasons.append(Reason.ALGORITHM)
        if read_timestamp(members[TIMESTAMP]) is None:
            reasons.append(Reason.TIMESTAMP)
        return reasons

    def _decrypt(self, enc_data: Any) -> ClearData | Reason:
        encrypted = read_hex(enc_data)
        if encrypted is None:
            return Reason.ENCRYPTION_FORM
        try:
            plain = sm4_ecb_decrypt(self._data_key, encrypted)
        except ValueError:
            return Reason.ENCRYPTION
        try:
            data = decode_json(plain)
            check_exact(data)
        except ValueError:
            return Reason.DATA
        return data if isinstance(data, dict | list) else Reason.DATA

    def _signature_reason(self, members: Mapping[str, Any], sign_data: Any) -> Reason | None:
        signature = read_base64(sign_data)
        if signature is None:
            return Reason.SIGNATURE_FORM
        if len(signature) != SIGNATURE_SIZE:
            return Reason.SIGNATURE_DER if _is_der(signature) else Reason.SIGNATURE_FORM
        asked = self._options.scalars
        text = self._signed(members, asked)
        if self._verify_key.verify(signature, text):
            return None
        other = self._signed(members, "text" if asked == "json" else "json")
        if other != text and self._verify_key.verify(signature, other):
            return Reason.OTHER_READING
        return Reason.SIGNATURE

    def _signed(self, members: Mapping[str, Any], scalars: Scalars) -> bytes:
        return sign_text(members, self._account.app_secret, scalars).encode()


def signing_key_from_base64(text: str) -> SigningKey:
    """The private key as a bureau hands it out: base64 of 32 bytes.

    Raises:
        ConfigurationError: not such a text, or no key.
    """
    secret = read_base64(text.strip())
    if secret is None:
        raise ConfigurationError("an SM2 private key is base64 of 32 bytes")
    return SigningKey.from_raw(secret)


def verify_key_from_base64(text: str) -> VerifyKey:
    """The public key as a bureau hands it out: base64 of 65 bytes (04, x, y) or 64 (x, y).

    Raises:
        ConfigurationError: not such a text, or no key.
    """
    point = read_base64(text.strip())
    if point is None:
        raise ConfigurationError("an SM2 public key is base64 of 65 or 64 bytes")
    return VerifyKey.from_raw(point)


def _read_members(message: bytes | str | Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        if isinstance(message, Mapping):
            check_exact(dict(message))
            message = encode_json(dict(message))
        members = decode_json(message)
        check_exact(members)
    except ValueError:
        return None
    return members if isinstance(members, dict) else None


def _is_der(signature: bytes) -> bool:
    try:
        raw_from_der(signature)
    except ValueError:
        return False
    return True
