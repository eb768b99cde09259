"""The table of a race: which candidates are still in it, and why the others left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.screens.tables import ScreenTable
from sd_bench.statistics.digits import count_digits, format_factor, format_factors

_STYLES = {"in": "green", "racing": "cyan", "starting": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """One row of the table: a candidate.

    ``call_s`` is in seconds per UNet call. ``speedup`` with its interval ``low`` to ``high`` is
    relative to what the candidate was tried on top of. ``reason`` says why it left the race.
    """

    label: str
    status: str
    call_s: float | None
    speedup: float | None
    low: float | None
    high: float | None
    reason: str


def tabulate_race(runners: Sequence[Runner]) -> ScreenTable:
    """A table with one row per candidate, in the order in which they started."""
    return ScreenTable(
        headings=("candidate", "UNet call [s]", "times as fast", "95 % interval", "status"),
        rows=[
            [each.label, _seconds(each.call_s), *_estimate(each), _status(each)] for each in runners
        ],
        numeric=frozenset({"UNet call [s]", "times as fast"}),
        styles=_STYLES,
    )


def name_estimate(runner: Runner) -> str:
    """The speed-up with its interval, or "-" if there is none."""
    times, interval = _estimate(runner)
    return times if times == "-" else f"{times} ({interval})"


def _estimate(runner: Runner) -> tuple[str, str]:
    if runner.speedup is None or runner.low is None or runner.high is None:
        return "-", "-"
    times = format_factor(runner.speedup, runner.low, runner.high)
    return times, format_factors(runner.low, runner.high)


def _status(runner: Runner) -> str:
    return f"{runner.status}: {runner.reason}" if runner.reason else runner.status


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.{count_digits(value)}f}"
