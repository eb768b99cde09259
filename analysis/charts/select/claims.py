"""What a chart may claim: a difference only where a verdict does."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.deltas import name_cell
from analysis.rows import Row, list_rows
from analysis.wording.answers import answer_rows
from sd_bench.statistics.digits import format_factor
from sd_bench.verdicts.answers import IS_BASELINE, NO_BASELINE


def add_answers(deltas: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``answer`` and ``baseline_series``: what people call a row's baseline.

    The table must be whole: a row's baseline is looked for in it.
    """
    rows = list_rows(deltas)
    series = {name_cell(row): str(row["series"]) for row in rows}
    named = [series.get(str(row["baseline_cell"]), "") for row in rows]
    told = [
        name if name not in ("", row["series"]) else str(row["baseline"])
        for name, row in zip(named, rows, strict=True)
    ]
    answers = answer_rows(deltas) if rows else []
    return deltas.assign(
        answer=pd.Series(answers, index=deltas.index, dtype=object),
        baseline_series=pd.Series(told, index=deltas.index, dtype=object),
    )


def name_verdict(row: Row) -> str:
    """The word of a row's answer; nothing for a baseline, or where there is no comparison."""
    if row["status"] != "ok" or row["answer"].word in (IS_BASELINE, NO_BASELINE):
        return ""
    return str(row["answer"].word)


def state_claim(row: Row) -> str:
    """``flash is 1.16 times as fast as math``; nothing where no verdict claims a difference."""
    if not row["answer"].claims_difference:
        return ""
    value, low, high = row["speedup"], row["speedup_low"], row["speedup_high"]
    if row["answer"].word == "faster":
        times = format_factor(value, low, high)
        return f"{row['series']} is {times} times as fast as {row['baseline_series']}"
    times = format_factor(1 / value, 1 / high, 1 / low)
    return f"{row['series']} takes {times} times as long as {row['baseline_series']}"
