"""The per-run plots of a sweep: one per GPU, batch size and workload, as published."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.charts.colours import colour_series
from analysis.charts.kinds.runs import Run, RunChart
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.charts.select.claims import state_claim
from analysis.charts.select.file_names import find_unused, name_file
from analysis.ingest.cells import VALUES
from analysis.rows import first_row, keep_measured, list_rows
from analysis.series import NAMING_AXES, order_series
from analysis.wording.answers import AnsweredRow, add_answers
from analysis.wording.notes import name_value
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES

_CELL = ("cell_hash", "env", *AXES)


def select_run_charts(rounds: pd.DataFrame, deltas: pd.DataFrame) -> dict[str, RunChart]:
    """The plots by file name without suffix; ``deltas`` are the compared cells of ``rounds``."""
    runs = _runs(rounds, deltas)
    deltas = add_answers(deltas)
    charts: dict[str, RunChart] = {}
    colours = colour_series(order_series(deltas))
    place = ["machine", *WORKLOAD_AXES, "batch_size"]
    for _, cells in keep_measured(deltas).groupby(place, sort=False, dropna=False):
        part = runs[runs["place"].isin(set(_places(cells)))]
        part = part.assign(run_number=range(len(part)))
        charts[find_unused(_stem(cells, deltas), charts)] = RunChart(
            title=_title(cells),
            runs=split_runs(part),
            caption=_caption(cells),
            origin=note_origin(cells),
            colours=colours,
            y_name=name_value(cells),
            flags=dict(zip(cells["series"], cells["flags"], strict=True)),
        )
    return charts


def split_runs(runs: pd.DataFrame) -> dict[str, list[Run]]:
    """The runs of each series, from columns named as the fields of `Run`, and ``series``."""
    columns = [runs[name] for name in Run._fields if name in runs]
    found: dict[str, list[Run]] = {name: [] for name in order_series(runs)}
    for name, *values in zip(runs["series"], *columns, strict=True):
        found[name].append(Run(*values))
    return found


def _places(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[column] for column in _CELL), strict=True))


def _runs(rounds: pd.DataFrame, deltas: pd.DataFrame) -> pd.DataFrame:
    """Every round with times, in the order in which they began, with the series of its cell."""
    series = dict(zip(_places(deltas), deltas["series"], strict=True))
    ok = keep_measured(rounds).sort_values("started_at", kind="stable")
    value = VALUES[str(deltas["value"].iloc[0])]
    places = pd.Series(_places(ok), index=ok.index, dtype=object)
    return ok[["preset", *NAMING_AXES]].assign(
        place=places,
        series=places.map(series),
        runtime_s=ok[value],
        throttled=ok["iteration_flags"].map(lambda flags: any("throttled" in m for m in flags)),
    )


def _title(cells: pd.DataFrame) -> str:
    """What ran where, and what the verdict on the fastest cell claims, if anything."""
    rows = list_rows(cells, AnsweredRow)
    first, fastest = rows[0], min(rows, key=lambda row: row.mean_s)
    words = f"Runs of {first.model_version} on {first.machine} at batch size "
    claim = state_claim(fastest)
    return f"{words}{first.batch_size}{f': {claim}' if claim else ''}"


def _caption(cells: pd.DataFrame) -> list[str]:
    counts = " or ".join(str(count) for count in sorted(set(cells["rounds"])))
    return make_caption(
        f"Lower is better. {counts} rounds of each, in the order in which they ran. Lines: means; "
        "± is the standard deviation. The axis does not begin at zero.",
        "Crosses: throttled." if cells["throttled"].any() else "",
        explain_signs(cells["flags"]),
    )


def _stem(cells: pd.DataFrame, deltas: pd.DataFrame) -> str:
    """``original_vs_optimized_A10_n_samples_2_n_iter_2_sd2``, or ``runs_...`` for other cells."""
    first = first_row(cells, AnsweredRow)
    names = {str(name) for name in cells["preset"]}
    both = all(any(n.startswith(kind) for n in names) for kind in ("original", "optimized"))
    begin = "original_vs_optimized" if both else "runs"
    gpu = str(first.machine).upper()
    return name_file(f"{begin}_{gpu}_n_samples_{first.batch_size}", first, deltas)
