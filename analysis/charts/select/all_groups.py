"""Every chart that a sweep needs."""

from __future__ import annotations

import pandas as pd

from analysis.charts.kinds.base import Chart
from analysis.charts.select.headlines import select_headlines
from analysis.charts.select.measures import select_measure_charts
from analysis.charts.select.peers import select_peer_charts
from analysis.charts.select.runs import select_run_charts
from analysis.charts.select.runtimes import select_runtime_charts
from analysis.charts.select.waterfalls import select_ablations, select_attributions


def select_charts(rounds: pd.DataFrame, deltas: pd.DataFrame) -> dict[str, Chart]:
    """The charts by file name without suffix: peers and headline first, then runtimes."""
    return {
        **select_peer_charts(deltas),
        **select_headlines(deltas),
        **select_runtime_charts(deltas),
        **select_run_charts(rounds, deltas),
        **select_measure_charts(deltas),
        **select_ablations(deltas),
        **select_attributions(deltas),
    }
