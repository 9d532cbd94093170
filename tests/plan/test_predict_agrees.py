"""The predictor against the twin, which makes the same checks on its own: same answer, same code, same first text.

`make bench` compares thousands of rows; here it is a few sites, the same at every run.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plan.agreement import SHAPES, Compared, compare

COMPARED: list[Compared] = []


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(seed=st.integers(1, 1 << 32), shape=st.sampled_from(sorted(SHAPES)), spoilt=st.sampled_from((0.0, 0.4, 0.7)))
def test_every_answer_is_foreseen(seed: int, shape: str, spoilt: float) -> None:
    compared = compare(30, seed, shape, spoilt)
    COMPARED.extend(compared)
    wrong = [str(one) for one in compared if not one.same_words]
    assert not wrong, "\n".join(wrong[:3])


def test_few_answers_are_unknown_and_many_checks_were_met() -> None:
    answers = Counter(one.verdict.answer for one in COMPARED)
    assert answers["unknown"] <= len(COMPARED) / 10
    assert answers["accept"] >= len(COMPARED) / 10
    assert len({one.verdict.check for one in COMPARED}) > 12
