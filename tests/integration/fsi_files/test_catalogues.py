"""Catalogues from a real platform: version by version, resumed, merged, and never half."""

from __future__ import annotations

import fcntl
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.platform.config import PlatformConfig
from conformance.platform.textfiles import packed
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.catalogue import Catalogues, Manifest, Updated, catalogue_infnos
from gateway.fsi.files.textfile import Short
from gateway.intents import NotSent, Rejected, Unknown

MADE_UP = "XZ99SFA000A001010100001"
"""The row that v0002 changes: 0.1g becomes 0.15g."""


@pytest.fixture
def catalogues(tmp_path: Path, definitions: Definitions, clock: Any) -> Catalogues:
    """An empty folder."""
    return Catalogues(tmp_path / "held", "H43010000001", definitions, clock)


def specification(catalogues: Catalogues) -> list[str]:
    """What 1301 says of the made-up drug."""
    at = catalogues.layout("1301").columns.index("药品规格")
    with catalogues.rows("1301") as rows:
        return [kept.columns[at] for kept in rows.find(MADE_UP)]


async def test_the_first_download_asks_from_v0000_and_the_next_from_what_is_held(
    hospital: Any, catalogues: Catalogues, platform_config: PlatformConfig
) -> None:
    """v0001 has seven rows; v0002 changes one of them and adds two."""
    platform_config.regions[0].catalogue_version = "v0001"
    first = await catalogues.update(hospital, "1301")
    assert isinstance(first, Updated)
    assert (first.manifest.version, first.manifest.rows) == ("v0001", 7)
    assert specification(catalogues) == ["0.1g"]
    platform_config.regions[0].catalogue_version = ""
    second = await catalogues.update(hospital, "1301")
    assert isinstance(second, Updated)
    (fetched,) = second.fetched
    assert (fetched.asked, fetched.version, fetched.rows, fetched.fresh) == (
        "v0001",
        "v0002",
        3,
        3,
    )
    assert (fetched.file, fetched.until, fetched.fetched) == (
        "0002.zip",
        "2026-03-08",
        "2026-03-02 10:00:00",
    )
    assert specification(catalogues) == ["0.15g"]
    assert catalogues.manifest("1301") == second.manifest
    assert [each.file for each in second.manifest.files] == ["0001.zip", "0002.zip"]
    assert second.manifest.rows == 10 - 1


async def test_nothing_newer_leaves_everything_as_it_was(
    hospital: Any, catalogues: Catalogues, tmp_path: Path
) -> None:
    """The platform offers a file without a line; it is not kept."""
    held = await catalogues.update(hospital, "1301")
    assert isinstance(held, Updated)
    before = catalogues.manifest("1301")
    again = await catalogues.update(hospital, "1301")
    assert again == Updated(manifest=before, fetched=(), short=())
    folder = tmp_path / "held/H43010000001/1301"
    assert sorted(path.name for path in folder.glob("*.zip")) == ["0001.zip"]


async def test_every_catalogue_is_downloaded(
    hospital: Any, catalogues: Catalogues, definitions: Definitions
) -> None:
    """All 22, whichever way their reply spells the last day; reagents are known and empty."""
    for infno in catalogue_infnos(definitions):
        assert isinstance(await catalogues.update(hospital, infno), Updated)
    rows = {manifest.infno: manifest.rows for manifest in catalogues.held()}
    assert len(rows) == 22
    assert (rows["1305"], rows["1306"], rows["1307"], rows["1308"]) == (53, 40, 64, 49)
    assert (rows["1306A"], rows["1320"], rows["1321"]) == (2, 2, 20)
    assert [infno for infno, count in rows.items() if not count] == [
        *("1322", "1323", "1324", "1325", "1326", "1327"),
    ]


async def test_an_interrupted_update_goes_on_with_the_same_file(
    hospital: Any, catalogues: Catalogues, patience: Any
) -> None:
    """The offer is kept: the catalogue is not asked for again, the download goes on."""
    hospital.fault("interrupted")
    hospital.fault("drop-before", count=3)
    failed = await catalogues.update(hospital, "1305", patience=patience)
    assert isinstance(failed, Unknown)
    assert catalogues.manifest("1305").pending is not None
    hospital.ranges.clear()
    done = await catalogues.update(hospital, "1305", patience=patience)
    assert isinstance(done, Updated)
    assert hospital.ranges[0].startswith("bytes=")
    assert (done.manifest.rows, done.manifest.pending) == (53, None)
    assert hospital.asked("1305") == 2


async def test_an_offer_that_is_over_is_asked_for_anew(
    hospital: Any, catalogues: Catalogues, patience: Any, clock: Any
) -> None:
    """Eight days later the file is gone."""
    hospital.fault("drop-before", count=3)
    assert isinstance(await catalogues.update(hospital, "1305", patience=patience), Unknown)
    clock.moment += timedelta(days=8)
    done = await catalogues.update(hospital, "1305", patience=patience)
    assert isinstance(done, Updated)
    assert done.manifest.rows == 53


@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
async def test_a_damaged_file_leaves_what_is_held(
    hospital: Any,
    catalogues: Catalogues,
    platform_config: PlatformConfig,
    patience: Any,
    kind: str,
) -> None:
    """The rows of the last whole file stay, and the next update succeeds."""
    platform_config.regions[0].catalogue_version = "v0001"
    await catalogues.update(hospital, "1301")
    platform_config.regions[0].catalogue_version = ""
    hospital.fault(kind, count=3)
    assert isinstance(await catalogues.update(hospital, "1301", patience=patience), Unknown)
    assert specification(catalogues) == ["0.1g"]
    assert catalogues.manifest("1301").version == "v0001"
    assert isinstance(await catalogues.update(hospital, "1301", patience=patience), Updated)
    assert specification(catalogues) == ["0.15g"]


def line(code: str, version: str, columns: int = 97) -> list[str]:
    """A line of 1301 with its code and version."""
    return [code, *["x"] * 81, version, *["x"] * (columns - 83)]


def offered(hospital: Any, lines: list[list[str]]) -> None:
    """Have the platform offer these lines whatever is asked of 1301."""
    from conformance.platform.transactions import HANDLERS, files  # noqa: PLC0415 - used here only

    def offer(call: Any) -> dict[str, Any]:
        kept = files.put(call, files.PUBLIC, "a.zip", packed("a.txt", lines))
        return call.shape("", {**kept, "dld_end_time": kept["until"]})

    hospital.monkeypatch.setitem(HANDLERS, "1301", offer)


async def test_columns_of_every_version_are_read(
    hospital: Any, catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """92 columns of the first version, 97 of the last, and three that nobody knows yet."""
    hospital.monkeypatch = monkeypatch
    lines = [line("A", "v1", 92), line("B", "v1", 97), line("C", "v1", 100)]
    offered(hospital, lines)
    done = await catalogues.update(hospital, "1301")
    assert isinstance(done, Updated)
    with catalogues.rows("1301") as rows:
        found = {kept.key.split("\t")[0]: len(kept.columns) for kept in rows.current()}
    assert found == {"A": 97, "B": 97, "C": 100}


async def test_short_lines_are_reported_and_left_out(
    hospital: Any, catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line 2 has one column less than the oldest version."""
    hospital.monkeypatch = monkeypatch
    offered(hospital, [line("A", "v1"), line("B", "v1", 91), line("C", "v1")])
    done = await catalogues.update(hospital, "1301")
    assert isinstance(done, Updated)
    assert done.short[0] == Short(line=2, found=91, expected=92)
    assert (done.manifest.rows, done.manifest.files[0].short) == (2, 1)


async def test_a_file_that_cannot_be_merged_is_not_kept(
    hospital: Any, catalogues: Catalogues, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line without a code: nothing of the file is taken, and the next update asks anew."""
    hospital.monkeypatch = monkeypatch
    offered(hospital, [line("A", "v1"), line("", "v1")])
    failed = await catalogues.update(hospital, "1301")
    assert isinstance(failed, Unknown)
    assert failed.reason == "the file cannot be merged: line 2: no 医疗目录编码"
    manifest = catalogues.manifest("1301")
    assert manifest == Manifest(infno="1301", fixmedins_code="H43010000001")
    with catalogues.rows("1301") as rows:
        assert rows.count() == 0


async def test_a_platform_that_repeats_itself_is_not_followed_for_ever(
    hospital: Any, catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows again: nothing fresh, so it ends after the second file."""
    hospital.monkeypatch = monkeypatch
    offered(hospital, [line("A", "v1")])
    done = await catalogues.update(hospital, "1301")
    assert isinstance(done, Updated)
    assert (len(done.fetched), hospital.asked("1301")) == (2, 2)


async def test_a_refusal_and_silence_are_told(
    hospital: Any, catalogues: Catalogues, patience: Any
) -> None:
    """Refused is asked once, silence as often as the patience allows."""
    hospital.fault("refuse", "1301")
    refused = await catalogues.update(hospital, "1301", patience=patience)
    assert isinstance(refused, Rejected)
    assert refused.reply.err_msg == "系统繁忙，请稍后再试"
    hospital.fault("drop-after", "1301", count=2)
    assert isinstance(await catalogues.update(hospital, "1301", patience=patience), Updated)
    hospital.fault("drop-before", "1302", count=3)
    assert isinstance(await catalogues.update(hospital, "1302", patience=patience), Unknown)
    await hospital.platform._runner.cleanup()
    assert isinstance(await catalogues.update(hospital, "1303", patience=patience), NotSent)


async def test_two_updates_of_one_catalogue_do_not_meet(
    hospital: Any, catalogues: Catalogues, tmp_path: Path
) -> None:
    """The second one is told so, and does nothing."""
    folder = tmp_path / "held/H43010000001/1301"
    await catalogues.update(hospital, "1301")
    with Path.open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="another update of this catalogue is under way"):
            await catalogues.update(hospital, "1301")


async def test_the_manifest_is_readable_json(
    hospital: Any, catalogues: Catalogues, tmp_path: Path
) -> None:
    """For scripts and people; a damaged one is an error that names it."""
    await catalogues.update(hospital, "1305")
    path = tmp_path / "held/H43010000001/1305/manifest.json"
    document = json.loads(path.read_text("utf-8"))
    assert (document["infno"], document["version"], document["rows"]) == ("1305", "v0002", 53)
    assert len(document["files"][0]["sha256"]) == 64
    path.write_text("{", "utf-8")
    with pytest.raises(FileError, match=r"manifest\.json cannot be read"):
        catalogues.manifest("1305")
