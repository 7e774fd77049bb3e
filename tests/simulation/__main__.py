"""`python -m tests.simulation --seeds 2000 --first 1`: play seeds; `--show 17` tells one of them."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable

from tests.simulation.run import Run, simulate

SHOWN = 20
"""Failing seeds that are told."""


def main(arguments: list[str]) -> int:
    """Play, count, and name every seed with a finding."""
    parser = argparse.ArgumentParser(prog="simulate")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--show", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    if options.show is not None:
        return _show(options.show)
    began = time.perf_counter()
    seeds = range(options.first, options.first + options.seeds)
    with multiprocessing.Pool(options.jobs) as pool:
        counts = _tell(pool.imap(simulate, seeds, chunksize=10))
    seconds = time.perf_counter() - began
    sys.stdout.write(
        f"{len(seeds)} seeds in {seconds:.1f} s: {counts['messages']} messages, "
        f"{counts['settlements']} settlements, {counts['points']} points; "
        f"{counts['failed']} seeds with findings\n"
    )
    return 1 if counts["failed"] else 0


def _tell(runs: Iterable[Run]) -> dict[str, int]:
    counts = {"messages": 0, "settlements": 0, "points": 0, "failed": 0}
    for run in runs:
        counts["messages"] += run.messages
        counts["settlements"] += run.settlements
        counts["points"] += run.points
        if run.findings:
            counts["failed"] += 1
            if counts["failed"] <= SHOWN:
                sys.stdout.write(f"seed {run.seed}:\n")
                sys.stdout.writelines(f"  {finding}\n" for finding in run.findings)
    return counts


def _show(seed: int) -> int:
    run = simulate(seed, keep_lines=True)
    sys.stdout.writelines(f"{line}\n" for line in run.lines)
    sys.stdout.writelines(f"FOUND {finding}\n" for finding in run.findings)
    sys.stdout.write(f"{run.digest}\n")
    return 1 if run.findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
