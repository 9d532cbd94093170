"""Failed rows by cause."""

from __future__ import annotations

from ingest.engine.failures import failed_together
from ingest.model.outcome import Outcome


def taken(row: int, mac: str) -> Outcome:
    text = f"NIC with MAC address {mac} exists on network blue and forced flag is disabled"
    return Outcome(row, f"vm{row}", "failed", error=text)


def test_rows_of_one_cause_and_object_are_one_group_what_needs_a_hand_first() -> None:
    outcomes = [
        taken(2, "00:50:56:00:00:01"),
        Outcome(3, "vm3", "imported", vm_id="i3"),
        Outcome(4, "vm4", "failed", error="Cannot find a free IP to assign to VM NIC on network green"),
        Outcome(5, "vm5", "failed", error="Cannot find a free IP to assign to VM NIC on network green"),
        Outcome(6, "vm6", "held", error="changed since the plan"),
        Outcome(7, "vm7", "unknown", error="the answer was lost"),
    ]
    unknown, full, mac, held = failed_together(outcomes)
    assert (full.rows, full.vms, full.subject) == ((4, 5), ("vm4", "vm5"), "green")
    assert full.text.splitlines() == [
        "2 failed: the network has no free address left (green)",
        "  vm4, vm5",
        '  the server: "Cannot find a free IP to assign to VM NIC on network green"',
        "  -> add addresses to the network, or name one",
    ]
    assert (mac.rows, mac.subject) == ((2,), "00:50:56:00:00:01")
    assert (unknown.rows, held.rows) == ((7,), (6,))
    assert '  why: "changed since the plan"' in held.text
    assert "ingest settle" in unknown.cure


def test_what_each_row_has_of_its_own_does_not_tell_causes_apart() -> None:
    step = "Failed to import volumes while importing vm: {}. {}"
    outcomes = [
        taken(2, "00:50:56:00:00:01"),
        taken(3, "00:50:56:00:00:02"),
        Outcome(4, "web01", "failed", error=step.format("web01", "Unable to reach the storage pool")),
        Outcome(5, "web02", "failed", error=step.format("web02", "Unable to reach the storage pool")),
        Outcome(6, "web03", "failed", error=step.format("web03", "The pool is full")),
        Outcome(7, "web07", "failed", error="gremlins ate web07 at 3 o'clock"),
        Outcome(8, "web08", "failed", error="gremlins ate web08 at 4 o'clock"),
        Outcome(9, "web09", "failed", error="another text"),
    ]
    groups = failed_together(outcomes)
    assert [group.rows for group in groups] == [(2, 3), (4, 5), (7, 8), (6,), (9,)]
    assert groups[0].subject == ""
    assert (groups[2].words, groups[3].subject) == ("gremlins ate web07 at 3 o'clock", "web03")


def test_many_rows_are_named_in_part() -> None:
    (group,) = failed_together([taken(row, "00:50:56:00:00:01") for row in range(2, 11)])
    assert group.text.splitlines()[:2] == [
        f"9 failed: {group.cause} (00:50:56:00:00:01)",
        "  vm2, vm3, vm4, vm5, vm6, vm7 and 3 more",
    ]


def test_a_text_nobody_knows_is_shown_as_it_is_on_one_line() -> None:
    (group,) = failed_together([Outcome(2, "a", "failed", error="gremlins\n  at work")])
    assert '"gremlins at work"' in group.text


def test_without_failures_there_is_nothing() -> None:
    assert failed_together([Outcome(2, "a", "imported")]) == []
