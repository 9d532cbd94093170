"""Do the predicted answers agree with the twin's? Over thousands of rows of made-up sites, spoilt in many ways.

Once as calls that are spoilt one by one, once as plans made by generated rules and edited by people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bench.table import ratio, show
from tests.plan.agreement import SHAPES, Compared, compare
from tests.plan.sheet_agreement import compare_sheet

ROWS = 5000
SITE_SIZE = 120


def main(repeat: int = 1) -> None:
    """Print the agreement, where it was met, and the seeds; each repetition compares other sites."""
    _agreement("Spoilt calls", compare, ROWS * repeat)
    _agreement("Plans by generated rules, edited", compare_sheet, ROWS * repeat)


def _agreement(title: str, compare_site: Callable[[int, int, str], list[Compared]], rows: int) -> None:
    compared: list[Compared] = []
    seeds: list[str] = []
    seed = 0
    while len(compared) < rows:
        seed += 1
        shape = sorted(SHAPES)[seed % len(SHAPES)]
        compared += compare_site(SITE_SIZE, seed, shape)
        seeds.append(f"{seed} {shape}")
    decided = [one for one in compared if one.verdict.answer != "unknown"]
    refused = [one for one in decided if one.verdict.answer == "refuse" and one.code]
    checks = Counter(one.verdict.check for one in refused)
    blocked = [one for one in compared if one.blocked_by]
    print(f"\n{title}: {len(compared)} rows, {len(seeds)} sites of {SITE_SIZE} VMs")
    print(f"seeds and shapes: {', '.join(seeds)}")
    ratio("accepted or refused as predicted", sum(one.agrees for one in decided), len(decided), " rows")
    ratio("same code and first text", sum(one.same_words for one in refused), len(refused), " rows", "of the refused")
    ratio("unknown in advance", len(compared) - len(decided), len(compared), " rows")
    if blocked:
        ratio(
            "blocked though imported", sum(one.too_strict for one in blocked), len(blocked), " rows", "of the blocked"
        )
    show("Refusals by check", ("check", "rows"), [(check, str(count)) for check, count in sorted(checks.items())])
    for one in [one for one in compared if not one.same_words or one.too_strict][:10]:
        print(f"\ndisagreement: {one}")
