"""Great Expectations over one table: which records break which rule.

One ephemeral context per call (a shared one mixes up results between threads). A rule that could not be evaluated is an
error, never a pass: Great Expectations reports a crashed rule as a failure without rows.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that does not hold. `records` are positions in the table; empty: it speaks of the whole table, and
    `observed` is what was there."""

    records: tuple[int, ...]
    observed: str = ""


class NotEvaluated(RuntimeError):
    """A rule crashed or was not run. `rule` is its id, `reason` the first line of what went wrong."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"rule {rule} could not be evaluated: {reason}")
        self.rule = rule
        self.reason = reason


def library() -> Any:
    """The module great_expectations.expectations, imported late: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised while Great Expectations is imported
        from great_expectations import expectations
    return expectations


def failures(frame: pd.DataFrame, rules: Sequence[tuple[str, Any]]) -> Mapping[str, Failure]:
    """The rules (id, expectation) that do not hold on a table, by id. Raises NotEvaluated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    keyed = frame.assign(_key=range(len(frame)))
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for rule, expectation in rules:
        expectation.meta = {"rule": rule}
    batch = (
        context.data_sources.add_pandas("plan")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("all")
        .get_batch(batch_parameters={"dataframe": keyed})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas about groups in regular expressions: people write them
        result = batch.validate(
            gx.ExpectationSuite(name="plan", expectations=[expectation for _, expectation in rules]),
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["_key"]},
        )
    evaluated = {outcome.expectation_config.meta["rule"] for outcome in result.results}
    for rule, _ in rules:
        if rule not in evaluated:
            raise NotEvaluated(rule, "Great Expectations gave no result for it")
    return {
        outcome.expectation_config.meta["rule"]: _failure(outcome) for outcome in result.results if not outcome.success
    }


def _failure(outcome: Any) -> Failure:
    rule = outcome.expectation_config.meta["rule"]
    for info in _exceptions(outcome.exception_info or {}):
        if info.get("raised_exception"):
            lines = str(info.get("exception_message") or "unknown").strip().splitlines()
            raise NotEvaluated(rule, lines[0] if lines else "unknown")
    bad = outcome.result.get("unexpected_index_list")
    if bad:
        return Failure(tuple(int(key["_key"]) for key in bad))
    if "observed_value" in outcome.result:
        return Failure((), str(outcome.result["observed_value"]))
    raise NotEvaluated(rule, "it failed without naming a record")


def _exceptions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One exception's facts, or several by metric: Great Expectations has both forms."""
    if "raised_exception" in info:
        return [info]
    return [one for one in info.values() if isinstance(one, Mapping)]
