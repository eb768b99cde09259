"""A waterfall: from one total to another, with what each change saves or adds."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.charts.colours import FAINT_INK, INK, LOST, SAVED, TOTAL
from analysis.charts.kinds.base import Chart, name_axes
from analysis.charts.kinds.sheet import Sheet, line_height_in
from analysis.charts.kinds.sizes import Sizes
from analysis.formatting import seconds

_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.2

#: The least width of a step, for its name; if they do not fit the column, the chart takes the page.
_LEAST_STEP_IN = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall(Chart):
    """From the seconds of one cell through ``changes`` to those of another.

    ``summary`` states the result; without one the changes are classes of kernel in a step.
    """

    begin: tuple[str, float]
    changes: dict[str, float]
    end: tuple[str, float]
    unit: str = "ms"
    y_name: str = "One step"
    summary: str = ""

    def text(self, value: float) -> str:
        """Seconds as text in the chart's unit."""
        return _ms(value) if self.unit == "ms" else seconds(value)

    def _draw(self, sizes: Sizes) -> Figure:
        steps = [self.begin, *self.changes.items(), self.end]
        least_in = sizes.left_in + _LEAST_STEP_IN * sizes.scale * len(steps)
        sheet = Sheet(sizes.choose_width(_WIDTH_IN, least_in), sizes)
        each_in = sheet.axes_width_in / len(steps)
        kinds = {"step": TOTAL, "saved": SAVED, "taken back": LOST}
        names = ["\n".join(sheet.wrap(name, sizes.value, each_in * 0.95)) for name, _ in steps]
        name_lines = max(name.count("\n") + 1 for name in names)
        axes = sheet.lay_out(
            title=self.title,
            legend=sheet.legend([Patch(color=colour) for colour in kinds.values()], list(kinds)),
            axes_height_in=_AXES_HEIGHT_IN * sizes.height_scale,
            below_axes_in=0.2 * sizes.scale + line_height_in(sizes.label) * name_lines,
            origin=self.origin,
        )
        level, scale = 0.0, 1e3 if self.unit == "ms" else 1.0
        for at, (_, value) in enumerate(steps):
            total = at in (0, len(steps) - 1)
            low, high = (0.0, value) if total else sorted((level, level + value))
            colour = TOTAL if total else SAVED if value < 0 else LOST
            axes.bar(at, scale * (high - low), bottom=scale * low, width=0.7, color=colour)
            sign = "" if total else "-" if value < 0 else "+"
            text = f"{sign}{self.text(abs(value))}"
            axes.text(
                at,
                scale * high,
                text,
                ha="center",
                va="bottom",
                fontsize=sizes.value,
                color=INK,
            )
            level = value if total else level + value
            if at < len(steps) - 1:
                axes.plot([at, at + 1], [scale * level] * 2, color=FAINT_INK, lw=0.7, zorder=0)
        axes.set_xticks(range(len(names)), names, fontsize=sizes.value, parse_math=False)
        axes.margins(y=0.1)
        axes.set_ylim(bottom=0)
        name_axes(axes, sheet, y=f"{self.y_name} [{self.unit}]")
        return sheet.figure

    def _kind(self) -> str:
        return "Waterfall chart"

    def _content(self) -> str:
        ends = (f"{name} {self.text(value)}" for name, value in (self.begin, self.end))
        return f"{', '.join(ends)}. {self.sentence()}"

    def sentence(self) -> str:
        """A sentence on what the changes save and add, the largest first."""
        if self.summary:
            return self.summary
        saved = sorted((s, name) for name, s in self.changes.items() if s < 0)
        lost = sorted(((s, name) for name, s in self.changes.items() if s > 0), reverse=True)
        parts = [f"saves {_ms(-s)} of {name}" for s, name in saved]
        parts += [f"takes {_ms(s)} more for {name}" for s, name in lost]
        return f"{self.end[0]} {', '.join(parts) or 'changes nothing'} per step."


def _ms(seconds: float) -> str:
    milliseconds = 1e3 * seconds
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds:.0f} ms"
