"""Files: upload (9101), download (9102), and the books of files that others write."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import timedelta
from typing import Any

from conformance.platform.call import STAMP, Call, File, Refusal

PUBLIC = "plc"
"""Owner of files that belong to everybody (reference: 9102)."""

DAYS = 7
"""Days a file waits, the day it is written included."""


def put(call: Call, owner: str, filename: str, content: bytes) -> dict[str, str]:
    """Keep a file; its number, name and last day. Equal public files have one number."""
    until = (call.now + timedelta(days=DAYS - 1)).date().isoformat()
    if owner == PUBLIC:
        number = f"plc{hashlib.sha256(filename.encode() + content).hexdigest()[:27]}"
        call.store.run("DELETE FROM files WHERE file_qury_no = ?", number)
    else:
        serial = call.store.next_serial(f"file:{call.region.code}")
        number = f"F{call.region.code}{call.now.strftime(STAMP)}{serial:06d}"
    call.store.insert(
        "files",
        {
            "file_qury_no": number,
            "region": call.region.code,
            "owner": owner,
            "filename": filename,
            "until": until,
            "content": content,
        },
    )
    return {"file_qury_no": number, "filename": filename, "until": until}


def content_of(call: Call, number: str, owner: str) -> bytes:
    """A file by its number.

    Raises:
        Refusal: there is none of this owner, or its last day is over.
    """
    row = call.store.one(
        "SELECT * FROM files WHERE file_qury_no = ? AND owner = ? AND region = ?",
        number,
        owner,
        call.region.code,
    )
    if row is None:
        raise Refusal("文件不存在")
    if row["until"] < call.time[:10]:
        raise Refusal("文件已超过下载截止日期")
    content: bytes = row["content"]
    return content


def upload(call: Call) -> dict[str, Any]:
    """9101: bytes as base64 text or as an array of signed numbers."""
    data = call.node("fsUploadIn")
    if data["fixmedins_code"] != call.institution.fixmedins_code:
        raise Refusal("医药机构编号与报文不符")
    content = _bytes(data["in"])
    if not content:
        raise Refusal("文件数据为空")
    kept = put(call, call.institution.fixmedins_code, data["filename"], content)
    values = {**kept, "dld_endtime": kept["until"], "fixmedins_code": data["fixmedins_code"]}
    return call.shape("", values)


def _bytes(value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
        if isinstance(value, list) and all(
            isinstance(number, int) and not isinstance(number, bool) and -128 <= number <= 127
            for number in value
        ):
            return bytes(number % 256 for number in value)
    except (binascii.Error, ValueError):
        pass
    raise Refusal("文件数据应为base64文本或字节数组")


def download(call: Call) -> File:
    """9102: a file of the institution, or one of everybody's."""
    data = call.node("fsDownloadIn")
    owner = data["fixmedins_code"]
    if owner not in (PUBLIC, call.institution.fixmedins_code):
        raise Refusal("医药机构编号与报文不符")
    row = call.store.one(
        "SELECT filename FROM files WHERE file_qury_no = ? AND owner = ?",
        data["file_qury_no"],
        owner,
    )
    if row is not None and row["filename"] != data["filename"]:
        raise Refusal("文件名与文件查询号不符")
    return File(content_of(call, data["file_qury_no"], owner))


HANDLERS = {"9101": upload, "9102": download}
