"""Catalogues: downloads (1301 to 1327, 1306A), and lists by pages (1304, 1312, 1316 to 1319).

A download offers a file of everything newer than the version held. Its rows stand in
`data/catalogues/<infno>.csv`, headed by column names of the file's layout; the columns that have
no name there are empty. A catalogue without such a file is known and empty. Versions order as
texts: v0000 comes before every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from conformance.platform.call import Call, Refusal, whole
from conformance.platform.tables import DATA, CatalogueRow, read_rows
from conformance.platform.textfiles import packed
from conformance.platform.transactions.files import PUBLIC, put

VERSION = "版本号"
UPDATED = "2026-01-01"
"""Day of change of every listed row."""
BEGAN = "2025-01-01"

MAX_PAGE = 100

DOWNLOADS = (
    *("1301", "1302", "1303", "1305", "1306", "1306A", "1307", "1308", "1309", "1310", "1311"),
    *("1313", "1314", "1315", "1320", "1321", "1322", "1323", "1324", "1325", "1326", "1327"),
)


@cache
def _rows(infno: str) -> tuple[dict[str, str], ...]:
    """The rows of a data file; their first member is their key."""
    path = DATA / "catalogues" / f"{infno}.csv"
    if not path.exists():
        return ()
    rows: list[dict[str, str]] = []
    numbers: dict[str, int] = {}
    for _, row in read_rows(path):
        number = numbers.setdefault(next(iter(row.values())), len(numbers) + 1)
        record = f"{infno}{number:06d}"
        given = {
            "有效标志": "1",
            "下发标志": "1",
            "唯一记录号": record,
            "数据唯一记录号": record,
            "数据创建时间": f"{BEGAN} 00:00:00",
            "数据更新时间": f"{UPDATED} 00:00:00",
            "版本名称": row[VERSION],
        }
        rows.append({**row, **{name: text for name, text in given.items() if name not in row}})
    return tuple(rows)


def newer_rows(infno: str, held: str, newest: str) -> list[dict[str, str]]:
    """The rows changed after a version, up to another (empty: the last), each in its last form."""
    found: dict[str, dict[str, str]] = {}
    for row in _rows(infno):
        if row[VERSION] > held and (not newest or row[VERSION] <= newest):
            found[next(iter(row.values()))] = row
    return list(found.values())


def offer(call: Call) -> dict[str, Any]:
    """A download: writes the file of all newer rows and names it."""
    held = call.node("data")["ver"]
    rows = newer_rows(call.infno, held, call.region.catalogue_version)
    layout = call.definitions.transaction(call.infno).file_layout
    columns: list[str] = layout["columns"]
    newest = max((row[VERSION] for row in rows), default=held)
    name = f"{call.infno}_{newest}"
    lines = [[row.get(column, "") for column in columns] for row in rows]
    kept = put(call, PUBLIC, f"{name}.zip", packed(f"{name}.txt", lines))
    until = kept.pop("until")
    values = {**kept, "dld_end_time": until, "dld_endtime": until, "data_cnt": len(rows)}
    return call.shape("", values)


# Lists by pages ---------------------------------------------------------------------------------


def _page(call: Call, rows: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    """The page of the rows that agree with every field of the question that they have.

    Beside the rows stand the counts that deployed centres give.
    """
    data = call.node("data")
    number, size = whole(data["page_num"]), whole(data["page_size"])
    if number < 1 or not 1 <= size <= MAX_PAGE:
        raise Refusal(f"页码应从1开始，每页1至{MAX_PAGE}行")
    asked = {
        code: value
        for code, value in data.items()
        if code not in ("page_num", "page_size", "updt_time", "query_date") and value
    }
    since = (data.get("updt_time") or "")[:10]
    found = [
        row
        for row in rows
        if str(row.get("updt_time", UPDATED))[:10] >= since
        and all(code not in row or str(row[code]) == str(value) for code, value in asked.items())
    ]
    pages = -(-len(found) // size)
    shown = found[(number - 1) * size : number * size]
    return {
        "data": [call.shape("", row) for row in shown],
        "pageNum": number,
        "pageSize": size,
        "size": len(shown),
        "startRow": (number - 1) * size + 1 if shown else 0,
        "pages": pages,
        "recordCounts": len(found),
        "firstPage": number == 1,
        "lastPage": number >= pages,
    }


def _items(call: Call) -> Iterator[tuple[CatalogueRow, dict[str, Any]]]:
    for row in call.tables.catalogue.listed(call.region.code):
        yield (
            row,
            {
                "hilist_code": row.code,
                "hilist_name": row.name,
                "med_list_codg": row.code,
                "list_type": row.list_type,
                "insu_admdvs": call.region.code,
                "poolarea_no": call.region.code,
                "begndate": BEGAN,
                "vali_flag": "1",
                "rid": f"{call.region.code}{row.code}",
                "updt_time": f"{UPDATED} 00:00:00",
                "crte_time": f"{BEGAN} 00:00:00",
                "crter_id": "1",
                "crter_name": "系统",
                "crte_optins_no": call.region.code,
                "opter_id": "1",
                "opter_name": "系统",
                "opt_time": f"{UPDATED} 00:00:00",
                "optins_no": call.region.code,
                "tabname": "HILIST_D",
            },
        )


def listed_items(call: Call) -> dict[str, Any]:
    """1312: the items the region pays for."""

    def rows() -> Iterator[Mapping[str, Any]]:
        for row, values in _items(call):
            item = row.item(call.level)
            yield {
                **values,
                "med_chrgitm_type": item.med_chrgitm_type,
                "chrgitm_lv": item.chrgitm_lv,
                "lmt_used_flag": "1" if item.restricted else "0",
                "med_use_flag": "1",
                "matn_used_flag": "0",
                "hilist_use_type": "1",
                "lmt_cpnd_type": next(iter(call.definitions.dictionary("lmt_cpnd_type"))),
            }

    return _page(call, rows())


def matched_items(call: Call) -> dict[str, Any]:
    """1316: national code to the region's own, which are the same here."""
    return _page(call, (values for _, values in _items(call)))


def ceilings(call: Call) -> dict[str, Any]:
    """1318: the highest price in scope, for the level of the institution."""

    def rows() -> Iterator[Mapping[str, Any]]:
        for row, values in _items(call):
            ceiling = row.item(call.level).ceiling
            if ceiling:
                limits = {"hilist_lmtpric_type": "1", "overlmt_dspo_way": "1"}
                yield {**values, **limits, "hilist_pric_uplmt_amt": ceiling}

    return _page(call, rows())


def shares(call: Call) -> dict[str, Any]:
    """1319: the share a person pays first."""

    def rows() -> Iterator[Mapping[str, Any]]:
        for row, values in _items(call):
            kinds = {"selfpay_prop_psn_type": "1", "selfpay_prop_type": "1"}
            yield {**values, **kinds, "selfpay_prop": row.item(call.level).selfpay_prop}

    return _page(call, rows())


def ethnic_drugs(call: Call) -> dict[str, Any]:
    """1304: the sample codes hold none."""
    return _page(call, iter(()))


def own_items(call: Call) -> dict[str, Any]:
    """1317: what the institution has matched by 3301 and not withdrawn by 3302."""
    return _page(call, _matched(call))


def _matched(call: Call) -> Iterator[Mapping[str, Any]]:
    kept: dict[str, dict[str, Any]] = {}
    for row in call.store.all(
        "SELECT infno, input FROM documents WHERE region = ? AND fixmedins_code = ? "
        "AND infno IN ('3301', '3302') ORDER BY rowid",
        call.region.code,
        call.institution.fixmedins_code,
    ):
        content = msgspec.json.decode(row["input"]).get("data") or []
        for entry in content if isinstance(content, list) else [content]:
            code = entry.get("fixmedins_hilist_id", "")
            if row["infno"] == "3302":
                kept.pop(code, None)
                continue
            kept[code] = {
                **entry,
                "fixmedins_code": call.institution.fixmedins_code,
                "medins_list_codg": code,
                "medins_list_name": entry.get("fixmedins_hilist_name", ""),
                "insu_admdvs": call.region.code,
                "poolarea_no": call.region.code,
                "vali_flag": "1",
                "rid": f"{call.institution.fixmedins_code}{code}"[:40],
                "crte_time": call.time,
                "updt_time": call.time,
            }
    yield from kept.values()


def match(call: Call) -> dict[str, Any]:
    """3301 and 3302: kept, and read by 1317."""
    call.keep()
    return {}


HANDLERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(DOWNLOADS, offer),
    "1304": ethnic_drugs,
    "1312": listed_items,
    "1316": matched_items,
    "1317": own_items,
    "1318": ceilings,
    "1319": shares,
    "3301": match,
    "3302": match,
}
