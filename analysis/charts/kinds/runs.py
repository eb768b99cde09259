"""A per-run plot: run number on x, runtime on y, a colour per series, means in the legend."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.charts.colours import colour_series
from analysis.charts.kinds.base import MARKERS, Chart, join_values, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes
from analysis.formatting import seconds

_WIDTH_IN, _AXES_HEIGHT_IN = 8.4, 3.6


class Run(NamedTuple):
    """A run: its place in the order in which all ran, its seconds, and whether it was throttled."""

    run_number: int
    runtime_s: float
    throttled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChart(Chart):
    """The runs of each series, in display order.

    Throttled ones are drawn as crosses. ``colours`` are those of the series in the other charts;
    without them each gets its own. ``flags`` are signs that stand behind a series' name, and that
    the caption explains.
    """

    runs: Mapping[str, Sequence[Run]] = field(repr=False)
    colours: dict[str, str] = field(default_factory=dict)
    y_name: str = "Runtime"
    flags: dict[str, str] = field(default_factory=dict)

    def _draw(self, sizes: Sizes) -> Figure:
        means = _means(self.runs)
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
        for name, runs in self.runs.items():
            for marker, is_cross in ((shapes[name], False), ("x", True)):
                drawn = [run for run in runs if run.throttled == is_cross]
                x, y = [run.run_number for run in drawn], [run.runtime_s for run in drawn]
                axes.plot(x, y, marker, color=colours[name], markersize=4.5 * sizes.scale)
            mean_s = float(np.mean([run.runtime_s for run in runs]))
            axes.axhline(mean_s, color=colours[name], linewidth=0.8, alpha=0.6)
        axes.margins(y=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        name_axes(axes, sheet, "Run number", f"{self.y_name} [s]")
        return sheet.figure

    def _kind(self) -> str:
        return f"Scatter plot of {self.y_name.lower()} by run number"

    def _content(self) -> str:
        return join_values({name: [mean] for name, mean in _means(self.runs).items()})


def _means(runs: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Mean and spread (standard deviation) of each series in words."""
    texts = {}
    for name, of_series in runs.items():
        values = [run.runtime_s for run in of_series]
        mean_s = statistics.fmean(values)
        sd_s = statistics.stdev(values) if len(values) > 1 else None
        spread = "" if sd_s is None else f" ± {100 * sd_s / mean_s:.1f} %"
        texts[name] = f"mean {seconds(mean_s)} s{spread}"
    return texts
