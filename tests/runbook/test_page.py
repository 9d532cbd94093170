"""The printed runbook: all a person needs is on it, nothing it needs is elsewhere, each wave on paper of its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from ingest.cli.main import COMMANDS, GROUPS, app
from ingest.plan.sheet import Sheet
from ingest.runbook.assignment import assign_waves
from ingest.runbook.model import Runbook
from ingest.runbook.page import begin_commands, render_runbook, trouble_commands
from tests.plan import small_site as site
from tests.runbook.books import book, plan

EVIL = "<script>alert('x')</script>"
TEXT = """
description: how it comes back
people:
  - {role: storage team, reach: ext. 200}
  - {role: owner}
sites: [{name: s, datastores: ["ds*", "nfs1"], cluster: c1, folder: Back}]
networks: {table: [{vlan: 100, new: dr-100}], subnets: [{old: 10.1.0.0/16, new: 10.9.0.0/16}]}
steps: [{say: everybody is told, who: owner, when: after}]
waves:
  - name: first
    select: {name: ["web*", "db*"]}
    critical: {name: "db*"}
    rto: 30min
    timeout: 1h
    prerequisites: [LUNs]
    start: {order: [{name: "db*"}], delay: 5s}
    steps: [{name: LUNs, say: LUNs are writable, who: storage team, takes: 10min}]
    checks: [{kind: http, url: "http://{ip}/health", text: fine}, {kind: tcp, port: 5432, select: {name: "db*"}}]
  - {name: second, select: {}, gate: ask, asks: owner, prerequisites: [first]}
"""


class Page(HTMLParser):
    """Texts by element, with all tags and attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.sections: list[str] = [""]
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self.sections.append("")

    def handle_data(self, data: str) -> None:
        self.sections[-1] += f" {' '.join(data.split())}" if data.strip() else ""


def page(runbook: Runbook, sheet: Sheet | None = None) -> Page:
    done = assign_waves(runbook, sheet, import_s=60, in_flight=1)
    return Page(
        render_runbook(runbook, done, file="my book.yaml", plan="p.csv" if sheet else "", findings=done.findings)
    )


def some_plan() -> Sheet:
    return plan(site.web01(nics=(site.nic(1, "01", ipv4=("10.1.0.7",)),)), site.app02(), site.db_03())


def test_the_page_says_everything_of_every_wave() -> None:
    head, first, second, last = page(book(TEXT), some_plan()).sections
    for words in (
        "how it comes back", "4 h", "storage team", "ext. 200", "ds*, nfs1", "c1", "Back", "vlan 100", "network dr-100",
        "10.9.0.0/16, host part kept", "ingest runbook check 'my book.yaml' --plan p.csv",
    ):  # fmt: skip
        assert words in head, words
    for words in (
        "Wave 1: first", "target 30 min", "name web*, db*", "signed: LUNs are writable (LUNs)", "(about 10 min)",
        "1 h after its begin", "first name db*, then the others; 5 s apart", "Nothing more begins.",
        "http://{ip}/health answers 200 with the text “fine”", "port 5432 is accepted (name db*)", "10.9.0.7",
        "12 min after the start",
    ):  # fmt: skip
        assert words in first, words
    assert first.index("db_03") < first.index("web01"), "in the order of their start"
    assert "app02" not in first
    for words in ("Wave 2: second", "no target", "wave first ended well", "Owner decides", "app02", "off"):
        assert words in second, words
    for words in ("everybody is told", "ingest recover --resume RUN --yes", "ingest fail-back RUN", "Notes"):
        assert words in last, words


def test_findings_stand_on_the_first_page() -> None:
    head = page(book(TEXT), some_plan()).sections[0]
    assert "Before this page is relied on" in head
    assert "CHECK-001 db_03: tcp check of first: nic1_ip and nic1_guest_ip have no address" in head


def test_of_many_findings_the_worst_are_shown_and_the_others_counted() -> None:
    waves = ", ".join(f"{{name: w{n}, select: {{name: no{n}}}}}" for n in range(30))
    head = page(book(f"waves: [{waves}, {{name: last, select: {{}}, prerequisites: [lost]}}]"), some_plan()).sections[0]
    assert head.index("PRE-001") < head.index("WAVE-003")
    assert (head.count("WAVE-003"), "and 11 more" in head) == (19, True)


def test_without_a_plan_the_page_has_no_vms() -> None:
    sections = page(book(TEXT)).sections
    assert all("in the order of their start" not in one for one in sections)
    assert "plan.csv" in sections[0]


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    done = page(book(TEXT), some_plan())
    assert not {"script", "link", "img", "iframe", "object"} & set(done.tags)
    assert not [name for name, _ in done.attributes if name in ("src", "href") or name.startswith("on")]


def test_what_people_write_is_shown_and_never_run() -> None:
    runbook = book(
        f'description: "{EVIL}"\npeople: [{{role: "{EVIL}"}}]\nwaves: [{{name: "{EVIL}", select: {{}}, '
        f'about: "{EVIL}", steps: [{{say: "{EVIL}", who: "{EVIL}"}}]}}]'
    )
    sheet = plan(site.web01())
    sheet.rows[0]["vm"] = EVIL
    done = page(runbook, sheet)
    assert "script" not in done.tags
    assert " ".join(done.sections).count(EVIL) >= 6


def test_on_paper_each_wave_begins_a_page_of_its_own() -> None:
    html = render_runbook(book(TEXT), assign_waves(book(TEXT), None), file="b.yaml").decode()
    style = html[html.index("<style>") : html.index("</style>")]
    assert re.search(r"@page \{ size: A4", style)
    assert re.search(r"\.wave, \.last \{ break-before: page \}", style)
    assert html.count("<section class=wave>") == 2


@pytest.mark.parametrize("line", [one.line for one in (*begin_commands("b.yaml", "p.csv"), *trouble_commands())])
def test_every_command_on_the_page_exists_with_these_options(line: str) -> None:
    words = line.split()
    assert words[0] == "ingest"
    path = words[1 : 3 if words[1] in GROUPS else 2]
    assert path[0] in COMMANDS
    command, bound, ignored = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.args or bound.kwargs or words[1:] == path
    assert not ignored
