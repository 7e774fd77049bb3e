"""`gateway serve` as a process: it says that it is ready, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from certs.files import write_private
from gateway.crypto.sm import SigningKey

Serve = Callable[[Path], Awaitable[asyncio.subprocess.Process]]

CONFIG = """
[mllp]
port = 0

[http]
port = {port}

[journal]
path = "journal.db"

[[institutions]]
fixmedins_code = "H43010000001"
fixmedins_name = "长沙示范医院"
mdtrtarea_admvs = "430100"
channel = "changsha"

[[channels]]
name = "changsha"
url = "http://127.0.0.1:1/430100"
profile = "generic"
signing_key_file = "our.pem"

[[peers]]
name = "HIS"
institutions = ["H43010000001"]
"""


def settings(folder: Path, port: int = 0) -> Path:
    """A settings file whose platform nobody serves."""
    write_private(folder / "our.pem", SigningKey.generate().to_pem())
    path = folder / "gateway.toml"
    path.write_text(CONFIG.format(port=port), "utf-8")
    return path


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start the command as a user does; whatever still runs afterwards is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def start(config: Path) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ready(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The log line that says on which ports it listens."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while True:
            line = await process.stderr.readline()
            assert line, "the process ended before it was ready"
            found: dict[str, Any] = json.loads(line)
            if found["event"] == "gateway ready":
                return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_and_ends_with_zero(
    serve: Serve, tmp_path: Path, number: signal.Signals
) -> None:
    """Ports in a JSON line, health over HTTP, exit code 0, and only JSON lines on the way."""
    process = await serve(settings(tmp_path))
    line = await ready(process)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{line['http_port']}/health/ready") as response,
    ):
        assert response.status == 200
    assert line["mllp_port"] > 0
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert out == b""
    events = [json.loads(rest)["event"] for rest in err.decode().splitlines()]
    assert events[-2:] == ["gateway stopping", "gateway stopped"]


async def test_a_port_in_use_ends_with_the_configuration_code(serve: Serve, tmp_path: Path) -> None:
    """Exit code 3 and one line that names the section."""
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    process = await serve(settings(tmp_path, port))
    _, err = await asyncio.wait_for(process.communicate(), 60)
    taken.close()
    assert process.returncode == 3
    assert f"[http] 127.0.0.1:{port}" in err.decode().splitlines()[-1]
    assert b"Traceback" not in err


async def test_the_sandbox_says_where_everything_is_and_ends_with_zero(tmp_path: Path) -> None:
    """One JSON line; platform and gateway answer; a signal ends both."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "sandbox", "--dir", str(tmp_path / "sandbox")),
        *("--mllp-port", "0", "--http-port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        where = json.loads(line)
        assert {"mllp", "fhir", "fsi", "platform", "dir", "token"} <= where.keys()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{where['fhir']}/metadata") as response,
        ):
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session:
                await session.get(where["platform"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
