"""`python -m bench [NAME ...]`: runs the named benchmarks, all of them without a name."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from typing import Any

# One file per benchmark; its `main` prints.
BENCHMARKS = ("twin", "discovery", "drift", "imports", "watching", "plan", "agreement", "drills", "prefect")
SIZED = ("twin", "discovery", "drift", "imports", "drills", "prefect")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks on the embedded twin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="measure N times, show medians")
    parser.add_argument(
        "--vms",
        type=_sizes,
        metavar="N,N",
        help="sizes of twin (default 1000,3000,10000), discovery (500,5000), drift (1000,10000), imports (1000) and "
        "drills (300), prefect (10,100,1000)",
    )
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in BENCHMARKS]
    if unknown or chosen.repeat < 1:
        parser.error(f"unknown benchmark {', '.join(unknown)}" if unknown else "--repeat is at least 1")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"load average before: {os.getloadavg()[0]:.2f}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, "
        f"repeat {chosen.repeat}"
    )
    for name in chosen.names or BENCHMARKS:
        options: dict[str, Any] = {"repeat": chosen.repeat}
        if name in SIZED and chosen.vms:
            options["sizes"] = chosen.vms
        importlib.import_module(f"bench.{name}").main(**options)
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(size) for size in text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
