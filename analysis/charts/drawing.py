"""Draws charts to files: in separate processes if there are many, while other work goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.sheet import save

#: From this many charts on, starting processes saves time.
_WORTH_PROCESSES = 16

#: Waits for the charts and yields the files of each chart in order. Raises OSError.
Finish = Callable[[], Iterator[list[Path]]]


@contextmanager
def drawing(charts: Mapping[str, Chart], folder: Path) -> Iterator[Finish]:
    """Draw the charts into ``folder``, as PNG and SVG, while the ``with`` block goes on.

    It yields a function that waits for the charts and returns their files. Many charts are drawn in
    processes that start at once; few are drawn only when the function is called. An error in the
    block cancels what has not begun.
    """
    if len(charts) < _WORTH_PROCESSES:
        yield lambda: (_draw_one(chart, folder, stem) for stem, chart in charts.items())
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        drawn = [processes.submit(_draw_one, c, folder, stem) for stem, c in charts.items()]
        try:
            yield lambda: map(Future.result, drawn)
        finally:
            processes.shutdown(cancel_futures=True)


def _draw_one(chart: Chart, folder: Path, stem: str) -> list[Path]:
    return save(chart.draw(), folder, stem)
