"""A per-run plot: run number on x, runtime on y, a colour per series, means in the legend."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.charts.colours import colour_series
from analysis.charts.kinds.base import MARKERS, Chart, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes
from analysis.formatting import seconds
from analysis.series import order_series
from sd_bench.statistics.intervals import mean_interval

_WIDTH_IN, _AXES_HEIGHT_IN = 8.4, 3.6


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChart(Chart):
    """Runs in the order in which they ran: ``run_number``, ``series``, ``runtime_s`` (seconds).

    A run whose optional column ``throttled`` is true is drawn as a cross. ``colours`` are those of
    the series in the other charts; without them each series gets one here. ``flags`` are signs
    after the name of a series; the caption explains them.
    """

    runs: pd.DataFrame = field(repr=False)
    colours: dict[str, str] = field(default_factory=dict)
    y_name: str = "Runtime"
    flags: dict[str, str] = field(default_factory=dict)

    def _draw(self, sizes: Sizes) -> Figure:
        runs, means = self.runs, _means(self.runs)
        colours = self.colours or colour_series(means)
        shapes = vary(colours, MARKERS)
        sheet = Sheet(sizes.choose_width(_WIDTH_IN), sizes)
        markers = [
            Line2D([], [], color=colours[n], marker=shapes[n], linestyle="none") for n in means
        ]
        names = [f"{name} {self.flags.get(name, '')}".rstrip() for name in means]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(
                markers,
                [f"{name}: {text}" for name, text in zip(names, means.values(), strict=True)],
            ),
            axes_height_in=_AXES_HEIGHT_IN * sizes.height_scale,
            below_axes_in=0.36 * sizes.scale + line_height_in(sizes.label),
            origin=self.origin,
        )
        throttled = runs["throttled"] if "throttled" in runs else pd.Series(False, index=runs.index)
        for name in means:
            mine = runs["series"] == name
            for marker, rows in (
                (shapes[name], runs[mine & ~throttled]),
                ("x", runs[mine & throttled]),
            ):
                x, y = rows["run_number"], rows["runtime_s"]
                axes.plot(x, y, marker, color=colours[name], markersize=4.5 * sizes.scale)
            mean_s = float(runs[mine]["runtime_s"].mean())
            axes.axhline(mean_s, color=colours[name], linewidth=0.8, alpha=0.6)
        axes.margins(y=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        name_axes(axes, sheet, "Run number", f"{self.y_name} [s]")
        return sheet.figure

    def _kind(self) -> str:
        return f"Scatter plot of {self.y_name.lower()} by run number"

    def _content(self) -> str:
        return join_values({name: [mean] for name, mean in _means(self.runs).items()})


def _means(runs: pd.DataFrame) -> dict[str, str]:
    """Mean and spread (standard deviation) of each series as text."""
    texts = {}
    for name in order_series(runs):
        found = mean_interval(runs[runs["series"] == name]["runtime_s"].tolist())
        spread = "" if found.sd != found.sd else f" ± {100 * found.sd / found.mean:.1f} %"
        texts[name] = f"mean {seconds(found.mean)} s{spread}"
    return texts
