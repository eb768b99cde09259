"""What a report contains, in any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pandas as pd

from analysis.charts.kinds.base import Chart
from analysis.comparison.deltas import margin_of
from analysis.comparison.machines import Machines, find_machines
from analysis.comparison.peers import Peers, find_peers
from analysis.comparison.rows import DeltaRow
from analysis.rows import list_rows
from analysis.truncation import LONGEST, cut


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """The data of a report. ``left_out`` has one line per record that could not be read."""

    deltas: pd.DataFrame
    environments: pd.DataFrame
    by_axis: dict[str, pd.DataFrame]
    charts: dict[str, Chart]
    left_out: Sequence[str]
    num_charts_not_drawn: int = 0

    @property
    def peers(self) -> Peers | None:
        """The implementations, if there are several; else ``None``."""
        return find_peers(self.deltas, margin_of(self.deltas))

    @property
    def machines(self) -> Machines | None:
        """What several machines measured alike, if there is such a thing."""
        return find_machines(self.deltas, self.environments)


def list_excluded(data: ReportData) -> list[str]:
    """What the numbers do not include, and why: records, cells, and rounds of cells."""
    lines = [f"Record left out: {cut(reason, 2 * LONGEST)}" for reason in data.left_out]
    for row in list_rows(data.deltas[data.deltas["reason"] != ""], DeltaRow):
        what = "Rounds" if row.status == "ok" else "Cell"
        lines.append(
            f"{what} without times: {row.series} at batch {row.batch_size} on "
            f"{row.machine}: {row.reason}"
        )
    return lines


def keep_within(lines: Sequence[str], most: int, where: str) -> list[str]:
    """As many lines as fit into ``most`` characters, and a line that counts the others."""
    ends = accumulate(len(line) for line in lines)
    shown = [line for line, end in zip(lines, ends, strict=True) if end <= most]
    more = len(lines) - len(shown)
    return [*shown, f"{more} further lines are not shown: {where}."] if more else shown


def list_excluded_within(data: ReportData, most: int) -> list[str]:
    """`list_excluded` in at most that many characters."""
    where = "cells are in summary.csv, records were named when the command ran"
    return keep_within(list_excluded(data), most, where)


def name_report(data: ReportData) -> str:
    """The title of the report: the models, and the machines that they ran on."""
    return name_machines(data.deltas)


def name_machines(deltas: pd.DataFrame) -> str:
    """The models, and the machines that they ran on: ``sd1, sd2 on A100``."""
    machines = ", ".join(dict.fromkeys(deltas["machine"]))
    models = ", ".join(dict.fromkeys(map(str, deltas["model_version"])))
    return f"{models} on {machines}"
