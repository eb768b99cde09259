"""Charts to files, several at once where there are many."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.sheet import save

#: So many charts are worth starting processes for.
_WORTH_PROCESSES = 16


def draw_charts(charts: Mapping[str, Chart], folder: Path) -> list[Path]:
    """Draw the charts into ``folder``, as PNG and SVG. Raises OSError.

    Many are shared out between processes: a chart takes half a second, a process two to start.
    """
    jobs = (charts.values(), repeat(folder), charts)
    if len(charts) < _WORTH_PROCESSES:
        drawn = list(map(_draw_one, *jobs))
    else:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
            drawn = list(processes.map(_draw_one, *jobs))
    return [path for paths in drawn for path in paths]


def _draw_one(chart: Chart, folder: Path, stem: str) -> list[Path]:
    return save(chart.draw(), folder, stem)
