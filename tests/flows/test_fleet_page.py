"""What a fleet starts, and how it tells what became of it; without any server."""

from __future__ import annotations

import pytest

from ingest.errors import UsageError
from ingest.model.outcome import URGENCY, Outcome, summary
from tasks.fleet import orders
from tasks.fleet_page import ShareLine, counts_in, fleet_page, fleet_sums
from tasks.parameters import Approval, Limits, Selection, Share


def test_a_share_passes_on_what_was_filled_in_and_leaves_the_rest_to_its_deployment() -> None:
    shares = [Share(site="fra1", limits=Limits(batch_size=3)), Share(site="ham2", deployment="import-north")]
    fra1, ham2 = orders(shares, "f-1", dry_run=False, tag=True, approval=Approval(mode="pause", timeout_minutes=5))
    assert (fra1.share, fra1.deployment, fra1.key) == ("fra1", "import-vms/import-fra1", "f-1:fra1")
    assert fra1.parameters == {
        "dry_run": False,
        "tag": True,
        "approval": {"mode": "pause", "timeout_minutes": 5.0},
        "site": "fra1",
        "limits": {"batch_size": 3},
    }
    assert (ham2.deployment, "limits" in ham2.parameters) == ("import-vms/import-north", False)


def test_a_run_for_each_cluster() -> None:
    share = Share(site="fra1", run_per_cluster=True, selection=Selection(clusters=["c1", "c2"], datacenter="dc"))
    found = orders([share], "f", dry_run=True, tag=False, approval=Approval())
    assert [one.share for one in found] == ["fra1/c1", "fra1/c2"]
    assert [one.parameters["selection"] for one in found] == [
        {"clusters": ["c1"], "datacenter": "dc"},
        {"clusters": ["c2"], "datacenter": "dc"},
    ]
    assert len({one.key for one in found}) == 2


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([Share(site="a"), Share(site="b"), Share(site="a")], "named twice: a"),
        ([Share(site="a", run_per_cluster=True)], "no cluster is named"),
    ],
    ids=["twice", "no cluster"],
)
def test_what_cannot_be_meant_is_refused(shares: list[Share], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        orders(shares, "f", dry_run=True, tag=False, approval=Approval())


def test_counts_are_read_from_what_runs_say_at_their_end() -> None:
    every = [Outcome(row, "vm", status) for row, status in enumerate(URGENCY + URGENCY[3:])]
    assert counts_in(summary(every)) == {status: 1 + (status in URGENCY[3:]) for status in URGENCY}
    assert counts_in("stopped: 12 imported, 3 not-started") == {"imported": 12, "not-started": 3}
    assert counts_in("dry run: 24 would be imported, 2 blocked") == {"would be imported": 24, "blocked": 2}
    assert counts_in("No sign of life for 90 s: its worker or host is gone") == {}


def test_the_page_shows_first_what_needs_a_hand_and_hides_nobody() -> None:
    lines = [
        ShareLine("fra1", "completed", "Completed", "9 imported", "r1", "http://ui/1", 1, counts_in("9 imported")),
        ShareLine("ham2", "failed", "Failed", "wrong | key", "r2", "http://ui/2"),
        ShareLine("muc3", "not started", "not started", "the form was refused"),
    ]
    assert fleet_sums(lines[:1]) == "9 imported by 1 run"
    assert fleet_sums(lines) == "9 imported; fra1 Completed, ham2 Failed, muc3 not started"
    rows = fleet_page(lines).splitlines()[4:]
    assert [row.split("|")[1].strip() for row in rows] == ["muc3", "ham2", "fra1"]
    assert "[r2](http://ui/2)" in rows[1]
    assert "Completed, picked up 1x | 9 |" in rows[2]
