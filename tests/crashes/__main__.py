"""`python -m tests.crashes --kills 500`: kill gateways under load; `--drops 10000`: lose replies.

`--store sqlite` or `postgres` (a server of its own) or `both`; `--nodes 2` lets two gateways share
the PostgreSQL journal, and the other one goes on when one is killed. `--infno 2208` kills at
requests of this transaction only, and loses their replies only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
from pathlib import Path

from gateway.journal.embedded import EmbeddedServer
from tests.crashes.nursery import Nursery
from tests.crashes.run import Load, play

STORES = ("sqlite", "postgres")


async def _run(options: argparse.Namespace) -> int:
    stores = STORES if options.store == "both" else (options.store,)
    failed = 0
    async with Nursery() as nursery:
        for store in stores:
            load = Load(
                kills=options.kills // len(stores),
                drops=options.drops // len(stores),
                desks=options.desks,
                nodes=options.nodes if store == "postgres" else 1,
                lease=options.lease,
                seed=options.seed,
                infno=options.infno,
            )
            with contextlib.ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                if store == "postgres":
                    load.dsn = stack.enter_context(EmbeddedServer()).dsn
                outcome = await play(folder, load, nursery)
            failed += bool(outcome.findings)
            sys.stdout.write(f"{store}: {outcome.line()}\n")
            sys.stdout.writelines(f"  {finding}\n" for finding in dict.fromkeys(outcome.findings))
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Play, and name everything that does not fit."""
    parser = argparse.ArgumentParser(prog="crashes")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--drops", type=int, default=0)
    parser.add_argument("--desks", type=int, default=7)
    parser.add_argument("--store", choices=[*STORES, "both"], default="both")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--lease", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--infno", default="")
    # The platform's answers to a gateway that is dead are nothing to tell.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    return asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
