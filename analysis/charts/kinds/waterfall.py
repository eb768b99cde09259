"""Where a difference between two profiled cells comes from, by class of kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.charts.kinds.sheet import (
    FAINT_INK,
    INK,
    LABEL_SIZE,
    Sheet,
    line_height_in,
    quiet_fonts,
)
from analysis.charts.select.file_names import unused
from analysis.comparison.flags import explain
from analysis.formatting import seconds
from sd_bench.verdicts.axes import Row, rows_of

_WIDTH_IN, _AXES_HEIGHT_IN = 7.6, 3.2
_SAVED, _LOST, _TOTAL = "#228833", "#cc3311", "#7f7f7f"

#: Changes smaller than this share of the larger step are put together.
_LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """From the seconds of one cell over the ``changes`` to those of another.

    ``summary`` says it in words; without one the changes are classes of kernel in a step.
    """

    title: str
    begin: tuple[str, float]
    changes: dict[str, float]
    end: tuple[str, float]
    caption: list[str]
    unit: str = "ms"
    y_name: str = "One step"
    summary: str = ""

    def text(self, value: float) -> str:
        """Seconds in the chart's unit."""
        return _ms(value) if self.unit == "ms" else seconds(value)

    def draw(self) -> Figure:
        """Draw the chart in its unit."""
        with quiet_fonts():
            return _draw(self)

    def alt(self) -> str:
        """What the chart shows, in words."""
        (first, before), (last, after) = self.begin, self.end
        return (
            f"Waterfall chart. {self.title}. {first} {self.text(before)}, "
            f"{last} {self.text(after)}. "
            f"{self.sentence()}"
        )

    def sentence(self) -> str:
        """What the changes save and take back, the largest first."""
        if self.summary:
            return self.summary
        saved = sorted((s, name) for name, s in self.changes.items() if s < 0)
        lost = sorted(((s, name) for name, s in self.changes.items() if s > 0), reverse=True)
        parts = [f"saves {_ms(-s)} of {name}" for s, name in saved]
        parts += [f"takes {_ms(s)} more for {name}" for s, name in lost]
        return f"{self.end[0]} {', '.join(parts) or 'changes nothing'} a step."


def changes_by_class(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Seconds that each class of kernel takes more (less: negative); the small ones together.

    The sum is exactly the difference of the totals.
    """
    names = dict.fromkeys((*before, *after))
    changes = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}
    least = _LEAST_SHARE * max(sum(before.values()), sum(after.values()))
    shown = {name: change for name, change in changes.items() if abs(change) >= least}
    small = [change for name, change in changes.items() if name not in shown]
    if any(small):
        shown["everything else"] = math.fsum(small)
    return dict(sorted(shown.items(), key=lambda item: item[1]))


def waterfalls(deltas: pd.DataFrame) -> dict[str, Waterfall]:
    """For each profiled cell whose baseline cell is profiled too: its waterfall, by a name."""
    rows = rows_of(deltas)
    baselines = {f"{row['env']} {row['cell_hash']}": row for row in rows}
    found: dict[str, Waterfall] = {}
    for row in rows:
        base = baselines.get(str(row["baseline_cell"]))
        if base is not None and base is not row and base["profile"] and row["profile"]:
            name = f"{row['series']}_{row['machine']}_{row['batch_size']}"
            found[unused(name, found)] = _waterfall(base, row)
    return found


def _waterfall(base: Row, row: Row) -> Waterfall:
    before, after = base["profile"], row["profile"]
    return Waterfall(
        title=(
            f"A step of {row['model_version']} at batch size {row['batch_size']} on "
            f"{row['machine']}: {base['series']} to {row['series']}"
        ),
        begin=(str(base["series"]), sum(before.values())),
        changes=changes_by_class(before, after),
        end=(f"{row['series']}{row['marks']}", sum(after.values())),
        caption=[
            "One sampler step under the profiler, by class of kernel.",
            *explain([row["marks"]]),
        ],
    )


def _draw(chart: Waterfall) -> Figure:
    sheet = Sheet(_WIDTH_IN)
    steps = [chart.begin, *chart.changes.items(), chart.end]
    each_in = sheet.axes_width_in / len(steps)
    kinds = {"step": _TOTAL, "saved": _SAVED, "taken back": _LOST}
    names = ["\n".join(sheet.wrap(name, LABEL_SIZE - 2, each_in * 0.95)) for name, _ in steps]
    axes = sheet.lay_out(
        title=chart.title,
        legend=sheet.legend([Patch(color=colour) for colour in kinds.values()], list(kinds)),
        axes_height_in=_AXES_HEIGHT_IN,
        below_axes_in=0.2 + line_height_in(LABEL_SIZE) * max(n.count("\n") + 1 for n in names),
        caption=[chart.sentence(), *chart.caption],
    )
    level, scale = 0.0, 1e3 if chart.unit == "ms" else 1.0
    for at, (_, value) in enumerate(steps):
        total = at in (0, len(steps) - 1)
        low, high = (0.0, value) if total else sorted((level, level + value))
        colour = _TOTAL if total else _SAVED if value < 0 else _LOST
        axes.bar(at, scale * (high - low), bottom=scale * low, width=0.7, color=colour)
        sign = "" if total else "-" if value < 0 else "+"
        text = f"{sign}{chart.text(abs(value))}"
        axes.text(at, scale * high, text, ha="center", va="bottom", fontsize=8, color=INK)
        level = value if total else level + value
        if at < len(steps) - 1:
            axes.plot([at, at + 1], [scale * level] * 2, color=FAINT_INK, lw=0.7, zorder=0)
    axes.set_xticks(range(len(names)), names, fontsize=LABEL_SIZE - 2, parse_math=False)
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"{chart.y_name} [{chart.unit}]", fontsize=LABEL_SIZE, color=INK)
    return sheet.figure


def _ms(seconds: float) -> str:
    milliseconds = 1e3 * seconds
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds:.0f} ms"
