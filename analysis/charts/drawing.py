"""Charts to files: in processes of their own where there are many, beside other work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from analysis.charts.kinds.base import Chart
from analysis.charts.kinds.sheet import save

#: So many charts are worth starting processes for.
_WORTH_PROCESSES = 16

#: Waits for the charts and returns their files, of each stem in turn. Raises OSError.
Finish = Callable[[], Iterator[list[Path]]]


@contextmanager
def drawing(charts: Mapping[str, Chart], folder: Path) -> Iterator[Finish]:
    """Draw the charts into ``folder``, as PNG and SVG, while the ``with`` block goes on.

    Many are shared out between processes, which are done when what it yields has been called; few
    are drawn then. An error in the block ends them.
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
