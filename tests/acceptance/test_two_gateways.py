"""Two gateways on one PostgreSQL journal, moved there from SQLite: one settlement, whoever is asked."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.app import Gateway
from gateway.demo import messages as m
from gateway.demo.talking import HL7Sender
from gateway.errors import UnknownOutcomeError
from gateway.fhir.decode import decode_own, encode
from gateway.journal import SQLiteJournal, open_journal
from gateway.journal.archive import FORM, Header, Sink, Source
from gateway.journal.embedded import EmbeddedServer
from gateway.settings import load_settings

Start = Callable[[], Awaitable[tuple[Gateway, HL7Sender]]]


@pytest.fixture
async def shared(world: Any) -> AsyncIterator[dict[str, str]]:
    """The journal of the world, with a visit that is charged, moved to a PostgreSQL server.

    What a process needs in its environment to use it.
    """
    await world.charged("O1")
    await world.stop()
    with EmbeddedServer() as server:
        dsn_file: Path = world.folder / "dsn"
        dsn_file.write_text(server.dsn, "utf-8")  # noqa: ASYNC240 - a small file
        environment = {"GATEWAY__JOURNAL__DSN_FILE": str(dsn_file)}
        file = world.folder / "export"
        async with await SQLiteJournal.open(world.folder / "journal.db") as old:
            with Sink(file, Header(FORM, "whole")) as sink:
                await old.dump(sink)
        settings = load_settings(world.write_settings(), environment=environment)
        new = await open_journal(settings.journal)
        await new.load(Source(file))
        await new.close()
        yield environment


@pytest.fixture
async def start(world: Any, shared: dict[str, str]) -> AsyncIterator[Start]:
    """Starts a gateway on that journal, and a connection to it."""
    async with AsyncExitStack() as stack:

        async def start_() -> tuple[Gateway, HL7Sender]:
            settings = load_settings(world.write_settings(), environment=shared)
            gateway = await stack.enter_async_context(Gateway(settings))
            sender = HL7Sender(*gateway.mllp_address, "gb18030")
            stack.push_async_callback(sender.close)
            return gateway, sender

        yield start_


@asynccontextmanager
async def served(world: Any, environment: dict[str, str]) -> AsyncIterator[tuple[Any, HL7Sender]]:
    """A gateway in a process of its own on that journal, and a connection to it."""
    log = world.folder / "serve.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            *("--config", str(world.write_settings())),
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )

    async def port() -> Any:
        found = [line for line in log.read_text("utf-8").splitlines() if '"gateway ready"' in line]
        assert process.returncode is None, log.read_text("utf-8")
        return found and int(found[0].partition('"mllp_port":')[2].split(",")[0].strip(" }"))

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    async with AsyncExitStack() as stack:
        stack.push_async_callback(end)
        # However long the machine takes to load the code: only its end makes waiting useless.
        while not (found := await port()):  # noqa: ASYNC110 - another process's log
            await asyncio.sleep(0.01)
        sender = HL7Sender("127.0.0.1", found, "gb18030")
        stack.push_async_callback(sender.close)
        yield process, sender


async def test_copies_of_a_settlement_at_both_gateways_give_one_and_the_same_answer(
    world: Any, start: Start
) -> None:
    """Ten copies at each, over connections of their own, at the same moment."""
    gateways = [await start() for _ in range(2)]
    senders = [HL7Sender(*gateways[number % 2][0].mllp_address, "gb18030") for number in range(20)]
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    answers = await asyncio.gather(*(sender.send(payment) for sender in senders))
    for sender in senders:
        await sender.close()
    assert {answer.code for answer in answers} == {"AA"}
    assert len({tuple(answer.lines()[1:]) for answer in answers}) == 1
    assert await world.requests("2207") == ["2207"]
    (live,) = await world.settled("O1")
    assert live["setl_id"] == answers[0].field("ZSL", 3)


async def test_two_payments_of_a_visit_at_two_gateways_settle_it_once(
    world: Any, start: Start
) -> None:
    """Two messages, not copies: one settles, the other one is told that it cannot."""
    (_, one), (_, two) = await start(), await start()
    answers = await asyncio.gather(
        *(one_.send(world.his.payment(m.ZHANG, "O1", "O", "240.00")) for one_ in (one, two))
    )
    assert len(await world.settled("O1")) == 1
    assert [answer.code for answer in answers].count("AA") == 1


async def test_the_settlement_of_a_killed_gateway_is_unknown_at_the_other(
    world: Any, start: Start, shared: dict[str, str]
) -> None:
    """Killed while its settlement waits at the platform; when its lease is over, the other gateway
    tells the repeated message that the outcome is unknown, and sends nothing again.
    """
    gateway, sender = await start()
    await world.admin.fault("delay-after", "2207", seconds=60)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    async with served(world, shared) as (process, doomed):
        waiting = asyncio.create_task(doomed.send(payment))
        reached = asyncio.create_task(world.gate.reached.wait())
        await asyncio.wait([waiting, reached], return_when=asyncio.FIRST_COMPLETED)
        assert not waiting.done()
        process.kill()
        with pytest.raises(UnknownOutcomeError):
            await waiting
    world.gate.opened.set()
    connection = await asyncpg.connect(Path(shared["GATEWAY__JOURNAL__DSN_FILE"]).read_text())  # noqa: ASYNC240 - a small file
    await connection.execute(
        "UPDATE instances SET expires_at = '2000-01-01' WHERE instance <> $1",
        gateway.journal.instance,  # type: ignore[attr-defined] # this journal is PostgreSQL's
    )
    await connection.close()
    (taken,) = await gateway.journal.recover()
    assert (taken.infno, taken.state) == ("2207", "unknown")
    answer = await sender.send(payment)
    assert (answer.code, answer.field("ERR", 5).partition("^")[0]) == ("AE", "FSI-UNKNOWN")
    assert await world.requests("2207") == ["2207"]
    assert len(await world.settled("O1")) == 1
    assert (await gateway.journal.audit_verify()).intact


async def readiness(port: int) -> tuple[int, dict[str, bool]]:
    """What /health/ready says."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/health/ready") as response,
    ):
        return response.status, (await response.json())["checks"]


async def test_a_gateway_says_that_it_lost_its_database_and_that_it_has_it_again(
    world: Any,
) -> None:
    """503 with the part that does not work, for a balancer to go elsewhere; then 200 again."""
    await world.stop()
    with EmbeddedServer() as server:
        (world.folder / "dsn").write_text(server.dsn, "utf-8")
        environment = {
            "GATEWAY__JOURNAL__DSN_FILE": str(world.folder / "dsn"),
            "GATEWAY__JOURNAL__LEASE": "1.5",
        }
        settings = load_settings(world.write_settings(), environment=environment)
        async with Gateway(settings) as gateway:
            port = gateway.http_address[1]
            working = {"journal": True, "lease": True, "pipeline": True}
            assert await readiness(port) == (200, working)
            server.halt()

            async def lost() -> bool:
                status, checks = await readiness(port)
                return (status, checks["journal"], checks["pipeline"]) == (503, False, True)

            await world.until(lost)
            server.start()

            async def found() -> bool:
                return await readiness(port) == (200, working)

            await world.until(found)


async def test_a_gateway_that_lost_its_licence_ends_to_be_started_anew(
    world: Any, start: Start, shared: dict[str, str]
) -> None:
    """Another one took over: it can write nothing more, says so, and ends with 6."""
    gateway, _ = await start()
    async with served(world, {**shared, "GATEWAY__JOURNAL__LEASE": "1.5"}) as (process, _):
        connection = await asyncpg.connect(Path(shared["GATEWAY__JOURNAL__DSN_FILE"]).read_text())  # noqa: ASYNC240 - a small file
        await connection.execute(
            "DELETE FROM instances WHERE instance <> $1",
            gateway.journal.instance,  # type: ignore[attr-defined] # this journal is PostgreSQL's
        )
        await connection.close()
        assert await process.wait() == 6
        assert "another gateway took over" in (world.folder / "serve.log").read_text("utf-8")


async def ask_at(gateway: Gateway, token: str, method: str, path: str, body: bytes = b"") -> Any:
    """Status, headers and body of a FHIR request at one of the gateways, later answers wanted."""
    host, port = gateway.http_address
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    headers["Prefer"] = "respond-async"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"http://{host}:{port}{path}", data=body or None) as response,
    ):
        raw = await response.read()
        return response.status, response.headers, decode_own(raw) if raw else None


@pytest.mark.parametrize("base", ["r4", "r4b", "r5"])
async def test_a_claim_in_work_at_one_gateway_is_polled_at_the_other(
    world: Any, start: Start, base: str
) -> None:
    """X-032: 202 from either while it is worked on, at any base, then the answer from either."""
    (one, _), (two, _) = await start(), await start()
    await world.admin.fault("delay-after", "2207", seconds=60)
    claim = encode(world.client.claim(m.LI, "A1", (world.ct,), "240.00"))
    accepted = await ask_at(one, world.token, "POST", "/fhir/r4/Claim", claim)
    poll = accepted[1]["Content-Location"].partition("/fhir/r4")[2]
    await world.gate.reached.wait()
    working = [await ask_at(each, world.token, "GET", f"/fhir/{base}{poll}") for each in (one, two)]
    stranger = await ask_at(two, "t-unknown", "GET", f"/fhir/{base}{poll}")
    world.gate.opened.set()

    async def answered() -> Any:
        found = await ask_at(two, world.token, "GET", f"/fhir/{base}{poll}")
        return found if found[0] != 202 else None

    at_two = await world.until(answered)
    at_one = await ask_at(one, world.token, "GET", f"/fhir/{base}{poll}")

    assert (accepted[0], stranger[0]) == (202, 401)
    for status, headers, outcome in working:
        assert (status, headers["Retry-After"]) == (202, "5")
        assert outcome["issue"][0]["details"]["coding"][0]["code"] == "IN-PROGRESS"
    assert (at_one[0], at_two[0]) == (200, 200)
    assert at_one[2] == at_two[2]
    answer = at_two[2]["entry"][0]["resource"] if base == "r5" else at_two[2]
    assert (answer["resourceType"], answer["outcome"]) == ("ClaimResponse", "complete")
    assert len(await world.settled("A1")) == 1


async def test_a_poll_that_is_given_up_at_one_gateway_is_gone_at_the_other(
    world: Any, start: Start
) -> None:
    """X-033, X-034: 404 at both, and the settlement that was sent stands."""
    (one, _), (two, _) = await start(), await start()
    await world.admin.fault("delay-after", "2207", seconds=60)
    claim = encode(world.client.claim(m.LI, "A2", (world.ct,), "240.00"))
    accepted = await ask_at(one, world.token, "POST", "/fhir/r4/Claim", claim)
    poll = accepted[1]["Content-Location"].partition("/fhir/r4")[2]
    await world.gate.reached.wait()
    given_up = await ask_at(two, world.token, "DELETE", f"/fhir/r4{poll}")
    polled = [await ask_at(each, world.token, "GET", f"/fhir/r4{poll}") for each in (one, two)]
    world.gate.opened.set()

    async def settled() -> Any:
        return await world.settled("A2")

    assert (given_up[0], [status for status, _, _ in polled]) == (202, [404, 404])
    assert len(await world.until(settled)) == 1
