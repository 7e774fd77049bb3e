"""`gateway catalogue` as a person or a script runs it, against a real platform."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from conformance.platform.faults import Fault, FaultKind
from conformance.platform.server import Platform
from gateway.cli import catalogues, main
from gateway.fsi.files.transfer import Patience
from gateway.journal import SQLiteJournal
from gateway.settings import load_settings

CONFIG = """
[journal]
path = "journal.db"

[[institutions]]
fixmedins_code = "H43010000001"
fixmedins_name = "长沙示范医院"
mdtrtarea_admvs = "430100"
channel = "changsha"

[[channels]]
name = "changsha"
url = "{url}/430100"
profile = "hunan"
account = "changsha-demo"
secret_file = "{keys}/430100.secret"
signing_key_file = "{keys}/gateway.pem"
platform_public_key_file = "{keys}/platform-430100.pub.pem"
timeout = 5.0
connect_timeout = 1.0

[[peers]]
name = "HIS"
institutions = ["H43010000001"]
"""

Run = Callable[..., Awaitable[tuple[int, str, str]]]


class RealClock:
    """The time of the machine: the command has no other."""

    def __call__(self) -> datetime:
        return datetime.now(timezone(timedelta(hours=8)))


@pytest.fixture
def clock() -> RealClock:
    """The platform's clock."""
    return RealClock()


@pytest.fixture
def run(
    platform: Platform,
    patience: Patience,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run `gateway catalogue ARGUMENTS` beside the platform: code, output, errors."""
    keys = Path(platform.centres["430100"].config.key_file).parent
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(url=platform.url, keys=keys), "utf-8")

    monkeypatch.setattr(catalogues, "PATIENCE", patience)

    def command(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["catalogue", *arguments, "--config", str(config)])
        return int(ended.value.code or 0)

    async def run_command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(command, *arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run_command


async def test_a_catalogue_is_downloaded_listed_and_looked_into(run: Run, tmp_path: Path) -> None:
    """The three commands one after another, plain lines in a pipe."""
    assert await run("download", "1301", "1305") == (
        0,
        "1301  v0002: 9 rows, 9 new\n1305  v0002: 53 rows, 53 new\n",
        "",
    )
    assert await run("download", "1301") == (0, "1301  v0002: 9 rows, 0 new\n", "")
    code, out, _ = await run("list")
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, rows[0][0]) == (0, "infno")
    assert [row[:5] for row in rows[1:]] == [
        ["1301", "西药中成药目录下载", "v0002", "9", "1"],
        ["1305", "医疗服务项目目录下载", "v0002", "53", "1"],
    ]
    code, out, _ = await run("show", "1305", "挂号费")
    assert code == 0
    assert "医疗目录编码\t001101000010000\n" in out
    assert "版本号\tv0001\n" in out
    assert (tmp_path / "catalogues/H43010000001/1301/manifest.json").exists()


async def test_scripts_get_json(run: Run, tmp_path: Path) -> None:
    """One document, and nothing else on standard output."""
    folder = str(tmp_path / "elsewhere")
    code, out, _ = await run("download", "1301", "--json", "--folder", folder)
    assert code == 0
    document = json.loads(out)["1301"]
    assert (document["outcome"], document["version"], document["rows"]) == ("updated", "v0002", 9)
    assert document["fetched"][0]["filename"] == "1301_v0002.zip"
    code, out, _ = await run("list", "--json", "--folder", folder)
    assert [each["infno"] for each in json.loads(out)] == ["1301"]
    code, out, _ = await run("show", "1301", "阿莫西林片", "--json", "--folder", folder)
    assert {row["医疗目录编码"] for row in json.loads(out)} == {
        "XJ01CAA040A001010405611",
        "XJ01CAA040A001010102699",
    }


async def test_the_first_rows_are_shown_without_a_code(run: Run) -> None:
    """Three of 64, with their names."""
    await run("download", "1307")
    code, out, _ = await run("show", "1307", "--limit", "3")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["西医疾病诊断ID", "D000001", "D000002", "D000003"]
    assert rows[0][1:3] == ["诊断代码", "诊断名称"]
    assert rows[2][1:3] == ["I10.x00x002", "高血压"]


async def test_a_terminal_sees_a_bar(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn while the file comes, gone at the end."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    code, out, _ = await run("download", "1301")
    assert code == 0
    assert "1301  v0002: 9 rows, 9 new" in out
    assert "\x1b[" in out


async def test_a_killed_download_is_taken_up_by_the_next_run(
    run: Run, platform: Platform, tmp_path: Path
) -> None:
    """Half of a file is on the disk when the process dies; the offer is not asked for again."""
    stalled = Fault(kind=FaultKind.STALLED, infno="9102", seconds=60.0)
    platform.faults.add(stalled)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "catalogue", "download", "1305"),
        *("--config", str(tmp_path / "gateway.toml")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    folder = tmp_path / "catalogues/H43010000001/1305"
    while not _bytes_of_part(folder):  # noqa: ASYNC110 - the other process sets no event here
        await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    assert _bytes_of_part(folder) > 0
    assert await run("download", "1305") == (0, "1305  v0002: 53 rows, 53 new\n", "")
    rows = platform.centres["430100"]._tables.store.all(
        "SELECT infno FROM requests WHERE infno IN ('1305', '9102') ORDER BY rowid"
    )
    # Asked and half fetched; fetched; asked again, and nothing newer came.
    assert [row["infno"] for row in rows] == ["1305", "9102", "9102", "1305", "9102"]


def _bytes_of_part(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob(".*.part"))


async def test_the_sign_in_of_a_running_gateway_is_used(
    run: Run, platform: Platform, tmp_path: Path
) -> None:
    """Its number stands in the journal: this command does not sign in a second time."""
    now = datetime.now(timezone(timedelta(hours=8)))
    platform.centres["430100"]._tables.store.insert(
        "sign_ins",
        {
            "sign_no": "430100S1",
            "region": "430100",
            "fixmedins_code": "H43010000001",
            "opter_no": "001",
            "sign_time": f"{now:%Y-%m-%d %H:%M:%S}",
            "state": "open",
        },
    )
    settings = load_settings(tmp_path / "gateway.toml")
    opter = settings.institutions[0].opter
    journal = await SQLiteJournal.open(tmp_path / "journal.db")
    await journal.session_put(f"H43010000001/{opter}", "430100S1", now + timedelta(hours=1))
    assert (await run("download", "1301"))[0] == 0
    await journal.close()
    signed_in = platform.centres["430100"]._tables.store.all(
        "SELECT 1 FROM requests WHERE infno = '9001'"
    )
    assert signed_in == []


async def test_failures_end_with_their_codes(run: Run, platform: Platform) -> None:
    """Refused 1, silence 4, a wrong number 2, nothing held or found 1."""
    platform.faults.add(Fault(kind=FaultKind.REFUSE, region="430100", infno="1301"))
    code, out, _ = await run("download", "1301")
    assert (code, out) == (1, "1301  refused: 系统繁忙，请稍后再试\n")
    platform.faults.add(Fault(kind=FaultKind.TRUNCATED, infno="9102", count=100))
    code, out, _ = await run("download", "1302")
    assert (code, out.startswith("1302  did not arrive: the file is damaged")) == (4, True)
    platform.faults.clear()
    code, _, err = await run("download", "1101")
    assert (code, err.startswith("1101 downloads no catalogue; there are: 1301,")) == (2, True)
    code, _, err = await run("show", "1303")
    assert (code, "gateway catalogue download 1303" in err) == (1, True)
    await run("download", "1303")
    code, _, err = await run("show", "1303", "nothing")
    assert (code, err) == (1, "nothing found\n")
    await platform._runner.cleanup()
    code, out, _ = await run("download", "1303")
    assert (code, out.startswith("1303  did not arrive: signing in was not sent")) == (4, True)
