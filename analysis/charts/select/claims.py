"""What a chart may claim: a difference only if a verdict states it."""

from __future__ import annotations

from analysis.wording.answers import AnsweredRow
from sd_bench.statistics.digits import format_factor
from sd_bench.verdicts.answers import IS_BASELINE, NO_BASELINE


def name_verdict(row: AnsweredRow) -> str:
    """The word of a row's answer; empty for a baseline or without a comparison."""
    return "" if row.status != "ok" or row.word in (IS_BASELINE, NO_BASELINE) else row.word


def state_claim(row: AnsweredRow) -> str:
    """``flash is 1.16 times as fast as math``; empty if no verdict claims a difference."""
    if row.answer is None or not row.answer.claims_difference:
        return ""
    value, low, high = row.speedup, row.speedup_low, row.speedup_high
    if row.word == "faster":
        times = format_factor(value, low, high)
        return f"{row.series} is {times} times as fast as {row.baseline_series}"
    times = format_factor(1 / value, 1 / high, 1 / low)
    return f"{row.series} takes {times} times as long as {row.baseline_series}"
