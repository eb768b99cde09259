"""How many decimals to show, so that the two ends of an interval do not look the same."""

from __future__ import annotations

import math

#: The width of an interval is at least this many units of the last decimal shown.
_LEAST_UNITS = 1.5

#: More decimals are not shown, unless an end would look like 1.
_MOST_DECIMALS = 5

#: At most this many further decimals are shown if an end would otherwise look like 1.
_MORE_TO_TELL = 2


def count_decimals(low: float, high: float, fewest: int = 2) -> int:
    """The number of decimals at which the ends of an interval differ, at least ``fewest``.

    It is ``fewest`` for an interval of zero or unknown width (NaN).
    """
    width = high - low
    if not 0 < width < math.inf:
        return fewest
    needed = math.ceil(math.log10(_LEAST_UNITS / width) - 1e-9)  # exactly that many units suffice
    return max(fewest, min(needed, _MOST_DECIMALS))


def count_digits(value: float, significant: int = 3) -> int:
    """The number of decimals at which ``value`` has ``significant`` digits; 0 for large numbers."""
    if not math.isfinite(value) or value == 0:
        return significant - 1
    return max(0, significant - 1 - math.floor(math.log10(abs(value))))


def count_factor_decimals(low: float, high: float) -> int:
    """The decimals for the interval of a factor, so that an end near 1 does not look like 1."""
    decimals = count_decimals(low, high)
    for more in range(_MORE_TO_TELL + 1):
        if not any(_looks_like_one(end, decimals + more) for end in (low, high)):
            return decimals + more
    return decimals


def format_interval(low: float, high: float, decimals: int, unit: str = "") -> str:
    """``1.29 to 1.33``, followed by ``unit``; ``-`` for NaN."""
    if math.isnan(low) or math.isnan(high):
        return "-"
    return f"{low:.{decimals}f} to {high:.{decimals}f}{unit}"


def format_factors(low: float, high: float) -> str:
    """The interval of a factor, ``1.10 to 1.22`` or ``0.912 to 0.914``; ``-`` for NaN."""
    return format_interval(low, high, count_factor_decimals(low, high))


def format_factor(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A factor, ``1.16``, with the decimals of its interval; ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{value:.{count_factor_decimals(low, high)}f}"


def _looks_like_one(value: float, decimals: int) -> bool:
    return value != 1 and f"{value:.{decimals}f}" == f"{1:.{decimals}f}"
