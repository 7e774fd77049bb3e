"""A hospital's line to a real platform over sockets, its clock in the test's hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import structlog

from conformance.platform.config import PlatformConfig, load_config
from conformance.platform.demo import ACCOUNTS, HOSPITAL, HOSPITAL_NAME, write_demo
from conformance.platform.faults import Fault, FaultKind
from conformance.platform.server import Platform
from gateway.fsi.channel import Channel
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.line import ChannelLine
from gateway.fsi.files.transfer import Patience, StoredFile, upload
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport
from gateway.settings import ChannelSettings, InstitutionSettings

REGION = "430100"


class Clock:
    """China Standard Time that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 10, 0, 0, tzinfo=timezone(timedelta(hours=8)))

    def __call__(self) -> datetime:
        return self.moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> Clock:
    """The time both sides agree on."""
    return Clock()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and secrets that serve every test."""
    folder = tmp_path_factory.mktemp("files")
    write_demo(folder)
    return folder


@pytest.fixture
def platform_config(demo_folder: Path) -> PlatformConfig:
    """The demo configuration, kept in memory; a test may change it."""
    config = load_config(demo_folder / "platform.json")
    config.database = ""
    return config


def _drop(_logger: object, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


@pytest.fixture
async def platform(platform_config: PlatformConfig, clock: Clock) -> AsyncIterator[Platform]:
    """Both centres, listening and silent."""
    log = structlog.wrap_logger(None, processors=[_drop])
    running = Platform(platform_config, clock=clock, log=log)
    await running.start()
    yield running
    await running.close()


class Hospital(ChannelLine):
    """A line that remembers what it asked for."""

    def __init__(self, *arguments: Any, platform: Platform, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.platform = platform
        self.ranges: list[str] = []

    def stream(self, infno: str, content: dict[str, Any], headers: Any) -> Any:
        """Note the range that is asked for."""
        self.ranges.append(headers.get("Range", ""))
        return super().stream(infno, content, headers)

    def fault(self, kind: str, infno: str = "9102", **members: Any) -> None:
        """Order a fault."""
        fault = Fault(kind=FaultKind(kind), region=REGION, infno=infno, **members)
        self.platform.faults.add(fault)

    def asked(self, infno: str) -> int:
        """How many requests of a transaction the platform carried out or refused."""
        store = self.platform.centres[REGION]._tables.store
        return len(store.all("SELECT 1 FROM requests WHERE infno = ?", infno))

    async def stored(self, content: bytes, name: str = "a.zip") -> StoredFile:
        """A file of the hospital at the platform."""
        sent = await upload(self, content, name)
        assert isinstance(sent, StoredFile)
        return sent


@pytest.fixture
async def hospital(platform: Platform, demo_folder: Path, clock: Clock) -> AsyncIterator[Hospital]:
    """The demo hospital's line to its centre."""
    keys = demo_folder / "keys"
    transport = HTTPTransport()
    settings = ChannelSettings(
        name=REGION,
        url=f"{platform.url}/{REGION}",
        profile="hunan",
        account=ACCOUNTS[REGION],
        secret_file=keys / f"{REGION}.secret",
        signing_key_file=keys / "gateway.pem",
        platform_public_key_file=keys / f"platform-{REGION}.pub.pem",
        timeout=5.0,
    )
    institution = InstitutionSettings(
        fixmedins_code=HOSPITAL,
        fixmedins_name=HOSPITAL_NAME,
        mdtrtarea_admvs=REGION,
        channel=REGION,
    )
    channel = Channel(settings, load_profile("hunan"), transport, clock)
    yield Hospital(institution, channel, clock, platform=platform)
    await transport.close()


@pytest.fixture
def patience() -> Patience:
    """Three attempts, without waiting."""

    async def at_once(_seconds: float) -> None:
        return

    return Patience(attempts=3, most=6, sleep=at_once)


@pytest.fixture
def definitions() -> Definitions:
    """As the demo hospital's edition has them."""
    return Definitions.load("HN")


@pytest.fixture
def zipped() -> Any:
    """Makes ZIP files: of a text, or with an entry of another size."""

    def make(text: bytes = b"1\t2\n" * 20_000, *, stored: bool = True) -> bytes:
        buffer = io.BytesIO()
        method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("a.txt", text)
        return buffer.getvalue()

    return make
