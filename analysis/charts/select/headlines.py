"""The first chart of a report: speed-ups, one chart per machine and workload."""

from __future__ import annotations

import math

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.speedups import Speedup, SpeedupChart
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.charts.select.claims import name_verdict, state_claim
from analysis.charts.select.file_names import find_unused, name_file
from analysis.rows import first_row, list_rows, varies
from analysis.series import order_series
from analysis.wording.answers import AnsweredRow, add_answers
from analysis.wording.cell_names import describe_workload
from sd_bench.statistics.digits import format_factor
from sd_bench.verdicts.answers import NO_CLAIM
from sd_bench.verdicts.axes import WORKLOAD_AXES, rank

#: How many comparisons a chart shows; those with the largest decided differences are kept.
_MOST_ROWS = 24


def select_headlines(deltas: pd.DataFrame) -> dict[str, SpeedupChart]:
    """The charts by file name without suffix; none if nothing is compared."""
    charts: dict[str, SpeedupChart] = {}
    answered = add_answers(deltas)
    compared = answered[[bool(name_verdict(row)) for row in list_rows(answered, AnsweredRow)]]
    place = ["machine", "baseline_series", *WORKLOAD_AXES]
    for _, cells in compared.groupby(place, sort=False, dropna=False):
        first = first_row(cells, AnsweredRow)
        stem = name_file(f"speedup_{first.machine}", first, deltas)
        charts[find_unused(stem, charts)] = _chart(cells)
    return charts


def _chart(cells: pd.DataFrame) -> SpeedupChart:
    series = order_series(cells)
    rows = list_rows(cells, AnsweredRow)
    rows.sort(key=lambda r: (rank("batch_size", r.batch_size), series.index(str(r.series))))
    shown = _most_telling(rows)
    first = rows[0]
    left_out = f"{len(shown)} of {len(rows)} comparisons." if len(shown) < len(rows) else ""
    return SpeedupChart(
        title=_title(rows),
        subtitle=_subtitle(cells),
        x_label=_label(series, first),
        rows=_rows(shown),
        colours=colour_series(series),
        caption=make_caption(
            "Right of the line is faster. Bars are 95 % intervals; a hollow dot has no verdict.",
            left_out,
            explain_signs(f"{row.flags}{row.baseline_flags}" for row in shown),
        ),
        origin=note_origin(cells),
    )


def _subtitle(cells: pd.DataFrame) -> str:
    first = first_row(cells, AnsweredRow)
    shared = [axis for axis in ("sampler", "precision") if not varies(cells, axis)]
    size = "" if varies(cells, "batch_size") else f", {_name_size(first)}"
    return f"{describe_workload(first, *shared)}{size}, on {first.machine}"


def _label(series: list[str], first: AnsweredRow) -> str:
    times = f"times as fast as {first.baseline_series}"
    label = f"{series[0]}: {times}" if len(series) == 1 else f"T{times[1:]}"
    return f"{label}, with its 95 % interval"


def _rows(rows: list[AnsweredRow]) -> list[Speedup]:
    several = len({row.series for row in rows}) > 1
    sizes = len({row.batch_size for row in rows}) > 1
    return [
        Speedup(
            name=str(row.series) if several or not sizes else _name_size(row),
            series=str(row.series),
            value=row.speedup,
            low=row.speedup_low,
            high=row.speedup_high,
            text=f"{format_factor(row.speedup, row.speedup_low, row.speedup_high)}x",
            word=name_verdict(row),
            decided=row.word in ("faster", "slower", "same"),
            group=_name_size(row) if several and sizes else "",
        )
        for row in rows
    ]


def _most_telling(rows: list[AnsweredRow]) -> list[AnsweredRow]:
    """All rows, or those with a verdict and the largest differences, in their order."""
    if len(rows) <= _MOST_ROWS:
        return rows
    telling = sorted(rows, key=lambda r: (not state_claim(r), -abs(math.log(r.speedup))))
    kept = {id(row) for row in telling[:_MOST_ROWS]}
    return [row for row in rows if id(row) in kept]


def _title(rows: list[AnsweredRow]) -> str:
    """A title with the largest gain that a verdict claims, else the largest loss, else no claim."""
    claims = [row for row in rows if state_claim(row)]
    faster = [row for row in claims if row.word == "faster"]
    if faster:
        best = max(faster, key=lambda row: row.speedup)
        return f"{state_claim(best)} at {_name_size(best)}"
    if claims:
        worst = min(claims, key=lambda row: row.speedup)
        return f"{state_claim(worst)} at {_name_size(worst)}"
    words = {row.word for row in rows}
    both = f"{_name_series(rows)} and {rows[0].baseline_series}"
    if words == {"same"}:
        margin = 100 * max(row.margin for row in rows)
        return f"{both} are equally fast, within {margin:g} %"
    if words == {NO_CLAIM}:
        return f"{both} cannot be compared fairly: no claim"
    return f"No difference between {both} could be shown"


def _name_series(rows: list[AnsweredRow]) -> str:
    names = list(dict.fromkeys(str(row.series) for row in rows))
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} others"


def _name_size(row: AnsweredRow) -> str:
    return f"batch size {row.batch_size}"
