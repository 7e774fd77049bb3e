"""Files of the interface: UTF-8 text, TAB between columns, one record a line, alone in a ZIP.

Written from the facts (reference: rules of the interface, section 5; 3202) and apart from the
gateway's own code.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence

MAX_TEXT = 16 * 1024 * 1024
"""Bytes of an uploaded text."""


def packed(name: str, rows: Iterable[Sequence[str]]) -> bytes:
    """The ZIP file; an empty value is written as the word null."""
    lines = ("\t".join(value or "null" for value in row) for row in rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, "\n".join(lines).encode())
    return buffer.getvalue()


def unpacked(content: bytes) -> list[list[str]]:
    """The records of the one text of a ZIP file; the word null becomes an empty text.

    Raises:
        ValueError: this is no such file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].file_size > MAX_TEXT:
                raise ValueError("one text is due")
            text = archive.read(entries[0]).decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError("no ZIP file") from error
    lines = (line.removesuffix("\r").removesuffix("\t") for line in text.split("\n"))
    return [["" if v == "null" else v for v in line.split("\t")] for line in lines if line]
