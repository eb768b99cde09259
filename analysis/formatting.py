"""Numbers and names as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Sweeps that are named where many went into a table; the others are counted.
_NUM_SWEEPS_NAMED = 3


def seconds(value: float) -> str:
    """Seconds with about four significant digits; ``-`` for NaN."""
    if math.isnan(value):
        return "-"
    if value != 0 and abs(value) < 0.01:
        return f"{value:.2e}"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{decimals}f}"


def percent(value: float) -> str:
    """A signed percentage with one decimal; ``-`` for NaN."""
    if math.isnan(value):
        return "-"
    text = f"{value:+.1f} %"
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text


def interval(low: float, high: float, unit: str = "") -> str:
    """``1.29 to 1.33`` with two decimals and a unit behind; ``-`` for NaN."""
    if math.isnan(low) or math.isnan(high):
        return "-"
    decimals = 1 if unit == " %" else 2
    return f"{low:.{decimals}f} to {high:.{decimals}f}{unit}"


def factor(value: float) -> str:
    """A speed-up such as ``1.31x``; ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{value:.2f}x"


def join_sweeps(names: Sequence[str]) -> str:
    """The first few sweeps by name, and how many more there are."""
    more = len(names) - _NUM_SWEEPS_NAMED
    named = ", ".join(names[:_NUM_SWEEPS_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def count_rounds(rounds: int) -> str:
    """``1 round``, ``2 rounds``."""
    return f"{rounds} round" if rounds == 1 else f"{rounds} rounds"
