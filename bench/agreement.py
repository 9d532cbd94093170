"""Do the predicted answers agree with the twin's? Over thousands of rows of made-up sites, spoilt in many ways."""

from __future__ import annotations

from collections import Counter

from bench.table import ratio, show
from tests.plan.agreement import SHAPES, Compared, compare

ROWS = 5000
SITE_SIZE = 120


def main(repeat: int = 1) -> None:
    """Print the agreement, where it was met, and the seeds; each repetition compares other sites."""
    compared: list[Compared] = []
    seeds: list[str] = []
    seed = 0
    while len(compared) < ROWS * repeat:
        seed += 1
        shape = sorted(SHAPES)[seed % len(SHAPES)]
        compared += compare(SITE_SIZE, seed, shape)
        seeds.append(f"{seed} {shape}")
    decided = [one for one in compared if one.verdict.answer != "unknown"]
    refused = [one for one in decided if one.verdict.answer == "refuse" and one.code]
    checks = Counter(one.verdict.check for one in refused)
    print(f"\nPredicted and real answers: {len(compared)} rows, {len(seeds)} sites of {SITE_SIZE} VMs")
    print(f"seeds and shapes: {', '.join(seeds)}")
    ratio("accepted or refused as predicted", sum(one.agrees for one in decided), len(decided), " rows")
    ratio("same code and first text", sum(one.same_words for one in refused), len(refused), " rows", "of the refused")
    ratio("unknown in advance", len(compared) - len(decided), len(compared), " rows")
    show("Refusals by check", ("check", "rows"), [(check, str(count)) for check, count in sorted(checks.items())])
    for one in [one for one in decided if not one.same_words][:10]:
        print(f"\ndisagreement: {one}")
