"""Numbers and names as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sd_bench.statistics.digits import (
    count_decimals,
    count_digits,
    format_factor,
    format_factors,
    format_interval,
)

#: How many sweeps are named if a table has many; the others are counted.
_NUM_SWEEPS_NAMED = 3

#: Seconds below this are written with an exponent.
_LEAST_PLAIN_S = 0.01


def seconds(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Seconds with about four significant digits, or as many as their interval justifies.

    ``-`` for NaN.
    """
    if math.isnan(value):
        return "-"
    if value != 0 and abs(value) < _LEAST_PLAIN_S:
        return f"{value:.2e}"
    if not math.isnan(low) and not math.isnan(high):
        return f"{value:.{_seconds_decimals(value, low, high)}f}"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return f"{value:.{decimals}f}"


def seconds_interval(value: float, low: float, high: float) -> str:
    """The interval of seconds with as many decimals as its estimate ``value``; ``-`` for NaN."""
    if abs(value) < _LEAST_PLAIN_S and not math.isnan(low):
        return f"{low:.2e} to {high:.2e}"
    return format_interval(low, high, _seconds_decimals(value, low, high))


def _seconds_decimals(value: float, low: float, high: float) -> int:
    """Decimals for three significant digits of the largest, or more if the interval is narrow."""
    return count_decimals(low, high, count_digits(max(abs(value), abs(high))))


def percent(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """An improvement with its sign and one decimal, or as many as its interval; ``-`` for NaN.

    More than twice the time is shown as a factor, ``3.00x slower``.
    """
    if value < -100:
        ends = (1 - high / 100, 1 - low / 100)
        return f"{format_factor(1 - value / 100, *ends)}x slower"
    return signed_percent(value, count_decimals(low, high, 1))


def signed_percent(value: float, decimals: int = 1) -> str:
    """A percentage with its sign, as published; ``-`` for NaN."""
    if math.isnan(value):
        return "-"
    text = f"{value:+.{decimals}f} %"
    return text if text.strip("+-0. %") else f"{0:.{decimals}f} %"


def interval(low: float, high: float, unit: str = "") -> str:
    """``1.29 to 1.33`` with a unit, and with decimals that fit its width; ``-`` for NaN."""
    if not unit:
        return format_factors(low, high)
    return format_interval(low, high, count_decimals(low, high, 1), unit)


def factor(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A speed-up such as ``1.31x``, with decimals that fit its interval; ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{format_factor(value, low, high)}x"


def join_sweeps(names: Sequence[str]) -> str:
    """The first few sweeps by name, and how many more there are."""
    more = len(names) - _NUM_SWEEPS_NAMED
    named = ", ".join(names[:_NUM_SWEEPS_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def count_rounds(rounds: int) -> str:
    """``1 round``, ``2 rounds``."""
    return f"{rounds} round" if rounds == 1 else f"{rounds} rounds"


def join_words(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
