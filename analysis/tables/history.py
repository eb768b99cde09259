"""The table that ``history`` prints and writes: one row per cell and sweep."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from analysis.formatting import seconds, seconds_interval
from analysis.history.judgement import JudgedHistory, Shift
from analysis.history.points import Point
from analysis.tables.files import harmless
from analysis.tables.page import Page, Table
from analysis.wording.history import METHOD, name_commit, name_histories, name_sweeps, size_of
from sd_bench.verdicts.axes import AXES

_NUMERIC = ("rounds", "disturbed", "runtime [s]", "95 % interval [s]")
_CSV_COLUMNS = (
    *("machine", *AXES, "cell", "sweep", "date", "commit", "tree_changed", "torch"),
    *(
        "environment_changes",
        "rounds",
        "rounds_disturbed",
        "runtime_s",
        "runtime_low_s",
        "runtime_high_s",
    ),
    *("change_ratio", "change_low", "change_high", "change_p"),
)


def make_history_page(judged: Sequence[JudgedHistory]) -> Page:
    """A table of all points; the sentences of `say_histories` belong above it."""
    names = name_histories(judged)
    rows = [
        _row(name, each, at)
        for name, each in zip(names, judged, strict=True)
        for at in range(len(each.history.points))
    ]
    headings = [heading for heading in rows[0] if _is_shown(heading, rows)]
    bold = frozenset(at for at, row in enumerate(rows) if row["change"])
    table = Table(
        title=f"{len(judged)} {'cell' if len(judged) == 1 else 'cells'} over their sweeps",
        headings=headings,
        rows=[[row[heading] for heading in headings] for row in rows],
        numeric=frozenset(_NUMERIC),
        bold=bold,
    )
    return Page(title="History", tables=[table], notes=[METHOD])


def make_history_csv(judged: Sequence[JudgedHistory]) -> str:
    """One line per cell and sweep, with numbers in full precision.

    ``change_ratio`` is set at the first sweep of a new level: the seconds from there on over those
    before.
    """
    text = io.StringIO()
    lines = csv.DictWriter(text, _CSV_COLUMNS, lineterminator="\n", restval="")
    lines.writeheader()
    for name, each in zip(name_histories(judged), judged, strict=True):
        for at, point in enumerate(each.history.points):
            line = _line(name, each, point, _shift_at(each, at))
            lines.writerow({k: harmless(v) if isinstance(v, str) else v for k, v in line.items()})
    return text.getvalue()


def _is_shown(heading: str, rows: Sequence[dict[str, str]]) -> bool:
    """Whether a column is shown: not if it is empty or the same everywhere."""
    values = {row[heading] for row in rows}
    if heading in ("cell", "rounds"):
        return len(values) > 1
    return values != {""}


def _row(name: str, judged: JudgedHistory, at: int) -> dict[str, str]:
    point = judged.history.points[at]
    shift = _shift_at(judged, at)
    runtime_s, low, high, _ = point.runtime
    return {
        "cell": name,
        "sweep (UTC)": name_sweeps(judged.history.points)[at],
        "commit": name_commit(point),
        "rounds": str(point.rounds),
        "disturbed": str(point.disturbed or ""),
        "runtime [s]": seconds(runtime_s, low, high),
        "95 % interval [s]": seconds_interval(runtime_s, low, high),
        "change": size_of(shift) if shift else "",
        "what changed": ", ".join(map(str, point.changes)),
    }


def _shift_at(judged: JudgedHistory, at: int) -> Shift | None:
    return next((shift for shift in judged.shifts if shift.at == at), None)


def _line(name: str, judged: JudgedHistory, point: Point, shift: Shift | None) -> dict[str, object]:
    line: dict[str, object] = {axis: judged.history.row[axis] for axis in AXES}
    line |= {
        "machine": judged.history.machine,
        "cell": name,
        "sweep": point.sweep,
        "date": point.at.isoformat(),
        "commit": point.commit,
        "tree_changed": point.dirty,
        "torch": point.torch,
        "environment_changes": "; ".join(map(str, point.changes)),
        "rounds": point.rounds,
        "rounds_disturbed": point.disturbed,
        "runtime_s": point.runtime.seconds,
        "runtime_low_s": _known(point.runtime.low),
        "runtime_high_s": _known(point.runtime.high),
    }
    if shift is not None:
        line |= {
            "change_ratio": shift.ratio,
            "change_low": shift.low,
            "change_high": shift.high,
            "change_p": shift.p,
        }
    return line


def _known(value: float) -> float | str:
    return "" if math.isnan(value) else value
