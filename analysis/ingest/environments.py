"""The table of environments: which is which, and what it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from analysis.ingest.rows import EnvironmentRow
from analysis.rows import Row, make_rows, to_frame
from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.environments import ran_nowhere


class _Place(Row, kw_only=True):
    """The columns of a round that an environment needs."""

    env: str
    env_number: int
    machine: str
    gpu: str
    device: str
    torch_env: Choice
    torch: str
    python: str
    commit: str
    sweep: str
    cell_hash: str
    status: str
    fingerprint: str


def list_environments(rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per environment, in the given order: what it is, and its sweeps, cells and rounds.

    Rounds that did not run in any environment are not counted, unless nothing ran at all.
    """
    members: dict[tuple[int, str], list[_Place]] = defaultdict(list)
    for row in make_rows(rounds, _Place):
        members[row.env_number, row.env].append(row)
    return to_frame((_environment(members[key]) for key in sorted(members)), EnvironmentRow)


def _environment(everyone: list[_Place]) -> EnvironmentRow:
    began = [row for row in everyone if not ran_nowhere(row.status, row.fingerprint)]
    rows = began or everyone
    first = rows[0]
    return EnvironmentRow(
        env=first.env,
        machine=first.machine,
        gpu=first.gpu,
        device=first.device,
        torch_env=_joined(row.torch_env for row in rows),
        torch=_joined(row.torch for row in rows),
        python=_joined(row.python for row in rows),
        commit=_joined(row.commit for row in rows),
        sweeps=tuple(dict.fromkeys(row.sweep for row in rows)),
        cells=len({row.cell_hash for row in rows}),
        rounds=len(rows),
        fingerprint=first.fingerprint,
    )


def _joined(values: Iterable[Choice]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)
