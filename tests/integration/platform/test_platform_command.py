"""The command line: ready line, faults, signals, exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiohttp
import pytest

from conformance.platform.client import Client
from conformance.platform.config import load_config
from conformance.platform.server import china_time
from gateway.crypto.sm import SigningKey


async def _start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "conformance", "platform", *arguments, stdout=PIPE, stderr=PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_when_it_is_ready_and_stops_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One JSON line on standard output; exit code 0; nothing listens afterwards."""
    process = await _start(
        "--demo", str(tmp_path), "--port", "0", "--fault", "kind=late,infno=2207,seconds=3"
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert set(ready) == {"url", "admin", "regions"}
    assert ready["regions"]["440300"] == f"{ready['url']}/440300"
    token = (tmp_path / "keys/admin.token").read_text("utf-8")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        async with session.get(f"{ready['admin']}/faults") as response:
            assert [each["kind"] for each in await response.json()] == ["late"]
        async with session.post(ready["regions"]["430100"], data=b"{}") as response:
            assert (await response.json())["message"] == "缺少服务网关的请求头!"
    process.send_signal(number)
    rest, log = await process.communicate()
    assert (process.returncode, rest) == (0, b"")
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["gateway refused"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(ready["url"].rpartition(":")[2]))


async def test_what_was_settled_is_there_after_a_restart(tmp_path: Path) -> None:
    """A demo folder keeps its database: the serial of the second sign-in follows the first."""
    numbers = []
    for run in range(2):
        process = await _start("--demo", str(tmp_path), "--port", "0")
        assert process.stdout is not None
        url = json.loads(await process.stdout.readline())["url"]
        config = load_config(tmp_path / "platform.json")
        async with aiohttp.ClientSession() as session:
            client = Client(
                session,
                url,
                config.regions[0],
                key=SigningKey.from_pem((tmp_path / "keys/gateway.pem").read_bytes()),
                platform_key=None,
                clock=china_time,
            )
            client.first_serial(run)
            await client.sign_in()
        numbers.append(client.sign_no[-8:])
        process.terminate()
        await process.communicate()
    assert numbers == ["00000001", "00000002"]


async def test_a_wrong_configuration_ends_with_2(tmp_path: Path) -> None:
    """The reason stands on standard error, without a traceback."""
    path = tmp_path / "platform.json"
    path.write_text('{"admin_token": "t", "regions": [], "colour": 1}', "utf-8")
    process = await _start("--config", str(path))
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(str(path).encode())
    assert b"Traceback" not in err


async def test_a_wrong_fault_ends_with_2(tmp_path: Path) -> None:
    """Before anything is written."""
    process = await _start("--demo", str(tmp_path / "demo"), "--fault", "kind=explode")
    _, err = await process.communicate()
    assert process.returncode == 2
    assert b"explode" in err
    assert not (tmp_path / "demo").exists()


async def test_a_port_that_is_taken_ends_with_3(tmp_path: Path) -> None:
    """Two platforms cannot share one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await _start("--demo", str(tmp_path), "--port", str(port))
        _, err = await process.communicate()
    assert process.returncode == 3
    assert b"cannot listen" in err


async def test_either_a_file_or_a_folder_is_given() -> None:
    """Neither is a wrong command line."""
    process = await _start()
    _, err = await process.communicate()
    assert process.returncode == 2
    assert b"--config or --demo" in err
