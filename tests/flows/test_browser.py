"""What a person sees and does in the Prefect UI, in a real browser: fill in the form, start, approve, look.

Screenshots are kept in .ingest/screenshots, or in the folder BROWSER_SCREENSHOTS names.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ingest.cli.local_server import PrefectServer
from ingest.data_files import data_file
from ingest.twin.serving import Twin
from ingest.twin.worldfile import load_world
from tests.flows.prefect_api import call, run_until, suspended

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is absent: make browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(900),  # drawn without a graphics card, it takes minutes on a busy machine
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent: apt-get install chromium"),
]

PATIENCE_MS = 60_000
"""For what the UI shows by itself: it asks the server every few seconds, and the machine may be busy."""


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Twin]:
    """The demo's site: most VMs can be imported, some are blocked, one is in a later wave."""
    world = load_world(data_file("demo-world.yaml"))
    world.cloud.import_seconds, world.cloud.import_jitter_seconds = 0.1, 0.0
    with Twin(world) as running:
        for name in [name for name in os.environ if name.startswith("INGEST_")]:
            monkeypatch.delenv(name)
        settings = running.environment() | {
            "INGEST_RUN_FOLDER": str(tmp_path / "runs"),
            "INGEST_RUN_STATE": str(tmp_path / "state"),
            "INGEST_RUN_RULES": str(data_file("rules.yaml").resolve()),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield running


@contextmanager
def _browser(hosts: set[str]) -> Iterator[Page]:
    """A page of an empty profile. `hosts` gets every host a page asked for; none but this machine can be found."""
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-dev-shm-usage", "--disable-gpu"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
    playwright.expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)

        def note(url: str) -> None:
            hosts.update(filter(None, [urlsplit(url).hostname]))

        context.on("request", lambda request: note(request.url))
        page = context.new_page()
        page.on("websocket", lambda socket: note(socket.url))
        try:
            yield page
        finally:
            browser.close()


def _shot(page: Page, name: str) -> None:
    folder = Path(os.environ.get("BROWSER_SCREENSHOTS", ".ingest/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(700)  # what is drawn on a canvas cannot be waited for otherwise
    page.screenshot(path=folder / f"{name}.png")


def _field(where: Page | Locator, page: Page, title: str) -> Locator:
    """The innermost field with this title: its help text and its box."""
    label = page.locator(".schema-form-property__label", has_text=re.compile(f"^{re.escape(title)}"))
    return where.locator(".schema-form-property", has=label).last


def _tab(page: Page, name: str) -> None:
    page.get_by_text(name, exact=True).first.click()


def test_a_person_imports_in_the_browser(server: PrefectServer, worker: None, twin: Twin) -> None:
    hosts: set[str] = set()
    journal = twin.world.cloud.journal
    with _browser(hosts) as page:
        run = _start(page, server)
        now = run_until(server, {"id": run}, lambda known: suspended(server, known))
        assert journal.imports == []
        _approve(page)
        now = run_until(server, {"id": run})
        message = now["state"]["message"]
        times = Counter(moref for moref, _ in journal.imports)
        assert message.startswith(f"{len(times)} imported, ")
        assert len(times) > 50
        assert set(times.values()) == {1}
        _look(page, server, now["name"], message, len(times))
    assert hosts == {"127.0.0.1"}


def _start(page: Page, server: PrefectServer) -> str:
    """Open the deployment, have a bad value refused, start a real run. The flow run's id."""
    begun = datetime.now(UTC).isoformat()
    deployment = call(server, "GET", "/deployments/name/import-vms/import")
    made = {"deployment_id": {"any_": [deployment["id"]]}, "expected_start_time": {"after_": begun}}
    page.goto(f"{server.ui_url}/deployments")
    page.get_by_role("link", name="import", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    in_flight = _field(page, page, "Imports in flight")
    playwright.expect(in_flight).to_contain_text("At any moment, all batches of the run together")
    playwright.expect(in_flight).to_contain_text("max_concurrent_imports, 1 to 100")
    playwright.expect(_field(page, page, "How the run waits").locator(".p-select-button")).to_have_text("suspend")
    playwright.expect(_field(page, page, "dry_run").get_by_role("switch")).to_be_checked()
    _shot(page, "1-form")
    in_flight.locator("input").fill("1000")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("'limits.max_concurrent_imports'. Failure reason: 1000 is greater than").first.wait_for()
    _shot(page, "2-refused")
    assert call(server, "POST", "/flow_runs/filter", flow_runs=made) == []
    in_flight.locator("input").fill("6")
    _field(page, page, "dry_run").get_by_role("switch").click()
    _shot(page, "3-form-filled-in")
    run = _submit(page, page, "/create_flow_run")
    page.goto(f"{server.ui_url}/runs/flow-run/{run['id']}")
    return str(run["id"])


def _approve(page: Page) -> None:
    page.get_by_text("Suspended", exact=True).first.wait_for()
    _shot(page, "4-suspended")
    page.get_by_role("button", name="Resume").click()
    form = page.locator(".p-modal")
    playwright.expect(form).to_contain_text("VMs would be imported")
    playwright.expect(form).to_contain_text("no network is named for Network adapter 1 on 'trunk-all'")
    form.get_by_role("button", name="Submit").click()
    playwright.expect(form).to_contain_text("'decision' is a required property")
    decision = _field(form, page, "Decision")
    decision.locator("button.p-select-button__control").press("ArrowDown")
    choices = page.locator(".p-select-option")
    playwright.expect(choices).to_have_text(
        ["approve everything", "approve only wave 1", "approve only wave 2", "reject"]
    )
    choices.first.click()
    playwright.expect(decision.locator(".p-select-button")).to_have_text("approve everything")
    _field(form, page, "Your name").locator("textarea").fill("Ann")
    _field(form, page, "Reason or ticket").locator("textarea").fill("change 4711")
    _shot(page, "5-approval")
    assert _submit(page, form, "/resume")["status"] == "ACCEPT"
    form.wait_for(state="hidden")


def _submit(page: Page, where: Page | Locator, path: str) -> dict[str, Any]:
    """Press Submit as a person does: again, when the server says that its database is busy. What it answered."""
    for _ in range(10):
        with page.expect_response(lambda answer: urlsplit(answer.url).path.endswith(path)) as answered:
            where.get_by_role("button", name="Submit").click()
        if answered.value.status != 503:
            break
        page.wait_for_timeout(2000)
    assert answered.value.ok, answered.value.text()
    return dict(answered.value.json())


def _look(page: Page, server: PrefectServer, name: str, message: str, imported: int) -> None:
    """The finished run: state and message, stages, batches, artifacts."""
    page.set_viewport_size({"width": 1280, "height": 1600})  # lists are filled only where they are seen
    page.get_by_text("Completed", exact=True).first.wait_for()
    page.get_by_text(name, exact=True).first.wait_for()
    here = page.url.partition("?")[0]
    page.goto(here)  # the graph of a run that was followed keeps the scale of its start
    _tab(page, "Details")
    page.get_by_text(message).first.wait_for()
    _shot(page, "6-completed")
    # What the graph is drawn from; by itself it is a picture.
    drawn = _graph(server, here)
    for stage in ("discover_networks", "list_unmanaged", "enrich_csv", "validate", "report_results"):
        assert [label for label in drawn if label.startswith(stage)], drawn
    assert [label for label in drawn if "6 in flight" in label], drawn
    seen = {
        "approval": f"{imported} VMs would be imported",
        "plan": f"{imported + 7} VMs to import",
        "findings": "CloudStack does not see disk Hard disk 2",
        "import-progress": "100%",
        "outcomes": message,
        "failures": "Nothing failed",
    }
    _tab(page, "Artifacts")
    cards = {key: page.get_by_text(key, exact=True).first.locator("xpath=ancestor-or-self::a") for key in seen}
    links = {key: card.get_attribute("href") for key, card in cards.items()}
    page.get_by_text("import-now", exact=True).first.wait_for()
    _shot(page, "7-artifacts")
    _tab(page, "Subflow Runs")
    batches = page.get_by_role("link", name=re.compile("6 in flight")).first.get_attribute("href")
    for key, text in seen.items():
        page.goto(f"{server.ui_url}{links[key]}")
        page.get_by_text(re.compile(re.escape(text))).first.wait_for()
        _shot(page, f"8-{key}")
    page.goto(f"{server.ui_url}{batches}")
    page.get_by_text("Completed", exact=True).first.wait_for()
    page.wait_for_timeout(3000)  # the graph moves into place
    _shot(page, "9-batches")
    assert [label for label in _graph(server, page.url) if re.match(r"import #1: .* \(\d+ VMs\)", label)]


def _graph(server: PrefectServer, url: str) -> list[str]:
    """The labels of the graph on a run's page."""
    run = urlsplit(url).path.rpartition("/")[2]
    return [node["label"] for _, node in call(server, "GET", f"/flow_runs/{run}/graph-v2")["nodes"]]
