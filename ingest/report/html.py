"""The report of a run: one self-contained HTML page that needs no network, no script and no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from ingest.model.outcome import URGENCY, Outcome

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
 body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24 }
 h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
 table { border-collapse: collapse; width: 100%; font-size: .92em }
 th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee4; vertical-align: top }
 th { background: #f3f5f8; position: sticky; top: 0 }
 .n { text-align: right } code { font-size: .92em }
 .imported { color: #116329 } .failed, .unknown, .blocked, .critical { color: #a40e26 }
 .warning, .not-started { color: #7d4e00 }
 .big { display: inline-block; margin-right: 2rem } .big b { font-size: 1.6rem; display: block }
 @media (prefers-color-scheme: dark) {
  body { background: #0f1318; color: #d6dde5 } th { background: #1a212a } th, td { border-color: #2c3641 }
  .imported { color: #56d364 } .failed, .unknown, .blocked, .critical { color: #ff7b72 }
  .warning, .not-started { color: #e3b341 }
 }
</style>
<h1>{{ title }}</h1>
<p>{% for status, number in counts %}
<span class="big {{ status }}"><b>{{ number }}</b>{{ status }}</span>{% endfor %}</p>
{% if causes %}<h2>Findings by cause</h2>
<table><tr><th>Rule<th>Level<th class=n>Rows<th>What<th>Cure<th>VMs
{% for cause in causes %}<tr><td><code>{{ cause.rule }}</code><td class="{{ cause.level }}">{{ cause.level }}
<td class=n>{{ cause.rows }}<td>{{ cause.message }}<td>{{ cause.fix }}<td>{{ cause.vms }}
{% endfor %}</table>{% endif %}
<h2>Every row</h2>
<table><tr><th class=n>Row<th>VM<th>Status<th class=n>Seconds<th>Reason, error<th>CloudStack id
{% for one in outcomes %}<tr><td class=n>{{ one.row }}<td>{{ one.vm }}<td class="{{ one.status }}">{{ one.status }}
<td class=n>{{ "%.1f"|format(one.duration_s) if one.duration_s else "" }}<td>{{ one.error }}
<td><code>{{ one.vm_id }}</code>
{% endfor %}</table>
</html>
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """All findings of one rule, with one example of what and how to mend it."""

    rule: str
    level: str
    rows: int
    message: str
    fix: str
    vms: str


def causes_of(findings: Sequence[Mapping[str, str]]) -> list[Cause]:
    """Findings grouped by rule, the most severe first, then the most frequent."""
    grouped: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for finding in findings:
        grouped.setdefault((finding["rule"], finding["level"]), []).append(finding)
    causes = []
    for (rule, level), members in grouped.items():
        names = list(dict.fromkeys(member["vm"] for member in members))
        vms = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        rows = len({member["row"] for member in members})
        causes.append(Cause(rule, level, rows, members[0]["message"], members[0]["fix"], vms))
    severity = ("critical", "warning", "info")
    return sorted(causes, key=lambda cause: (severity.index(cause.level), -cause.rows, cause.rule))


def render_report(*, title: str, outcomes: Sequence[Outcome], findings: Sequence[Mapping[str, str]]) -> bytes:
    """The page, UTF-8."""
    counts = Counter(outcome.status for outcome in outcomes)
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(
        title=title,
        counts=[(status, counts[status]) for status in URGENCY if counts[status]],
        causes=causes_of(findings),
        outcomes=sorted(outcomes, key=lambda one: (URGENCY.index(one.status), one.row)),
    ).encode()
