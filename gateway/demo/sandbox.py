"""A gateway to play with: the reference platform beside it, generated keys, a made-up hospital.

Everything lives in one folder::

    platform.json, keys/    made by the reference platform on first run
    gateway.toml            the gateway's settings, rewritten at every start
    token                   the bearer token of the HTTP side
    operator.token          the bearer token of `gateway unknown`
    journal.db              what happened

Files that hold secrets are readable by the owner only.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

import mappings.codes
from gateway.app import Gateway
from gateway.errors import ConfigurationError
from gateway.settings import load_settings

PLATFORM_START_SECONDS = 30.0
STOP_SECONDS = 10.0

HOSPITAL = "H43010000001"
HOSPITAL_NAME = "长沙示范医院"
REGION = "430100"
ACCOUNT = "changsha-demo"
TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"

SETTINGS = """\
# Written at every start of the sandbox; see docs/reference/settings.md.
[log]
level = "{level}"

[mllp]
port = {mllp_port}

[http]
port = {http_port}

[journal]
path = "journal.db"

[codes]
directories = ["{tables}"]

[resolver]
policy = "reverse-and-settle"
delay = 1.0
interval = 0.5

[reconciliation]
clr_types = ["11", "21"]
setl_optins = ["{region}"]

[operator]
token_sha256 = ["{operator_sha256}"]

[settlement_list]
additions = {{ medins_fill_dept = "病案科", medins_fill_psn = "王示" }}
intensive_care = {{ ICU = "9" }}
nursing = {{ HL001 = "lv1_nurscare_days" }}

[[institutions]]
fixmedins_code = "{hospital}"
fixmedins_name = "{hospital_name}"
mdtrtarea_admvs = "{region}"
home_pools = ["430100", "439900"]
channel = "changsha"
aliases = ["HIS-HOSPITAL"]

[[channels]]
name = "changsha"
url = "{platform}/{region}"
profile = "hunan"
account = "{account}"
secret_file = "keys/{region}.secret"
signing_key_file = "keys/gateway.pem"
platform_public_key_file = "keys/platform-{region}.pub.pem"
timeout = 5.0

[[peers]]
name = "demo-his"
institutions = ["{hospital}"]
token_sha256 = ["{token_sha256}"]
defaults = {{ acct_used_flag = "1" }}
presettle_with_charges = true

[peers.hl7v2]
default_charset = "GB18030"
charset_aliases = {{ GB18030 = "GB18030", GBK = "GB18030", GB2312 = "GB18030" }}
reply_segments = ["ZMI", "ZSL"]
"""


class PlatformProcess:
    """The reference platform in a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> dict[str, Any]:
        """Start it; what it says about itself once it is ready.

        Raises:
            ConfigurationError: it does not start.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = (self._folder / "platform.log").open("ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "conformance", "platform"),
                *("--demo", str(self._folder), "--port", str(self._port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        finally:
            log.close()
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PLATFORM_START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            await self.stop()
            raise ConfigurationError(
                f"the reference platform did not start; see {self._folder / 'platform.log'}"
            )
        description: dict[str, Any] = msgspec.json.decode(line)
        return description

    @property
    def pid(self) -> int:
        """The process, once it was started."""
        assert self._process is not None
        return self._process.pid

    async def stop(self) -> None:
        """End it and wait for its end."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None


class Sandbox:
    """Reference platform and gateway, started and stopped together."""

    def __init__(
        self,
        folder: Path,
        *,
        mllp_port: int = 0,
        http_port: int = 0,
        platform_port: int = 0,
        log_level: str = "INFO",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` overrides settings of the gateway, as for `load_settings`."""
        self.folder = folder
        self._environment = dict(environment or {})
        self._ports = (mllp_port, http_port)
        self._log_level = log_level
        self.centre = PlatformProcess(folder, platform_port)
        self.platform: dict[str, Any] = {}
        self.token = ""
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The running gateway."""
        assert self._gateway is not None
        return self._gateway

    @property
    def admin_token(self) -> str:
        """The bearer token of the platform's admin paths."""
        return (self.folder / "keys" / "admin.token").read_text("utf-8").strip()

    async def __aenter__(self) -> Self:
        try:
            self.platform = await self.centre.start()
            self.token = _token(self.folder / "token")
            settings = load_settings(self._write_settings(), environment=self._environment)
            self._gateway = Gateway(settings)
            await self._gateway.start()
        except BaseException:
            await self.centre.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.gateway.stop()
        finally:
            await self.centre.stop()

    def describe(self) -> dict[str, str]:
        """Where everything is, for the line that a script reads."""
        mllp_host, mllp_port = self.gateway.mllp_address
        http_host, http_port = self.gateway.http_address
        http = f"http://{http_host}:{http_port}"
        return {
            "mllp": f"{mllp_host}:{mllp_port}",
            "fhir": f"{http}/fhir/r4",
            "fsi": f"{http}/fsi",
            "platform": str(self.platform["url"]),
            "admin": str(self.platform["admin"]),
            "dir": str(self.folder),
            "token": self.token,
        }

    def _write_settings(self) -> Path:
        mllp_port, http_port = self._ports
        path = self.folder / "gateway.toml"
        path.write_text(
            SETTINGS.format(
                level=self._log_level,
                mllp_port=mllp_port,
                http_port=http_port,
                tables=TABLES,
                hospital=HOSPITAL,
                hospital_name=HOSPITAL_NAME,
                region=REGION,
                platform=self.platform["url"],
                account=ACCOUNT,
                token_sha256=_sha256(self.token),
                operator_sha256=_sha256(_token(self.folder / "operator.token")),
            ),
            "utf-8",
        )
        return path


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _token(path: Path) -> str:
    """The token of the folder, made on first run."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text("utf-8").strip()
