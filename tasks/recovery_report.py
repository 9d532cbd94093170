"""The report of a recovery in the Prefect UI."""

from __future__ import annotations

from ingest.recovery.report import Report
from ingest.runbook.spans import in_words
from tasks.artifacts import markdown, table


def recovery_report(report: Report) -> None:
    """The artifacts `recovery` (waves, RTO) and `recovery-vms` (what needs a hand)."""
    sums = ", ".join(f"{number} {word}" for word, number in report.counts.items())
    lines = [f"**RTO: {report.verdict}**\n", f"{sums}\n", f"{report.rpo}\n"]
    lines += [
        f"- wave {wave.number} {wave.name}: {wave.verdict}"
        + (f", over after {in_words(wave.ended_s)}" if wave.ended_s is not None else "")
        + (f" ({wave.why})" if wave.why else "")
        for wave in report.waves
    ]
    lines.append(f"\nThe whole report: `{report.folder}/recovery.html` on the worker")
    markdown("recovery", "\n".join(lines), f"RTO: {report.verdict}")
    bad = [
        {"wave": wave.name, "vm": vm.vm, "critical": vm.critical, "imported": vm.imported, "started": vm.started,
         "healthy": vm.healthy, "why": vm.why}
        for wave in report.waves
        for vm in wave.vms
        if not vm.well
    ]  # fmt: skip
    table("recovery-vms", bad, "VMs that need a hand.")
