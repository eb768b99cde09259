"""A per-run plot: run number on x, runtime on y, a colour a configuration, means in the legend."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import INK, LABEL_SIZE, Sheet, line_height_in, quiet_fonts
from analysis.formats import seconds
from analysis.series import series_colours, series_order

_WIDTH_IN, _AXES_HEIGHT_IN = 8.4, 3.6
_HEADROOM = 1.08


def draw_runs(runs: pd.DataFrame, *, title: str, caption: Sequence[str]) -> Figure:
    """Plot ``runtime_s`` (seconds) of every run over ``run_number``, coloured by ``series``."""
    order = series_order(runs)
    colours = series_colours(order)
    runs_of = {name: runs[runs["series"] == name] for name in order}
    labels = [f"{name}: mean {seconds(runs_of[name]['runtime_s'].mean())} s" for name in order]
    with quiet_fonts():
        sheet = Sheet(_WIDTH_IN)
        markers = [
            Line2D([], [], color=colours[name], marker="o", linestyle="none") for name in order
        ]
        axes = sheet.lay_out(
            title=title,
            legend=sheet.legend(markers, labels),
            axes_height_in=_AXES_HEIGHT_IN,
            below_axes_in=0.36 + line_height_in(LABEL_SIZE),
            caption=caption,
        )
        for name in order:
            x, y = runs_of[name]["run_number"], runs_of[name]["runtime_s"]
            axes.plot(x, y, "o", color=colours[name], markersize=4.5)
            axes.axhline(y.mean(), color=colours[name], linewidth=0.8, alpha=0.6)
        axes.set_ylim(0, runs["runtime_s"].max() * _HEADROOM)
        axes.set_xlabel("Run number", fontsize=LABEL_SIZE, color=INK)
        axes.set_ylabel("Runtime [s]", fontsize=LABEL_SIZE, color=INK)
    return sheet.figure
