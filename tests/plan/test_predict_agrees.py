"""The predictor against the twin, which makes the same checks on its own: same answer, same code, same first text.

`make bench` compares thousands of rows; here it is a few sites, the same at every run.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plan.agreement import SHAPES, Compared, compare
from tests.plan.sheet_agreement import compare_sheet


def test_every_answer_is_foreseen() -> None:
    everything: list[Compared] = []

    @settings(
        max_examples=6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(seed=st.integers(1, 1 << 32), shape=st.sampled_from(sorted(SHAPES)), spoilt=st.sampled_from((0.0, 0.4, 0.7)))
    def site(seed: int, shape: str, spoilt: float) -> None:
        compared = compare(30, seed, shape, spoilt)
        everything.extend(compared)
        wrong = [str(one) for one in compared if not one.same_words]
        assert not wrong, "\n".join(wrong[:3])

    site()
    answers = Counter(one.verdict.answer for one in everything)
    assert answers["unknown"] <= len(everything) / 10
    assert answers["accept"] >= len(everything) / 10
    assert len({one.verdict.check for one in everything}) > 12


def test_every_row_of_an_edited_plan_is_foreseen() -> None:
    everything: list[Compared] = []
    for seed, shape in ((3, "sharing"), (5, "realistic"), (6, "every oddity")):
        compared = compare_sheet(44, seed, shape)
        everything.extend(compared)
        wrong = [str(one) for one in compared if not one.same_words or one.too_strict]
        assert not wrong, "\n".join(wrong[:3])
    answers = Counter(one.verdict.answer for one in everything)
    assert min(answers["accept"], answers["refuse"]) >= len(everything) / 5
    assert len({one.verdict.check for one in everything}) > 10
    assert len({name for one in everything for name in one.spoilt_by.split(", ") if name}) > 10
    assert sum(bool(one.blocked_by) for one in everything) > 10
