"""Waterfalls: from the original code to the fastest, and how the kernels of two cells differ."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from analysis.charts.kinds.waterfall import Waterfall
from analysis.charts.select.captions import explain_signs, make_caption, note_origin
from analysis.charts.select.file_names import clean_name, find_unused
from analysis.comparison.ablation import Ablation, find_ablations, keep_steps
from analysis.comparison.attribution import attribute_change
from analysis.comparison.comparability import HELD_EQUAL
from analysis.comparison.deltas import name_cell
from analysis.comparison.rows import DeltaRow
from analysis.formatting import seconds
from analysis.rows import list_rows, varies
from analysis.series import name_env_within
from analysis.wording.cell_names import name_choices

#: The axes that every title and every file name of a chart contains.
_IN_TITLE = ("machine", "model_version", "batch_size")


def select_ablations(deltas: pd.DataFrame) -> dict[str, Waterfall]:
    """One change at a time, by file name without suffix: a chart per result of `find_ablations`."""
    varying = [a for a in HELD_EQUAL if a not in _IN_TITLE and varies(keep_steps(deltas), a)]
    charts: dict[str, Waterfall] = {}
    for found in find_ablations(deltas):
        _, first = found.chain[0]
        words = [name_choices(first).get(axis, f"no {axis}") for axis in varying]
        if found.others:
            words += dict.fromkeys(name_env_within(row) for _, row in found.chain)
        name = "_".join(map(str, (*(first[axis] for axis in _IN_TITLE), *words)))
        stem = find_unused(clean_name(f"one_change_at_a_time_{name}"), charts)
        charts[stem] = _chart_ablation(found, words)
    return charts


def select_attributions(deltas: pd.DataFrame) -> dict[str, Waterfall]:
    """Where the time of a step went, for each profiled cell whose baseline is profiled too."""
    rows = list_rows(deltas, DeltaRow)
    baselines = {name_cell(row): row for row in rows}
    charts: dict[str, Waterfall] = {}
    for at, row in enumerate(rows):
        base = baselines.get(str(row.baseline_cell))
        if base is not None and base is not row and base.profile and row.profile:
            name = f"{row.series}_{row.machine}_{row.batch_size}"
            stem = find_unused(clean_name(f"waterfall_{name}"), charts)
            charts[stem] = _chart_attribution(base, row, deltas.iloc[at : at + 1])
    return charts


def _chart_ablation(found: Ablation, words: list[str]) -> Waterfall:
    chain = found.chain
    (_, first), (_, last) = chain[0], chain[-1]
    changes = {
        f"{change}{after.flags}": after.mean_s - before.mean_s
        for (_, before), (change, after) in pairwise(chain)
    }
    return Waterfall(
        title=(
            f"One change at a time: {first.model_version} at batch size {first.batch_size} "
            f"on {', '.join((first.machine, *words))}"
        ),
        begin=(f"{first.preset}{first.flags}", first.mean_s),
        changes=changes,
        end=(f"{last.preset}{last.flags}", last.mean_s),
        caption=make_caption(
            "Mean runtimes per round; each change is added to those before it: in another order "
            "the shares would differ.",
            explain_signs(row.flags for _, row in chain),
        ),
        origin=note_origin(found.cells),
        unit="s",
        y_name="Runtime",
        summary=_summary(changes, first.mean_s - last.mean_s),
    )


def _summary(changes: dict[str, float], saved: float) -> str:
    parts = (
        f"{change} {'saves' if value < 0 else 'costs'} {seconds(abs(value))} s"
        for change, value in changes.items()
    )
    word = "saves" if saved >= 0 else "costs"
    return f"{'; '.join(parts)}. All together {word} {seconds(abs(saved))} s."


def _chart_attribution(base: DeltaRow, row: DeltaRow, cells: pd.DataFrame) -> Waterfall:
    before, after = base.profile or {}, row.profile or {}
    return Waterfall(
        title=(
            f"A step of {row.model_version} at batch size {row.batch_size} on "
            f"{row.machine}: {base.series} to {row.series}"
        ),
        begin=(str(base.series), sum(before.values())),
        changes=attribute_change(before, after),
        end=(f"{row.series}{row.flags}", sum(after.values())),
        caption=make_caption(
            "One sampler step under the profiler, by class of kernel.", explain_signs(row.flags)
        ),
        origin=note_origin(cells),
    )
