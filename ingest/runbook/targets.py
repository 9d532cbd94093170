"""Targets against predictions and against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.model.outcome import Finding
from ingest.runbook.catalogue import found
from ingest.runbook.model import Runbook
from ingest.runbook.prediction import Prediction
from ingest.runbook.spans import in_words


def target_findings(runbook: Runbook, predictions: Sequence[Prediction]) -> list[Finding]:
    """Targets that would be missed as predicted, and those that contradict each other."""
    return [*_missed(runbook, predictions), *_contradictions(runbook)]


def _missed(runbook: Runbook, predictions: Sequence[Prediction]) -> Iterator[Finding]:
    for number, (wave, one) in enumerate(zip(runbook.waves, predictions, strict=True)):
        if wave.rto is not None and one.end_s > wave.rto.total_seconds():
            yield found(
                "RTO-001", f"wave {wave.name}: {_words(one)}, the target is {in_words(wave.rto)}",
                column=f"waves[{number}].rto", value=in_words(wave.rto),
            )  # fmt: skip
    last = predictions[-1]
    closing = [step.takes.total_seconds() for step in runbook.steps if step.when == "after" and step.takes]
    end_s = last.end_s + sum(closing)
    if end_s > runbook.rto.total_seconds():
        bound = "" if last.complete else "at least "
        yield found(
            "RTO-001", f"the whole recovery is predicted to take {bound}{in_words(end_s)}, the target is "
            f"{in_words(runbook.rto)}", column="rto", value=in_words(runbook.rto),
        )  # fmt: skip


def _words(one: Prediction) -> str:
    parts = {
        "people before it": one.before_s,
        "imports": one.imports_s,
        "starts after the last import": one.starts_s,
        "people after it": one.after_s,
    }
    shares = ", ".join(f"{in_words(seconds)} {what}" for what, seconds in parts.items() if seconds)
    bound = "" if one.complete else "at least "
    return f"predicted to end after {bound}{in_words(one.end_s)} ({shares or 'after the waves before it'})"


def _contradictions(runbook: Runbook) -> Iterator[Finding]:
    latest, of_wave = None, ""
    for number, wave in enumerate(runbook.waves):
        key = f"waves[{number}]"
        if wave.rto is not None:
            if wave.rto > runbook.rto:
                text = (
                    f"wave {wave.name} may take {in_words(wave.rto)}, the whole recovery only {in_words(runbook.rto)}"
                )
                yield found("RTO-002", text, column=f"{key}.rto", value=in_words(wave.rto))
            if latest is not None and wave.rto < latest:
                text = f"wave {wave.name} is due after {in_words(wave.rto)}, before {of_wave} ({in_words(latest)})"
                yield found("RTO-002", text, column=f"{key}.rto", value=in_words(wave.rto))
            latest, of_wave = wave.rto, wave.name
        if wave.timeout is not None:
            for index, check in enumerate(wave.checks):
                if check.longest > wave.timeout:
                    text = (
                        f"wave {wave.name} is given up after {in_words(wave.timeout)}, its {check.kind} check may take "
                        f"{in_words(check.longest)}"
                    )
                    yield found("RTO-002", text, column=f"{key}.checks[{index}]", value=in_words(check.longest))
