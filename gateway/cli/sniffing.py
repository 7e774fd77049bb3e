"""Which protocol a file speaks."""

from __future__ import annotations

import json

from gateway.cli.exits import Exit
from gateway.cli.output import stop

PROTOCOLS = ("hl7v2", "fhir", "fsi")

_MLLP = b"\x0b\x1c\r\n \t"
_BOM = b"\xef\xbb\xbf"


def bare(raw: bytes) -> bytes:
    """A message without the frame, byte order mark and blank lines a file may have around it."""
    return raw.strip(_MLLP).removeprefix(_BOM).strip(_MLLP)


def protocol_of(raw: bytes) -> str:
    """`hl7v2`, `fhir` or `fsi`; ends the command when it is none of them."""
    content = bare(raw)
    if content[:3] in {b"MSH", b"FHS", b"BHS"}:
        return "hl7v2"
    if content[:1] != b"{":
        stop(Exit.UNREADABLE, "neither HL7 v2 (MSH) nor JSON; say --protocol")
    return "fhir" if resource_type(content) else "fsi"


def resource_type(raw: bytes) -> str:
    """The FHIR type of a resource, empty when it is none."""
    try:
        document = json.loads(bare(raw))
    except (ValueError, RecursionError):
        return "Resource" if b'"resourceType"' in raw else ""
    value = document.get("resourceType") if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""


def application_of(raw: bytes) -> tuple[str, str]:
    """MSH-3 and MSH-4, as far as their first components; empty for other protocols."""
    content = bare(raw)
    if not content.startswith(b"MSH") or len(content) < 5:
        return "", ""
    line = content.split(b"\r", 1)[0].split(b"\n", 1)[0].decode("latin-1")
    fields = line.split(line[3])
    names = [field.split(line[4])[0] for field in (*fields, "", "", "", "")[2:4]]
    return names[0], names[1]


def as_segments(raw: bytes) -> bytes:
    """An HL7 v2 message with CR between segments, as the wire wants it; files often have LF."""
    content = bare(raw)
    if b"\r" not in content:
        content = content.replace(b"\n", b"\r")
    return content.replace(b"\r\n", b"\r") + b"\r"
