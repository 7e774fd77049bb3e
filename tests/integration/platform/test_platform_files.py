"""Files at a centre: kept, given out whole or in part, and spoilt on demand."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from conformance.platform.config import PlatformConfig

CONTENT = b"PK" + bytes(range(256)) * 40


def text_of(content: bytes) -> list[list[str]]:
    """The columns of each line of the one text in a ZIP file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = archive.namelist()
        return [line.split("\t") for line in archive.read(name).decode().split("\n") if line]


async def upload(hospital: Any, content: Any = None, filename: str = "a.zip") -> dict[str, str]:
    """The input of 9102 for a file that 9101 has taken."""
    node = {
        "in": base64.b64encode(CONTENT).decode() if content is None else content,
        "filename": filename,
        "fixmedins_code": hospital.institution.fixmedins_code,
    }
    output = await hospital.call("9101", {"fsUploadIn": node})
    assert (output["filename"], output["fixmedins_code"]) == (filename, node["fixmedins_code"])
    return {key: output[key] for key in ("file_qury_no", "filename", "fixmedins_code")}


async def fetch(hospital: Any, file: dict[str, str], **headers: str) -> tuple[int, bytes]:
    """Status and body of a 9102."""
    body = hospital.envelope("9102", {"fsDownloadIn": file})
    return await hospital.post("9102", body, {**hospital.headers("9102"), **headers})


async def test_an_uploaded_file_comes_back_byte_by_byte(changsha: Any) -> None:
    """9101 with base64, then 9102."""
    file = await upload(changsha)
    assert await fetch(changsha, file) == (200, CONTENT)


async def test_a_file_may_be_sent_as_signed_bytes(changsha: Any) -> None:
    """The form of a Java byte array: 255 is -1."""
    numbers = [byte - 256 if byte > 127 else byte for byte in CONTENT]
    assert await fetch(changsha, await upload(changsha, numbers)) == (200, CONTENT)


@pytest.mark.parametrize("content", ["%%%", [1, 300], [1, "2"], {"a": 1}, True])
async def test_what_is_no_file_is_refused(changsha: Any, content: Any) -> None:
    """Neither base64 nor bytes."""
    node = {"in": content, "filename": "a.zip", "fixmedins_code": "H43010000001"}
    said = await changsha.refused("9101", {"fsUploadIn": node})
    assert said == "文件数据应为base64文本或字节数组"


async def test_the_rest_of_a_file_is_given_on_demand(changsha: Any) -> None:
    """Range: from the tenth byte; beyond the end is 416."""
    file = await upload(changsha)
    assert await fetch(changsha, file, Range="bytes=10-") == (206, CONTENT[10:])
    assert (await fetch(changsha, file, Range=f"bytes={len(CONTENT)}-"))[0] == 416


async def test_a_centre_without_ranges_gives_the_whole_file(
    platform_config: PlatformConfig, changsha: Any
) -> None:
    """The header is not looked at."""
    platform_config.regions[0].ranges = False
    assert await fetch(changsha, await upload(changsha), Range="bytes=10-") == (200, CONTENT)


async def test_a_file_is_spoilt_on_demand(changsha: Any) -> None:
    """Truncated has half the bytes, corrupt all of them, interrupted breaks the connection."""
    file = await upload(changsha)
    await changsha.fault("truncated", "9102")
    assert await fetch(changsha, file) == (200, CONTENT[: len(CONTENT) // 2])
    await changsha.fault("corrupt", "9102")
    status, body = await fetch(changsha, file)
    assert (status, len(body), body == CONTENT) == (200, len(CONTENT), False)
    await changsha.fault("interrupted", "9102")
    with pytest.raises(aiohttp.ClientPayloadError):
        await fetch(changsha, file)


async def test_a_file_stalls_on_demand(changsha: Any, gate: Any) -> None:
    """Half of it, then nothing until the seconds are over, then the rest."""
    file = await upload(changsha)
    await changsha.fault("stalled", "9102", seconds=30.0)
    fetching = asyncio.create_task(fetch(changsha, file))
    await gate.reached.wait()
    assert (gate.asked, fetching.done()) == ([30.0], False)
    gate.opened.set()
    assert await fetching == (200, CONTENT)


async def test_an_operator_of_the_platform_sees_what_waits_and_what_was_kept(
    changsha: Any,
) -> None:
    """Files by name and size, inputs as they came."""
    file = await upload(changsha)
    (shown,) = await changsha.admin("GET", "files?owner=H43010000001")
    assert (shown["file_qury_no"], shown["size"]) == (file["file_qury_no"], len(CONTENT))
    assert await changsha.admin("GET", "documents") == []
    assert await changsha.admin("GET", "confirmations?period=202603") == []


async def test_a_file_is_given_to_its_owner_until_its_last_day(
    changsha: Any, shenzhen: Any, clock: Any
) -> None:
    """Another institution, another name, another number and the eighth day are refused."""
    file = await upload(changsha)
    foreign = {**file, "fixmedins_code": "H44030000001"}
    assert await shenzhen.refused("9102", {"fsDownloadIn": foreign}) == "文件不存在"
    unknown = {**file, "file_qury_no": "F0"}
    assert await changsha.refused("9102", {"fsDownloadIn": unknown}) == "文件不存在"
    renamed = {**file, "filename": "b.zip"}
    said = await changsha.refused("9102", {"fsDownloadIn": renamed})
    assert said == "文件名与文件查询号不符"
    clock.now += timedelta(days=7)
    changsha.sign_no = ""
    said = await changsha.refused("9102", {"fsDownloadIn": file})
    assert said == "文件已超过下载截止日期"


async def test_a_catalogue_file_has_all_newer_rows(
    platform_config: PlatformConfig, changsha: Any
) -> None:
    """1301 from v0000, from v0001 and from the newest version."""
    first = await changsha.call("1301", {"data": {"ver": "v0000"}})
    assert (int(first["data_cnt"]), first["filename"]) == (9, "1301_v0002.zip")
    file = {key: first[key] for key in ("file_qury_no", "filename")}
    _, body = await fetch(changsha, {**file, "fixmedins_code": "plc"})
    rows = text_of(body)
    assert {len(row) for row in rows} == {97}
    assert rows[0][:2] == ["XA01ABD075A002010100594", "null"]
    again = await changsha.call("1301", {"data": {"ver": "v0001"}})
    assert int(again["data_cnt"]) == 3
    none = await changsha.call("1301", {"data": {"ver": "v0002"}})
    assert (int(none["data_cnt"]), none["filename"]) == (0, "1301_v0002.zip")


@pytest.mark.parametrize("infno", ["1306A", "1320", "1321", "1322", "1327"])
async def test_newer_catalogues_spell_the_last_day_their_own_way(changsha: Any, infno: str) -> None:
    """`dld_endtime` where the older ones say `dld_end_time`."""
    output = await changsha.call(infno, {"data": {"ver": "v0000"}})
    assert output["dld_endtime"] == "2026-03-08"
    assert "dld_end_time" not in output


async def test_lists_come_by_pages(changsha: Any) -> None:
    """1318: ceilings of the catalogue; two pages of one row are the page of two."""
    asked = {"updt_time": "2020-01-01", "page_num": 1, "page_size": 2}
    both = await changsha.call("1318", {"data": asked})
    second = await changsha.call("1318", {"data": {**asked, "page_num": 2, "page_size": 1}})
    assert [row["hilist_code"] for row in both["data"]][1:] == [
        row["hilist_code"] for row in second["data"]
    ]
    later = await changsha.call("1318", {"data": {**asked, "updt_time": "2027-01-01"}})
    assert (later["data"], later["recordCounts"]) == ([], 0)
    said = await changsha.refused("1318", {"data": {**asked, "page_size": 101}})
    assert said == "页码应从1开始，每页1至100行"


async def test_what_the_hospital_matched_is_listed_until_it_is_withdrawn(changsha: Any) -> None:
    """3301, 1317, 3302, 1317."""
    row = {
        "fixmedins_hilist_id": "YP001",
        "fixmedins_hilist_name": "阿莫西林片",
        "list_type": "101",
        "med_list_codg": "XJ01CAA040A001010405611",
        "begndate": "2026-01-01",
        "enddate": "2099-12-31",
    }
    asked = {"data": {"updt_time": "2020-01-01", "page_num": 1, "page_size": 10}}
    await changsha.call("3301", {"data": [row]})
    (listed,) = (await changsha.call("1317", asked))["data"]
    assert (listed["medins_list_codg"], listed["med_list_codg"]) == ("YP001", row["med_list_codg"])
    gone = {
        "fixmedins_code": "H43010000001",
        "fixmedins_hilist_id": "YP001",
        "list_type": "101",
        "med_list_codg": row["med_list_codg"],
    }
    await changsha.call("3302", {"data": gone})
    assert (await changsha.call("1317", asked))["data"] == []
