"""What a person reads before they approve: every number that matters, and never more than a screen of it."""

from __future__ import annotations

from ingest.report.approval import WaveInShort, approval_text, undo_text
from ingest.report.causes import causes_of


def _findings(rules: int) -> list[dict[str, str]]:
    return [
        {
            "rule": f"R-{one:03}",
            "level": "critical",
            "row": str(one + 2),
            "vm": f"vm{one}",
            "message": "a _ b",
            "fix": "",
        }
        for one in range(rules)
    ]


def test_everything_that_matters_and_no_more() -> None:
    text = approval_text(
        folder="/runs/x",
        digest="0123456789abcdef" * 4,
        report="findings.html",
        waves=[WaveInShort(1, waiting=0, done=4), WaveInShort(2, waiting=9_996, done=0)],
        blocked=25,
        causes=causes_of(_findings(25)),
        stopped={"shutdown": [f"web{one}" for one in range(500)], "off": ["db1"]},
        started=["web1"],
    )
    assert "**9996 VMs would be imported**, 25 rows blocked, 4 done." in text
    assert "| 2 | 9996 | 0 |" in text
    assert "**500 running VMs to be asked to shut down** before the import: `web0`" in text
    assert "`web11` and 488 more." in text
    assert "**1 running VM to be shut down, switched off hard if the guest does not** before the import: `db1`." in text
    assert "1 VM to be started in CloudStack afterwards: `web1`." in text
    assert "\n- **critical**, 1 row, `R-000`: a \\_ b\n" in text
    assert "\n- and 15 more causes\n" in text
    assert "Plan `0123456789ab` in `/runs/x`" in text
    assert len(text) < 3000


def test_nothing_is_switched_off_is_said() -> None:
    text = approval_text(
        folder="f", digest="d", report="r", waves=[WaveInShort(1, 1, 0)], blocked=0, causes=[], stopped={}, started=[]
    )
    assert "No running VM is switched off." in text
    assert "wave" not in text


def test_undo_in_short() -> None:
    rows = [("vm", f"web{one}", "to-undo", "") for one in range(30)]
    rows += [("vm", "db1", "refused", "it has snapshots"), ("network", "lan", "to-delete", "")]
    text = undo_text(rows)
    assert text.startswith("**30 vms to-undo, 1 vms refused, 1 networks to-delete**")
    assert "CloudStack forgets, vCenter keeps: `web0`" in text
    assert "and 18 more." in text
    assert "Deleted if empty by then: `lan`." in text
    assert "| db1 | refused | it has snapshots |" in text
