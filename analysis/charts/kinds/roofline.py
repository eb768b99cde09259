"""A roofline: the FLOP/s of each cell below the limits of its device's datasheet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import FillStyleType

from analysis.charts.colours import FAINT_INK, INK
from analysis.charts.kinds.base import Chart, name_axes, vary
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes

#: Fills of marks that share their colour with another mark.
_FILLS: tuple[FillStyleType, ...] = ("full", "none", "left", "top", "bottom", "right")
_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline(Chart):
    """``achieved`` is FLOP/s by series, ``peaks`` FLOP/s by precision, and bandwidth bytes/s.

    The bytes that a cell moved are not measured. They cannot exceed what the bandwidth allows in
    its time, so its arithmetic intensity is at least ``achieved / bandwidth``, and it is drawn
    there.
    """

    achieved: dict[str, float]
    peaks: dict[str, float]
    bandwidth: float
    colours: dict[str, str]

    def _draw(self, sizes: Sizes) -> Figure:
        sheet = Sheet(sizes.choose_width(_WIDTH_IN), sizes)
        names = list(self.achieved)
        fills = vary(self.colours, _FILLS)
        handles = [
            Line2D([], [], color=self.colours[n], marker=">", linestyle="", fillstyle=fills[n])
            for n in names
        ]
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend(handles, names),
            axes_height_in=_AXES_HEIGHT_IN * sizes.height_scale,
            below_axes_in=0.4 * sizes.scale + line_height_in(sizes.label),
            origin=self.origin,
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        highest = max(self.peaks.values())
        lowest = min(self.achieved.values()) / self.bandwidth
        ends = lowest / 3, 10 * highest / self.bandwidth
        intensity = np.geomspace(*ends, 200)
        for name, peak in self.peaks.items():
            axes.plot(
                intensity, np.minimum(peak, intensity * self.bandwidth), color=FAINT_INK, lw=1.2
            )
            axes.text(
                ends[1],
                peak,
                f"{name} ",
                ha="right",
                va="bottom",
                fontsize=sizes.value,
                color=INK,
            )
        for name, flop_per_s in self.achieved.items():
            x = flop_per_s / self.bandwidth
            colour = self.colours[name]
            axes.plot(
                [x],
                [flop_per_s],
                ">",
                color=colour,
                markersize=7 * sizes.scale,
                fillstyle=fills[name],
            )
            axes.plot([x, ends[1]], [flop_per_s] * 2, ":", color=colour, lw=0.8)
        name_axes(axes, sheet, "Intensity [FLOP/byte]", "FLOP/s")
        axes.set_ylim(top=10 ** math.ceil(math.log10(highest * 1.5)))
        return sheet.figure

    def _kind(self) -> str:
        return "Roofline"

    def _content(self) -> str:
        achieved, peaks = (
            ", ".join(f"{name} {flop_per_s / 1e12:.3g} TFLOP/s" for name, flop_per_s in of.items())
            for of in (self.achieved, self.peaks)
        )
        return f"Peaks: {peaks}; bandwidth {self.bandwidth / 1e9:.4g} GB/s. Achieved: {achieved}"
