"""The documentation is true: every shell block runs, every generated page is up to date, every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import PAGES, REFERENCE
from ingest.cli.local_server import PrefectServer

ROOT = Path(__file__).parents[1]
WITH_BLOCKS = [
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/drift.md",
    "docs/how-to/edit-the-plan.md",
    "docs/how-to/own-checks.md",
    "docs/how-to/missing-networks.md",
    "docs/how-to/faults.md",
    "docs/how-to/interrupted-and-undo.md",
    "docs/how-to/recover.md",
    "docs/how-to/register-replicas.md",
    "docs/how-to/rehearse.md",
    "docs/how-to/rules.md",
    "docs/how-to/prefect.md",
    "docs/how-to/runbooks.md",
]
ALL_PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def _blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_page_with_shell_blocks_is_run() -> None:
    assert [page for page in ALL_PAGES if _blocks(page)] == sorted(WITH_BLOCKS)


@pytest.mark.server
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_shell_blocks_run(page: str, tmp_path: Path, server: PrefectServer, ingest_command: Path) -> None:
    script = "\n".join(_blocks(page))
    # `make test` is this very suite and `make demo` has a test of its own: here their recipes are resolved, not run.
    script = re.sub(r"^make (\w+)", rf"make -n -C {ROOT} \1", script, flags=re.MULTILINE)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_", "MAKE"))
    }
    path = f"{ingest_command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment |= {"PATH": path, "CHECKOUT": str(ROOT)}
    if "prefect server start" not in script:
        environment["PREFECT_API_URL"] = server.api_url
    # Whatever a page starts in the background ends with the page, also when a line fails.
    # A Prefect worker sometimes needs a second signal.
    end = (
        'for tenth in $(seq 0 69); do left=$(jobs -pr); test -n "$left" || break; '
        "test $((tenth % 10)) -ne 0 || kill $left 2>/dev/null || true; sleep 0.1; done; "
        'left=$(jobs -pr); test -z "$left" || kill -9 $left 2>/dev/null || true'
    )
    guard = f"set -euo pipefail\ntrap '{end}' EXIT\n"
    done = subprocess.run(
        ["bash", "-c", guard + script],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", [*ALL_PAGES, "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if not t.startswith(("http:", "https:"))]
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert missing == []
