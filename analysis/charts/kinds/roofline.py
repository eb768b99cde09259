"""A roofline: achieved FLOP/s of each cell under what its device's datasheet allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import FillStyleType

from analysis.charts.kinds.sheet import (
    FAINT_INK,
    INK,
    LABEL_SIZE,
    Sheet,
    line_height_in,
    quiet_fonts,
)
from analysis.series import repeats_of_colours

#: Fills of the marks whose colour another has already.
_FILLS: tuple[FillStyleType, ...] = ("full", "none", "left", "top", "bottom", "right")
_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """``achieved`` is FLOP/s by series; ``peaks`` FLOP/s by precision; bandwidth byte/s.

    How many bytes a cell moved is not measured. But it cannot have moved more than the bandwidth
    allows in its time, so its intensity is at least ``achieved / bandwidth``: there it is drawn.
    """

    title: str
    achieved: dict[str, float]
    peaks: dict[str, float]
    bandwidth: float
    colours: dict[str, str]
    caption: list[str]

    def draw(self) -> Figure:
        """Draw the chart, both axes logarithmic."""
        with quiet_fonts():
            return _draw(self)

    def alt(self) -> str:
        """What the chart shows, in words."""
        cells = ", ".join(f"{name} {v / 1e12:.3g} TFLOP/s" for name, v in self.achieved.items())
        peaks = ", ".join(f"{name} {v / 1e12:.3g} TFLOP/s" for name, v in self.peaks.items())
        return (
            f"Roofline. {self.title}. Peaks: {peaks}; bandwidth {self.bandwidth / 1e9:.4g} GB/s. "
            f"Achieved: {cells}."
        )


def _draw(chart: Roofline) -> Figure:
    sheet = Sheet(_WIDTH_IN)
    names = list(chart.achieved)
    repeats = repeats_of_colours(chart.colours)
    fills = {name: _FILLS[repeats[name] % len(_FILLS)] for name in names}
    handles = [
        Line2D([], [], color=chart.colours[n], marker=">", linestyle="", fillstyle=fills[n])
        for n in names
    ]
    axes = sheet.lay_out(
        title=chart.title,
        legend=sheet.legend(handles, names),
        axes_height_in=_AXES_HEIGHT_IN,
        below_axes_in=0.4 + line_height_in(LABEL_SIZE),
        caption=[
            *chart.caption,
            "Bytes are not measured: a cell lies on its mark or to the right of it, since it "
            "cannot have moved more than the bandwidth allows in its time.",
        ],
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    highest = max(chart.peaks.values())
    lowest = min(chart.achieved.values()) / chart.bandwidth
    ends = lowest / 3, 10 * highest / chart.bandwidth
    intensity = np.geomspace(*ends, 200)
    for name, peak in chart.peaks.items():
        axes.plot(intensity, np.minimum(peak, intensity * chart.bandwidth), color=FAINT_INK, lw=1.2)
        axes.text(ends[1], peak, f"{name} ", ha="right", va="bottom", fontsize=8, color=INK)
    for name, flop_per_s in chart.achieved.items():
        x = flop_per_s / chart.bandwidth
        colour = chart.colours[name]
        axes.plot([x], [flop_per_s], ">", color=colour, markersize=7, fillstyle=fills[name])
        axes.plot([x, ends[1]], [flop_per_s] * 2, ":", color=colour, lw=0.8)
    axes.set_xlabel("Intensity [FLOP/byte]", fontsize=LABEL_SIZE, color=INK)
    axes.set_ylabel("FLOP/s", fontsize=LABEL_SIZE, color=INK)
    axes.set_ylim(top=10 ** math.ceil(math.log10(highest * 1.5)))
    return sheet.figure
