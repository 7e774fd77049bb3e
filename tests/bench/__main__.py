"""`make bench`: run every benchmark but the long ones, or those named on the command line.

The machine swings: a figure alone says little, a ratio inside one run says more.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
LONG = frozenset({"million"})
"""Run only when they are named."""


def main(wanted: list[str]) -> int:
    """Run the benchmarks in the order of their names."""
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}\n")
        return 2
    for name in wanted or [name for name in NAMES if name not in LONG]:
        sys.stdout.write(f"\n== {name}\n")
        spec = importlib.util.spec_from_file_location(f"bench_{name}", HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        module.main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
