"""Real gateways killed under load, real replies lost: nothing is lost, nothing is settled twice.

Fifty kills a run of the tests: a kill costs a start and what it left behind, so the SQLite journal
has half of them, PostgreSQL the others. `make soak` has five hundred, `make drops` ten thousand
lost replies.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli.exits import Exit
from gateway.journal.embedded import EmbeddedServer
from tests.crashes.books import differences
from tests.crashes.hospital import CANCEL, Said
from tests.crashes.node import Ended, Node
from tests.crashes.nursery import Nursery
from tests.crashes.run import Load, World, play, play_in

SQLITE_KILLS, POSTGRES_KILLS, KILLS_OF_ONE_OF_TWO = 25, 15, 10
DROPS = 200
CANCELLATIONS = ("2208", "2305", "2103")
"""Of an outpatient's settlement, of a stay's, and of a purchase."""
CANCEL_KILLS, CANCEL_DROPS = 4, 12

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Starts gateways."""
    async with Nursery() as one:
        yield one


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A PostgreSQL server."""
    with EmbeddedServer() as one:
        yield one


async def test_a_gateway_on_sqlite_that_is_killed_again_and_again(
    tmp_path: Path, nursery: Nursery
) -> None:
    """Under load, at moments of every kind: within a minute of each start everything that was in
    flight has its answer, and in the end the books of all three sides are the same.
    """
    outcome = await play(tmp_path, Load(kills=SQLITE_KILLS), nursery)
    assert outcome.findings == []
    assert (outcome.kills, outcome.settlements > SQLITE_KILLS) == (SQLITE_KILLS, True)


async def test_a_gateway_on_postgresql_that_is_killed_again_and_again(
    tmp_path: Path, nursery: Nursery, server: EmbeddedServer
) -> None:
    """The same; what a dead process had in flight is taken over when its lease is over."""
    load = Load(kills=POSTGRES_KILLS, dsn=server.dsn, seed=2)
    outcome = await play(tmp_path, load, nursery)
    assert outcome.findings == []
    assert (outcome.kills, outcome.settlements > POSTGRES_KILLS) == (POSTGRES_KILLS, True)


async def test_one_of_two_gateways_is_killed_and_the_other_finishes_its_work(
    tmp_path: Path, nursery: Nursery, server: EmbeddedServer
) -> None:
    """Both work on one journal; the dead one is started again only when every message that it had
    was answered by the other.
    """
    load = Load(kills=KILLS_OF_ONE_OF_TWO, dsn=server.dsn, nodes=2, lease=1.0, seed=3)
    outcome = await play(tmp_path, load, nursery)
    assert outcome.findings == []
    assert outcome.kills == KILLS_OF_ONE_OF_TWO


async def test_replies_that_get_lost_lose_and_double_nothing(
    tmp_path: Path, nursery: Nursery
) -> None:
    """A fifth of all replies of the platform, whatever the transaction."""
    outcome = await play(tmp_path, Load(drops=DROPS, desks=16, seed=4), nursery)
    assert outcome.findings == []
    assert outcome.drops == DROPS


@pytest.mark.parametrize("infno", CANCELLATIONS)
async def test_a_gateway_that_is_killed_while_it_cancels(
    tmp_path: Path, nursery: Nursery, infno: str
) -> None:
    """No 2601 undoes a cancellation, and the centre's books are not read here: the one that a kill leaves is
    the operator's, who decides by what the bureau has. Nothing is cancelled twice.
    """
    outcome = await play(tmp_path, Load(kills=CANCEL_KILLS, infno=infno, seed=5), nursery)
    assert outcome.findings == []
    assert (outcome.kills, outcome.decided >= CANCEL_KILLS) == (CANCEL_KILLS, True)
    assert outcome.cancellations > CANCEL_KILLS


@pytest.mark.parametrize("infno", CANCELLATIONS)
async def test_replies_of_cancellations_that_get_lost(
    tmp_path: Path, nursery: Nursery, infno: str
) -> None:
    """Every one of them, until so many are lost: a person decides each."""
    load = Load(drops=CANCEL_DROPS, lossy=1.0, infno=infno, seed=6)
    outcome = await play(tmp_path, load, nursery)
    assert outcome.findings == []
    assert (outcome.drops, outcome.decided) == (CANCEL_DROPS, CANCEL_DROPS)
    assert outcome.cancellations > 0


async def test_a_gateway_that_ends_by_itself_takes_no_other_one_with_it(
    tmp_path: Path, nursery: Nursery
) -> None:
    """They are forked by one process, which kills what is left of them when it ends itself."""
    world = World(tmp_path, Load(), nursery)
    async with world.open():
        (node,) = world.nodes
        first = node.pid
        second = await nursery.bear(tmp_path / "missing.toml", tmp_path / "second.log", {})
        assert await nursery.wait(second) == Exit.CONFIGURATION
        assert await nursery.ended(first) is None
        assert await node.stop() == Exit.OK


async def test_a_gateway_that_ends_before_it_is_ready_is_not_waited_for(
    tmp_path: Path, nursery: Nursery
) -> None:
    """Its exit code and its own last words are told."""
    node = Node(tmp_path / "missing.toml", "gateway", nursery, {})
    with pytest.raises(Ended, match=r"ended with 3 before it was ready: .*missing\.toml"):
        await node.start()
    assert not node.door.open.is_set()


async def test_a_question_that_is_given_up_does_not_leave_its_answer_to_the_next(
    tmp_path: Path, nursery: Nursery
) -> None:
    """Whoever asks next is told the end of its own gateway."""
    pid = await nursery.bear(tmp_path / "missing.toml", tmp_path / "first.log", {})
    asking = asyncio.create_task(nursery.bear(tmp_path / "missing.toml", tmp_path / "b.log", {}))
    await asyncio.sleep(0)
    asking.cancel()
    assert await nursery.wait(pid) == Exit.CONFIGURATION


async def test_the_comparison_finds_what_does_not_fit(tmp_path: Path, nursery: Nursery) -> None:
    """Each change of one side's books is named; without one there is nothing to name."""
    world = World(tmp_path, Load(visits=6, desks=5), nursery)
    async with world.open():
        await play_in(world)

        async def finds(words: str) -> bool:
            told = differences(world.config, world.environment, world)
            return any([re.search(words, finding) async for finding in told])

        assert world.outcome.findings == []
        assert not await finds("")
        said = world.hospital.said
        for words, tell in TOLD.items():
            world.hospital.said = copy.deepcopy(said)
            tell(next(one for one in world.hospital.said.values() if one.step == CANCEL))
            assert await finds(words), words
        world.hospital.said = said
        store = world.centre.store
        for change, words in THEIRS.items():
            store.run("BEGIN")
            store.run(re.sub("[A-Z_]{6,}", lambda name: SOME.get(name[0], name[0]), change))
            assert await finds(words), change
            store.run("ROLLBACK")
        assert not await finds("")
        journal, kept = sqlite3.connect(tmp_path / "journal.db"), sqlite3.connect(":memory:")
        with contextlib.closing(journal), contextlib.closing(kept):
            journal.backup(kept)
            for change, words in OURS.items():
                with journal:
                    assert journal.execute(change).rowcount > 0
                assert await finds(words), change
                kept.backup(journal)
        assert not await finds("")


SOME = {
    "STANDING": "(SELECT min(setl_id) FROM settlements WHERE state = 'settled')",
    "CANCELLED": "(SELECT min(setl_id) FROM settlements WHERE state = 'refunded')",
    "REFUND": "(SELECT min(setl_id) FROM settlements WHERE state = 'refund')",
    "SETTLED_VISIT": "(SELECT mdtrt_id FROM settlements WHERE state = 'settled' LIMIT 1)",
    "GIVEN_BACK": "(SELECT mdtrt_id FROM settlements AS s WHERE state = 'refund' AND NOT EXISTS "
    "(SELECT 1 FROM settlements WHERE mdtrt_id = s.mdtrt_id AND state = 'settled') AND EXISTS "
    "(SELECT 1 FROM visits AS v WHERE v.mdtrt_id = s.mdtrt_id AND v.state = 'open'))",
}
"""What the changes below are made to."""

THEIRS = {
    "UPDATE settlements SET state = 'reversed' WHERE setl_id = STANDING": "does not have it",
    "UPDATE settlements SET fund_pay_sumamt = '0.01' WHERE setl_id = STANDING": "was not told",
    "UPDATE ledger SET fund_pay_sumamt = '0.01' WHERE setl_id = STANDING": "the bureau owes",
    "UPDATE settlements SET mdtrt_id = SETTLED_VISIT WHERE state = 'settled'": "is settled \\d times",
    "UPDATE charges SET setl_id = '' WHERE mdtrt_id = SETTLED_VISIT": "are not settled",
    "DELETE FROM requests WHERE infno = '2207'": "the platform never did it",
    "UPDATE requests SET msgid = msgid || 'X' WHERE infno = '2203'": "the journal does not",
    # of cancellations
    "UPDATE settlements SET state = 'reversed' WHERE setl_id = REFUND": "nothing cancelled it",
    "UPDATE settlements SET state = 'settled' WHERE setl_id = CANCELLED": "is not cancelled",
    "UPDATE settlements SET origin = CANCELLED WHERE state = 'refund'": "is cancelled \\d times",
    "UPDATE settlements SET medfee_sumamt = '-0.01' WHERE setl_id = REFUND": "not give back",
    "UPDATE settlements SET fund_pay_sumamt = '0.00' WHERE setl_id = REFUND": "was not told",
    "UPDATE ledger SET fund_pay_sumamt = '0.00' WHERE setl_id = REFUND": "the bureau owes",
    "UPDATE charges SET setl_id = 'X' WHERE mdtrt_id = GIVEN_BACK": "are not open",
    **{
        f"DELETE FROM requests WHERE infno = '{infno}'": f"{infno} .* the platform never did it"  # noqa: S608 - of this file
        for infno in ("2208", "2305", "2103")
    },
    # of purchases
    "UPDATE visits SET state = 'open' WHERE state = 'cancelled'": "nothing of it is settled",
}
"""A change of the bureau's books -> what has to be said about it."""

OURS = {
    "UPDATE audit SET station = 'sent' WHERE seq = 7": "^audit row 7: altered",
    "UPDATE sends SET state = 'not-sent' WHERE infno = '2203'": "the platform did it",
    "UPDATE sends SET state = 'unknown' WHERE rowid = "
    "(SELECT min(rowid) FROM sends WHERE infno = '2207')": "2207 .* is left unknown",
    "UPDATE sends SET state = 'unknown' WHERE rowid = "
    "(SELECT min(rowid) FROM sends WHERE infno = '2208')": "2208 .* is left unknown",
    "UPDATE exchanges SET stage = 'provisional'": "its answer is not final",
    "UPDATE exchanges SET control_id = control_id || 'X'": "the journal does not have it",
    'UPDATE visits SET data = CAST(replace(CAST(data AS TEXT), \'"cancels":"4\', \'"cancels":"5\')'
    " AS BLOB)": "the journal has settlement",
    "DELETE FROM visits": "the journal does not",
}
"""A change of the gateway's books -> what has to be said about it."""

TOLD: dict[str, Callable[[Said], None]] = {
    "the hospital was not told": lambda said: said.answers.clear(),
    "has no final answer": lambda said: said.answers.clear(),
    "the hospital was told of": lambda said: said.answers.append(("done", "X", "0.00")),
    "yuan from the fund, the bureau owes": lambda said: said.answers.append(("done", "X", "0.00")),
    "got different final answers": lambda said: said.answers.append(("undone",)),
}
"""What has to be said -> a change of what the hospital was told of a cancellation."""
