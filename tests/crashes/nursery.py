"""Starts `gateway serve` processes fast: one process loads the code once and forks each of them.

A child is what `gateway serve` is in a hospital, but for the second that loading the code takes: it
reads its settings, opens its journal and ports, and dies by SIGKILL like any process.

`python -m tests.crashes.nursery` speaks lines of JSON on its standard streams: a `Birth` gives the
child's process id; a process id gives the exit code of that child (negative: the signal), or
`RUNS`. When its standard input ends, it kills what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self

import msgspec

RUNS = 1_000
"""Answer for a child that has not ended."""


class Birth(msgspec.Struct):
    """What a child is started with; it writes its log lines to the file `log`."""

    config: str
    log: str
    environment: dict[str, str]


class Nursery:
    """The process that forks, seen from outside; a context manager."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crashes.nursery"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._turn:  # somebody who asked may have been cancelled
            self._process.stdin.close()
        await self._process.wait()

    async def bear(self, config: Path, log: Path, environment: Mapping[str, str]) -> int:
        """Start a gateway; its process id."""
        return await self._ask(Birth(str(config), str(log), dict(environment)))

    async def ended(self, pid: int) -> int | None:
        """The exit code of a gateway, negative for a signal; None while it runs."""
        code = await self._ask(pid)
        return None if code == RUNS else code

    async def wait(self, pid: int) -> int:
        """Wait for the end of a gateway; its exit code."""
        while (code := await self.ended(pid)) is None:  # noqa: ASYNC110 - another process's end
            await asyncio.sleep(0.005)
        return code

    async def _ask(self, question: Birth | int) -> int:
        # The answer is read even when nobody waits for it any more: it is not the next one's.
        return await asyncio.shield(self._asked(question))

    async def _asked(self, question: Birth | int) -> int:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._turn:
            process.stdin.write(msgspec.json.encode(question) + b"\n")
            await process.stdin.drain()
            answer = await process.stdout.readline()
        return int(answer)


def _serve(birth: Birth) -> NoReturn:
    from gateway.cli import main  # noqa: PLC0415 - was loaded before the fork

    silence = os.open(os.devnull, os.O_RDONLY)
    log = os.open(birth.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, silence), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.update(birth.environment)
    main(["serve", "--config", birth.config])


def _listen() -> None:
    # What `gateway serve` loads, some of it only when it starts.
    import gateway.app  # noqa: PLC0415 - for the children
    import gateway.cli  # noqa: PLC0415 - for the children
    import gateway.journal.postgres  # noqa: F401, PLC0415 - for the children
    from gateway.fhir.reader import Reader  # noqa: PLC0415 - for the children
    from gateway.fhir.release import RELEASES  # noqa: PLC0415 - for the children
    from gateway.settings import FHIRSettings  # noqa: PLC0415 - for the children

    for release in RELEASES:
        Reader(release, FHIRSettings())  # loads the models of the release

    children: set[int] = set()
    codes: dict[int, int] = {}  # of those that ended: two may ask for one
    try:
        while line := sys.stdin.buffer.readline():
            question = msgspec.json.decode(line, type=Birth | int)
            if isinstance(question, Birth):
                answer = os.fork()
                if answer == 0:
                    children.clear()  # its end must not be that of its siblings
                    _serve(question)
                children.add(answer)
                codes.pop(answer, None)
            else:
                if question in children:
                    ended, status = os.waitpid(question, os.WNOHANG)
                    if ended:
                        children.discard(question)
                        codes[question] = os.waitstatus_to_exitcode(status)
                answer = codes.get(question, RUNS)
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _listen()
