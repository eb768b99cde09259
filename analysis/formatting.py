"""Numbers and tables as text, for the screen and for every kind of markup."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people: everything is text already; ``bold`` names rows by their index."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    numeric: frozenset[str] = frozenset()
    bold: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Tables that belong together, with the sentences that stand below them."""

    title: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)


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


def p_value(value: float) -> str:
    """A p-value with two significant digits; ``-`` for NaN."""
    return "-" if math.isnan(value) else "<1e-4" if value < 1e-4 else f"{value:.2g}"


def factor(value: float) -> str:
    """A speed-up such as ``1.31x``; ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{value:.2f}x"
