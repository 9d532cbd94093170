"""The failure budget: rows of a cause wait, others go on, and in the end the line stops."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ingest.engine.schedule.budget import FailureBudget
from ingest.engine.schedule.traits import Shape, Shared, Traits

SHAPE = Shape("fixed", (), (), (), "linux", "poweredOn")


@dataclass(frozen=True)
class Cause:
    id: str = "network-vlan"
    what: str = "the VLAN differs"
    subject_kind: str = "network"
    subject: str = ""


def needing(*objects: tuple[str, str, str]) -> Traits:
    return Traits(SHAPE, tuple(Shared(kind, id_, frozenset({id_, name})) for kind, id_, name in objects))


PUBLIC = needing(("network", "n1", "public"), ("offering", "o1", "Small"))
PRIVATE = needing(("network", "n2", "private"), ("offering", "o1", "Small"))
BOTH = needing(("network", "n1", "public"), ("network", "n2", "private"))


@pytest.mark.parametrize("subject", ["public", "n1"])
def test_rows_that_need_the_same_object_are_held(subject: str) -> None:
    budget = FailureBudget(per_cause=2, total=0)
    budget.count(Cause(subject=subject), PUBLIC)
    assert budget.holds(PUBLIC) == ""
    budget.count(Cause(subject=subject), PUBLIC)
    assert budget.holds(PUBLIC) == "2 rows failed at the network public: the VLAN differs"
    assert budget.holds(BOTH)
    assert budget.holds(PRIVATE) == ""
    assert budget.stopped == ""


def test_a_text_without_a_name_means_the_rows_own_object() -> None:
    budget = FailureBudget(per_cause=1, total=0)
    budget.count(Cause(), PUBLIC)
    assert budget.holds(PUBLIC)
    assert budget.holds(PRIVATE) == ""


def test_a_text_without_a_name_says_nothing_where_there_are_two() -> None:
    budget = FailureBudget(per_cause=1, total=0)
    budget.count(Cause(), BOTH)
    assert (budget.holds(PUBLIC), budget.holds(PRIVATE), budget.failures) == ("", "", 1)


def test_the_compute_offering_is_meant_before_disk_offerings() -> None:
    budget = FailureBudget(per_cause=1, total=0)
    budget.count(
        Cause("cpu", "too few CPUs", "offering"), needing(("offering", "o1", "Small"), ("offering", "d1", "D"))
    )
    assert budget.holds(PRIVATE) == "1 row failed at the offering Small: too few CPUs"


def test_different_causes_are_counted_apart() -> None:
    budget = FailureBudget(per_cause=2, total=0)
    budget.count(Cause("a", subject="n1"), PUBLIC)
    budget.count(Cause("b", subject="n1"), PUBLIC)
    budget.count(Cause("a", subject="n2"), PRIVATE)
    assert budget.holds(PUBLIC) == budget.holds(PRIVATE) == ""


def test_a_cause_without_an_object_holds_nobody_but_counts_for_the_total() -> None:
    budget = FailureBudget(per_cause=1, total=2)
    nameless = Cause("restart", "the management server restarted", "", "")
    budget.count(nameless, PUBLIC)
    assert budget.holds(PUBLIC) == budget.stopped == ""
    budget.count(nameless, PUBLIC)
    assert budget.stopped == "2 rows failed, 2 allowed"


def test_zero_is_no_limit() -> None:
    budget = FailureBudget(per_cause=0, total=0)
    for _ in range(100):
        budget.count(Cause(subject="n1"), PUBLIC)
    assert (budget.holds(PUBLIC), budget.stopped, budget.failures) == ("", "", 100)


def test_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit"):
        FailureBudget(-1, 0)
