"""Failed rows by cause."""

from __future__ import annotations

from ingest.engine.failures import failed_together
from ingest.model.outcome import Outcome


def taken(row: int, mac: str) -> Outcome:
    text = f"NIC with MAC address {mac} exists on network blue and forced flag is disabled"
    return Outcome(row, f"vm{row}", "failed", error=text)


def test_rows_of_one_cause_and_object_are_one_group_the_most_frequent_first() -> None:
    outcomes = [
        taken(2, "00:50:56:00:00:01"),
        Outcome(3, "vm3", "imported", vm_id="i3"),
        Outcome(4, "vm4", "failed", error="Cannot find a free IP to assign to VM NIC on network green"),
        Outcome(5, "vm5", "failed", error="Cannot find a free IP to assign to VM NIC on network green"),
        Outcome(6, "vm6", "held", error="changed since the plan"),
    ]
    full, mac = failed_together(outcomes)
    assert (full.rows, full.vms, full.subject) == ((4, 5), ("vm4", "vm5"), "green")
    assert full.cause == "the network has no free address left"
    assert full.text.startswith("2 failed [vm4, vm5]: the network has no free address left (green); the server: ")
    assert full.text.endswith("-> add addresses to the network, or name one")
    assert (mac.rows, mac.subject) == ((2,), "00:50:56:00:00:01")


def test_many_rows_are_named_in_part() -> None:
    (group,) = failed_together([taken(row, "00:50:56:00:00:01") for row in range(2, 9)])
    assert group.text.startswith("7 failed [vm2, vm3, vm4, ...]: ")


def test_a_text_nobody_knows_is_shown_as_it_is() -> None:
    (group,) = failed_together([Outcome(2, "a", "failed", error="gremlins")])
    assert '"gremlins"' in group.text


def test_without_failures_there_is_nothing() -> None:
    assert failed_together([Outcome(2, "a", "imported")]) == []
