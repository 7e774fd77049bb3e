"""Files up and down over real sockets: interrupted, damaged, refused, and never half."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.platform.config import PlatformConfig
from gateway.fsi.files.archive import Limits
from gateway.fsi.files.transfer import (
    Downloaded,
    StoredFile,
    UploadForm,
    download,
    upload,
)
from gateway.intents import NotSent, Rejected, Unknown


class Watcher:
    """Remembers what a download tells."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int | None, int]] = []
        self.count = 0

    def size(self, total: int | None, held: int) -> None:
        self.sizes.append((total, held))

    def received(self, count: int) -> None:
        self.count += count


def others(folder: Path) -> list[str]:
    """What stands in the folder beside the target."""
    return sorted(path.name for path in folder.iterdir() if path.name != "t.zip")


@pytest.mark.parametrize("form", list(UploadForm))
async def test_a_file_goes_up_and_comes_down_whole(
    hospital: Any, tmp_path: Path, zipped: Any, form: UploadForm
) -> None:
    """In both forms of the bytes; size and checksum are told, nothing else is left."""
    content, target = zipped(bytes(range(256)) * 8), tmp_path / "t.zip"
    sent = await upload(hospital, content, "a.zip", form=form)
    assert isinstance(sent, StoredFile)
    assert (sent.filename, sent.until) == ("a.zip", "2026-03-08")
    watcher = Watcher()
    got = await download(hospital, sent, target, watcher=watcher)
    assert got == Downloaded(
        path=target,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        attempts=1,
        resumed=False,
    )
    assert target.read_bytes() == content
    assert others(tmp_path) == []
    assert (watcher.sizes, watcher.count) == ([(len(content), 0)], len(content))


async def test_an_interrupted_download_goes_on_where_it_broke_off(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """Twice half of what is missing arrives; the third time asks for the last quarter."""
    content, target = zipped(), tmp_path / "t.zip"
    file = await hospital.stored(content)
    hospital.fault("interrupted", count=2)
    watcher = Watcher()
    got = await download(hospital, file, target, patience=patience, watcher=watcher)
    assert isinstance(got, Downloaded)
    assert (got.attempts, got.resumed, target.read_bytes() == content) == (3, True, True)
    half = len(content) // 2
    three_quarters = half + (len(content) - half) // 2
    assert hospital.ranges == ["", f"bytes={half}-", f"bytes={three_quarters}-"]
    assert watcher.sizes == [(len(content), held) for held in (0, half, three_quarters)]
    assert watcher.count == len(content)


async def test_a_platform_without_ranges_gives_the_file_again(
    platform_config: PlatformConfig, hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """The rest is asked for, the whole comes and takes the place of the half."""
    platform_config.regions[0].ranges = False
    content, target = zipped(), tmp_path / "t.zip"
    file = await hospital.stored(content)
    hospital.fault("interrupted")
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Downloaded)
    assert (got.attempts, got.resumed, target.read_bytes() == content) == (2, False, True)


async def test_a_later_run_goes_on_with_what_an_earlier_one_left(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """The part lies beside the target until its file is whole."""
    content, target = zipped(), tmp_path / "t.zip"
    file = await hospital.stored(content)
    hospital.fault("interrupted")
    hospital.fault("drop-before", count=3)
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Unknown)
    assert not target.exists()
    assert len(others(tmp_path)) == 1
    hospital.ranges.clear()
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Downloaded)
    assert hospital.ranges == [f"bytes={len(content) // 2}-"]
    assert (target.read_bytes() == content, others(tmp_path)) == (True, [])


async def test_a_part_that_is_whole_already_is_taken(
    hospital: Any, tmp_path: Path, zipped: Any
) -> None:
    """The process died between the last byte and the last step: 416 says so."""
    content, target = zipped(), tmp_path / "t.zip"
    file = await hospital.stored(content)
    await download(hospital, file, target)
    digest = hashlib.sha256(f"{file.file_qury_no}\n{file.filename}".encode()).hexdigest()[:16]
    target.rename(tmp_path / f".t.zip.{digest}.part")
    got = await download(hospital, file, target)
    assert isinstance(got, Downloaded)
    assert (got.attempts, target.read_bytes() == content) == (1, True)


async def test_the_part_of_another_file_is_not_gone_on_with(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """The same target, another file of the platform: it starts at its beginning."""
    first = await hospital.stored(zipped(b"a" * 5_000))
    hospital.fault("interrupted")
    hospital.fault("drop-before", count=3)
    await download(hospital, first, tmp_path / "t.zip", patience=patience)
    hospital.ranges.clear()
    content = zipped(b"b" * 5_000)
    second = await hospital.stored(content)
    await download(hospital, second, tmp_path / "t.zip", patience=patience)
    assert hospital.ranges == [""]
    assert ((tmp_path / "t.zip").read_bytes() == content, others(tmp_path)) == (True, [])


@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
async def test_a_damaged_file_is_fetched_again(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any, kind: str
) -> None:
    """HTTP was content with it; the ZIP test is not."""
    content, target = zipped(), tmp_path / "t.zip"
    file = await hospital.stored(content)
    hospital.fault(kind)
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Downloaded)
    assert (got.attempts, target.read_bytes() == content) == (2, True)


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "interrupted", "garbled"])
async def test_a_damaged_file_never_replaces_a_good_one(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any, kind: str
) -> None:
    """However often it comes so, what stood there stands."""
    target = tmp_path / "t.zip"
    target.write_bytes(b"the good one")
    file = await hospital.stored(zipped())
    hospital.fault(kind, count=1_000)
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Unknown)
    assert target.read_bytes() == b"the good one"
    assert hospital.asked("9102") <= patience.most


async def test_a_bomb_is_refused(hospital: Any, tmp_path: Path, zipped: Any, patience: Any) -> None:
    """Ten million zeros in ten thousand bytes, whatever the platform says of them."""
    file = await hospital.stored(zipped(b"0" * 10_000_000, stored=False))
    got = await download(hospital, file, tmp_path / "t.zip", patience=patience)
    assert isinstance(got, Unknown)
    assert "expands more than 500 times" in got.reason
    assert others(tmp_path) == []


async def test_a_file_beyond_the_limits_of_the_caller_is_refused(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """80,000 bytes of text where 1,000 are allowed."""
    file = await hospital.stored(zipped())
    got = await download(
        hospital, file, tmp_path / "t.zip", patience=patience, limits=Limits(total_bytes=1_000)
    )
    assert isinstance(got, Unknown)
    assert "unpacks to more than 1000 bytes" in got.reason


async def test_a_refusal_in_json_is_a_refusal(hospital: Any, tmp_path: Path) -> None:
    """Asked once: a refusal is an answer."""
    file = StoredFile(file_qury_no="F0", filename="a.zip")
    got = await download(hospital, file, tmp_path / "t.zip")
    assert isinstance(got, Rejected)
    assert got.reply.err_msg == "文件不存在"
    assert (hospital.asked("9102"), others(tmp_path)) == (1, [])


async def test_a_refusal_that_is_not_signed_by_the_platform_is_none(
    hospital: Any, tmp_path: Path, patience: Any
) -> None:
    """It is asked again."""
    hospital.fault("wrong-signature")
    file = StoredFile(file_qury_no="F0", filename="a.zip")
    got = await download(hospital, file, tmp_path / "t.zip", patience=patience)
    assert isinstance(got, Rejected)
    assert hospital.asked("9102") == 2


async def test_an_ended_sign_in_is_renewed(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """For a download and for an upload: one refusal, one 9001, the file."""
    file = await hospital.stored(zipped())
    hospital.fault("expired-sign-no")
    got = await download(hospital, file, tmp_path / "t.zip", patience=patience)
    assert isinstance(got, Downloaded)
    assert hospital.asked("9001") == 2
    hospital.fault("expired-sign-no", "9101")
    assert isinstance(await upload(hospital, zipped(), "b.zip"), StoredFile)
    assert hospital.asked("9001") == 3


async def test_nobody_there_is_not_sent(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """No connection: after the patience nothing was sent, and nothing is written."""
    file = await hospital.stored(zipped())
    await hospital.platform._runner.cleanup()
    got = await download(hospital, file, tmp_path / "t.zip", patience=patience)
    assert isinstance(got, NotSent)
    assert others(tmp_path) == []
    assert isinstance(await upload(hospital, b"PK", "a.zip"), NotSent)


async def test_downloads_count_for_the_pause_of_the_channel(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any
) -> None:
    """Five connections refused in a row: the sixth is not tried, nor is an upload."""
    file = await hospital.stored(zipped())
    await hospital.platform._runner.cleanup()
    for _ in range(2):
        await download(hospital, file, tmp_path / "t.zip", patience=patience)
    assert hospital._channel.breaker_open
    sent = await upload(hospital, b"PK", "a.zip")
    assert isinstance(sent, NotSent)
    assert sent.reason.startswith("channel 430100 is paused")


async def test_an_upload_without_a_reply_is_unknown(hospital: Any, zipped: Any) -> None:
    """The platform has the file, and its number is lost."""
    hospital.fault("drop-after", "9101")
    assert isinstance(await upload(hospital, zipped(), "a.zip"), Unknown)
    assert isinstance(await upload(hospital, zipped(), "a.zip"), StoredFile)


async def test_a_file_that_is_no_longer_kept_is_refused(
    hospital: Any, tmp_path: Path, zipped: Any, clock: Any
) -> None:
    """The eighth day."""
    file = await hospital.stored(zipped())
    clock.moment += timedelta(days=7)
    got = await download(hospital, file, tmp_path / "t.zip")
    assert isinstance(got, Rejected)
    assert got.reply.err_msg == "文件已超过下载截止日期"


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_on_the_way_the_target_is_the_old_file_or_the_new_one(
    hospital: Any, tmp_path: Path, zipped: Any, patience: Any, seed: int
) -> None:
    """A random row of faults, with or without ranges, over several runs; then none."""
    chance = random.Random(seed)  # noqa: S311 - a seed that can be given again
    hospital.platform.centres["430100"].config.ranges = chance.random() < 0.5
    content, target = zipped(chance.randbytes(chance.randrange(1, 60_000))), tmp_path / "t.zip"
    target.write_bytes(b"the old one")
    file = await hospital.stored(content)
    kinds = ["interrupted", "truncated", "corrupt", "drop-before", "http-500-after", "garbled"]
    for _ in range(chance.randrange(1, 5)):
        for kind in chance.choices(kinds, k=chance.randrange(1, 6)):
            hospital.fault(kind)
        got = await download(hospital, file, target, patience=patience)
        hospital.platform.faults.clear()
        expected = content if isinstance(got, Downloaded) else b"the old one"
        assert target.read_bytes() == expected
        if isinstance(got, Downloaded):
            target.write_bytes(b"the old one")
    got = await download(hospital, file, target, patience=patience)
    assert isinstance(got, Downloaded)
    assert (target.read_bytes() == content, others(tmp_path)) == (True, [])
