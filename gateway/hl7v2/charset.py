"""Character sets: from bytes to text and back, by MSH-18 (HL7 v2 table 0211).

The bytes are decoded first and split afterwards: the second byte of a GB 18030 character may be
`|`, `^`, `~` or a backslash. The whole GB family is decoded as GB 18030, of which GBK and GB 2312
are parts and which has the rare characters of names. Decoding is strict: a byte that does not fit
refuses the message, and no replacement character ever stands for a part of a name.

MSH-18 blank means ASCII; a peer's `default_charset` says otherwise. The names in use that table
0211 does not have (`GBK`, `UTF-8`) count where a peer's `charset_aliases` say what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind

ASCII = "ascii"
MSH18 = "MSH[1]-18[1]"

TABLE_0211: Mapping[str, str] = {
    "": ASCII,
    "ASCII": ASCII,
    "ISO IR6": ASCII,
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
"""Values of MSH-18 that travel over MLLP, and the codec of each. UTF-16 and UTF-32 do not: their
bytes may be the marks of a frame."""

COMMON_NAMES: Mapping[str, str] = {
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "GB18030": "gb18030",
    "GB 18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "CP936": "gb18030",
}
"""Names that settings may use for a character set beside those of table 0211."""


class Decoded(NamedTuple):
    """The text of a message, and what its bytes were: the codec for the reply."""

    text: str
    codec: str


def codec_of_setting(name: str) -> str:
    """The codec of a character set named in the settings.

    Raises:
        ValueError: the name is not known.
    """
    codec = COMMON_NAMES.get(name.upper()) or TABLE_0211.get(name.upper())
    if not name or codec is None:
        raise ValueError(f"no character set {name!r}")
    return codec


def decode(raw: bytes, *, default: str = "", aliases: Mapping[str, str] | None = None) -> Decoded:
    """Decode a message by its own MSH-18.

    `default` and the values of `aliases` are names of character sets as in the settings.

    Raises:
        InvalidError: MSH-18 is not known (103), is blank with bytes beyond ASCII and no default
            (207), or the bytes do not fit it (102).
    """
    declared = declared_charset(raw)
    if declared in (aliases or {}):
        codec = codec_of_setting((aliases or {})[declared])
    elif not declared and default:
        codec = codec_of_setting(default)
    elif declared.upper() in TABLE_0211:
        codec = TABLE_0211[declared.upper()]
    else:
        raise _refused(
            ProblemKind.VALUE, "MSH-18 字符集不支持", "character set of MSH-18 is not supported"
        )
    try:
        return Decoded(raw.decode(codec), codec)
    except UnicodeDecodeError as error:
        if not declared and not default:
            raise _refused(
                ProblemKind.BUSINESS,
                "MSH-18 为空，但报文含有非 ASCII 字符",
                "MSH-18 is blank but the message has bytes beyond ASCII",
            ) from None
        raise _refused(
            ProblemKind.TYPE,
            "报文字节与 MSH-18 声明的字符集不符",
            "bytes do not fit the character set of MSH-18",
            f"byte offset {error.start}",
        ) from None


def declared_charset(raw: bytes) -> str:
    """The first repetition of MSH-18 as it stands, empty when absent."""
    text = header_text(raw)
    fields = text.split(text[3]) if len(text) > 3 else []
    if len(fields) <= 17:
        return ""
    repetition = fields[1][1:2] or "~"
    return fields[17].partition(repetition)[0].strip()


def header_text(raw: bytes, known: str = "") -> str:
    """The MSH segment as text; `known` is the codec where it is known already.

    The first segment has no mark that is part of a character in UTF-8 or GB 18030 when it is
    decoded as such; Latin-1 fits any byte and serves what is neither.
    """
    end = min((at for at in (raw.find(b"\r"), raw.find(b"\n")) if at >= 0), default=len(raw))
    head = raw[:end]
    for codec in filter(None, (known, "utf-8", "gb18030")):
        try:
            return head.decode(codec)
        except UnicodeDecodeError:
            continue
    return head.decode("latin-1")


def encode(text: str, codec: str) -> bytes:
    """Encode a reply. A character that the set does not have becomes `?`."""
    return text.encode(codec, errors="replace")


def fits(text: str, codec: str) -> bool:
    """True when every character of the text is in the character set."""
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _refused(kind: ProblemKind, zh: str, en: str, detail: str = "") -> InvalidError:
    code = ProblemCode.READ_CHARSET
    return InvalidError([Problem(kind=kind, code=code, zh=zh, en=en, place=MSH18, detail=detail)])
