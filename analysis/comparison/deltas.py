"""Cells against a baseline: improvement in percent, speed-up, verdict, parity and marks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from analysis.comparison.flags import add_marks
from analysis.comparison.parity import judge_parity, read_latents
from analysis.errors import AnalysisError
from analysis.series import naming_axes
from sd_bench.statistics.significance import Comparison, compare_rounds
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES, Choice, Row, in_order, rows_of
from sd_bench.verdicts.judgement import DEFAULT_MARGIN, judge_table

#: The axes that may become the baseline's unasked, and the values that are preferred there.
#: ``batch_size`` and ``n_iter`` are not among them: they say how much work a round does.
_PREFERRED: dict[str, tuple[str, ...]] = {
    "configuration": ("original", "original_pt2", "original_no_xformers"),
    "attention": ("original", "math"),
    "compile": ("off",),
    "precision": ("fp32", "autocast"),
    "torch_env": ("original",),
    "sampler": (),
    "model_version": (),
    "steps": (),
    "height": (),
    "width": (),
    "weights": ("random",),
    "upcast": (),
}

#: What else may be named as a baseline: the version of PyTorch, and one environment.
_PLACES = ("torch", "env")

#: Axes of which no value can be a baseline: seconds of different amounts of the same work.
_AMOUNTS = ("n_iter", "batch_size")

#: What a configuration bundles: need not be equal in its baseline, but is preferred to be.
_BUNDLED = ("attention", "compile", "precision", "torch_env", "upcast")

#: Baseline axes across which the environment differs by nature.
_ACROSS_ENVIRONMENTS = ("configuration", "torch_env", "gpu", *_PLACES)

_NO_TEST = {
    "method": "",
    "pairs": 0,
    "pairing": "",
    "verdict": "",
    "rounds_needed": None,
    **dict.fromkeys(("improvement_low", "improvement_high", "speedup_low", "speedup_high")),
    **dict.fromkeys(("p", "p_holm", "permutation_p", "bootstrap_low", "bootstrap_high")),
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """What cells are compared against: those whose ``axis`` has this ``value``."""

    axis: str
    value: Choice

    def __str__(self) -> str:
        """As it is written after ``--baseline``."""
        return str(self.value) if self.axis == "configuration" else f"{self.axis}={self.value}"


def improvement_percent(baseline_s: float, seconds: float) -> float:
    """The published measure, ``(baseline - x) / baseline * 100``: positive is faster."""
    return (baseline_s - seconds) / baseline_s * 100


def speedup(baseline_s: float, seconds: float) -> float:
    """``baseline / x``: above 1 is faster."""
    return baseline_s / seconds


def choose_baseline(cells: pd.DataFrame, name: str | None = None) -> Baseline | None:
    """The baseline that is named (``original`` or ``attention=math``), or the usual one.

    ``None`` if no name is given and no axis varies. Raises AnalysisError, listing the baselines
    there are, if the name is not among them, or says how much is computed.
    """
    if name is not None:
        return _named(cells, name)
    for axis, preferred in _PREFERRED.items():
        measured = _values(cells[cells["status"] == "ok"], axis)
        if measured and _varies(cells, axis):
            first = [value for value in preferred if value in measured]
            return Baseline(axis, (first or measured)[0])
    return None


def compare(
    cells: pd.DataFrame, baseline: str | None = None, margin: float = DEFAULT_MARGIN
) -> pd.DataFrame:
    """Add to each cell what it is worth against its baseline cell.

    ``baseline`` is a name as for `choose_baseline`; without one every machine and workload has its
    usual one. New columns: ``baseline``, ``is_baseline``, ``no_delta_reason``; ``speedup`` and
    ``improvement_percent``, which are the test's own estimate where both cells have two rounds or
    more, else the ratio of the mean seconds; ``baseline_s``, the baseline's mean seconds over the
    rounds that were compared; the test of `significance` (``method``, ``pairs``, ``pairing``
    where not all rounds have a partner, ``p``, ``permutation_p``, and the 95 % intervals
    ``improvement_low`` to ``improvement_high``, ``speedup_low`` to ``speedup_high``,
    ``bootstrap_low`` to ``bootstrap_high``); ``verdict``, ``p_holm`` and ``rounds_needed``, judged
    over a machine's table with the equivalence ``margin`` (0.01 is 1 %); ``parity`` (relative L2
    distance of the final latents), ``parity_reason``, ``parity_ok`` (of a cell without a baseline
    too, if it is at parity with one that is), ``baseline_proof``, ``marks``, ``doubts`` and
    ``best``. The baseline cell is equal in every other axis and of the same environment; for a
    configuration (a bundle of axes) and for ``torch_env`` it is of the same machine and as alike as
    there is one. Raises AnalysisError if the baseline is unknown.
    """
    compared: dict[Hashable, Row] = {}
    for part, chosen in _parts(cells, baseline):
        compared |= zip(part.index, _compare(rows_of(part), chosen), strict=True)
    rows = [compared[index] for index in cells.index]
    add_verdicts(rows, margin)
    _judge_parity_elsewhere(rows, varying_axes(cells))
    add_marks(rows)
    new = ["baseline_s", "improvement_percent", "speedup", "parity"]
    new += [name for name, nothing in _NO_TEST.items() if nothing is None]
    numbers = [*cells.select_dtypes(float).columns, *new]
    return pd.DataFrame(rows, dtype=object).astype(dict.fromkeys(numbers, float))


def add_verdicts(rows: list[Row], margin: float) -> None:
    """Test each row against its ``baseline_runs``, and judge each machine's rows as one table.

    A row that was tested has the test's estimate from then on, over the rounds of the test.
    """
    tables: dict[str, list[tuple[Row, Comparison]]] = defaultdict(list)
    for row in rows:
        runs = row.pop("baseline_runs")
        found = compare_rounds(runs, row["runs"]) if runs else None
        row.update(_NO_TEST, margin=margin)
        if found is not None:
            row.update(_tested(found, max(len(runs), len(row["runs"]))))
            tables[row["machine"]].append((row, found))
    for table in tables.values():
        verdicts = judge_table([comparison for _, comparison in table], margin)
        for (row, _), verdict in zip(table, verdicts, strict=True):
            row["verdict"], row["p_holm"] = verdict.word, verdict.p_holm
            row["rounds_needed"] = verdict.rounds_needed


def _tested(found: Comparison, rounds: int) -> Row:
    """What the test says; ``rounds`` is how many the cell with more of them has."""
    speedups = math.exp(found.low), math.exp(found.high)
    bootstrap = found.bootstrap
    estimate = math.exp(found.log_speedup)
    return {
        "speedup": estimate,
        "improvement_percent": improvement_percent(estimate, 1.0),
        "baseline_s": found.baseline_s,
        "method": found.method,
        "pairs": found.rounds,
        "pairing": _pairing(found, rounds),
        "speedup_low": speedups[0],
        "speedup_high": speedups[1],
        "improvement_low": improvement_percent(speedups[0], 1.0),
        "improvement_high": improvement_percent(speedups[1], 1.0),
        "p": found.p,
        "permutation_p": found.permutation_p,
        "bootstrap_low": math.exp(bootstrap[0]),
        "bootstrap_high": math.exp(bootstrap[1]),
    }


def _pairing(found: Comparison, rounds: int) -> str:
    """How many of the rounds were compared, where a partner is missing to some."""
    if found.method == "welch" or found.rounds == rounds:
        return ""
    return f"{found.rounds} of {rounds} rounds paired"


def _parts(cells: pd.DataFrame, name: str | None) -> Iterator[tuple[pd.DataFrame, Baseline | None]]:
    """The cells in parts, each with the baseline that all of the part is compared against."""
    if name is not None:
        yield cells, choose_baseline(cells, name)
        return
    for _, machine in cells.groupby("machine", sort=False):
        works = machine.groupby(list(WORKLOAD_AXES), sort=False, dropna=False)
        parts = [(work, choose_baseline(work)) for _, work in works]
        if any(baseline for _, baseline in parts):
            yield from parts
        else:
            yield machine, choose_baseline(machine)


def _compare(rows: list[Row], baseline: Baseline | None) -> list[Row]:
    candidates = _candidates(rows, baseline)
    none = _why_none(rows)
    read = lru_cache(maxsize=4)(read_latents)  # a baseline serves many cells
    for row in rows:
        found = _find(row, baseline, candidates) if baseline else none
        row.update(_delta(row, found, baseline))
        row.update(judge_parity(row, found if isinstance(found, dict) else None, read))
    return rows


def _judge_parity_elsewhere(rows: list[Row], baselines: list[Baseline]) -> None:
    """For measured cells without a baseline: parity with a cell that is at parity itself.

    That is the baseline on another axis, such as the same attention without the compiler.
    """
    read = lru_cache(maxsize=4)(read_latents)
    alone = [row for row in rows if row["status"] == "ok" and not row["baseline_cell"]]
    for baseline in baselines if alone else []:
        candidates = _candidates(rows, baseline)
        for row in alone:
            found = _find(row, baseline, candidates)
            if row["parity_ok"] is None and isinstance(found, dict) and found["parity_ok"]:
                row["parity_ok"] = judge_parity(row, found, read)["parity_ok"]
                if row["parity_ok"] is not None:
                    said = "at parity with" if row["parity_ok"] else "differs from"
                    row["parity_reason"] += f"; {said} {baseline}"


def _values(cells: pd.DataFrame, axis: str) -> list[Choice]:
    return [value for value in in_order(axis, cells[axis]) if value is not None]


def _varies(cells: pd.DataFrame, axis: str) -> bool:
    """Whether one machine has cells with different values."""
    return any(len(_values(group, axis)) > 1 for _, group in cells.groupby("machine", sort=False))


def varying_axes(cells: pd.DataFrame) -> list[Baseline]:
    """For each axis on which a GPU's measured cells differ, the baseline that is usual on it.

    The version of PyTorch counts as an axis; how much is computed does not.
    """
    measured = cells[cells["status"] == "ok"]
    found = []
    for axis in (*_PREFERRED, "torch"):
        differs = any(len(_values(part, axis)) > 1 for _, part in measured.groupby("gpu"))
        if differs and axis not in WORKLOAD_AXES:
            values = _values(measured, axis)
            first = [value for value in _PREFERRED.get(axis, ()) if value in values]
            found.append(Baseline(axis, (first or values)[0]))
    return found


def _named(cells: pd.DataFrame, name: str) -> Baseline:
    axis, equals, text = name.partition("=")
    if not equals:
        axis, text = "configuration", name
    if axis in _AMOUNTS:
        raise AnalysisError(
            f"{axis} cannot be a baseline, since a round of another {axis} does another amount of "
            f"work: see images/s in the summary, or take one of {_offer(cells)}"
        )
    if axis in (*AXES, *_PLACES):
        for value in _values(cells, axis):
            if str(value) == text:
                return Baseline(axis, value)
    raise AnalysisError(f"no baseline {name!r} in these records; there are: {_offer(cells)}")


def _offer(cells: pd.DataFrame) -> str:
    axes = [*_PREFERRED, *_PLACES, "gpu"]
    if "upcast" not in naming_axes(cells):
        axes.remove("upcast")
    names: Iterable[str] = (
        str(Baseline(axis, value)) for axis in axes for value in _values(cells, axis)
    )
    return ", ".join(names)


def _candidates(rows: list[Row], baseline: Baseline | None) -> dict[tuple[Any, ...], list[Row]]:
    candidates = defaultdict(list)
    for row in rows:
        if baseline and row[baseline.axis] == baseline.value:
            candidates[_held_equal(row, baseline)].append(row)
    return candidates


def _held_equal(row: Row, baseline: Baseline) -> tuple[Any, ...]:
    """What a cell and its baseline must have in common."""
    loose = {baseline.axis, "configuration"}
    if baseline.axis == "configuration":
        loose.update(_BUNDLED)
    if baseline.axis in _PLACES:
        loose.add("torch_env")
    if baseline.axis == "attention":
        loose.add("upcast")  # each backend has its own, and a fused one no choice
    place = "machine" if baseline.axis in _ACROSS_ENVIRONMENTS else "env"
    axes = tuple(row[axis] for axis in AXES if axis not in loose)
    return axes if baseline.axis in ("gpu", *_PLACES) else (row[place], *axes)


def _find(row: Row, baseline: Baseline, candidates: dict[tuple[Any, ...], list[Row]]) -> Row | str:
    """The baseline cell of a cell, or why it has none."""
    if row[baseline.axis] == baseline.value:
        return row
    found = candidates.get(_held_equal(row, baseline), [])
    if not found:
        return f"no cell with {baseline} and the rest equal"
    best = max(_likeness(row, candidate) for candidate in found)
    alike = [candidate for candidate in found if _likeness(row, candidate) == best]
    if len(alike) > 1:
        return f"{len(alike)} cells with {baseline} fit"
    if alike[0]["status"] != "ok":
        return f"baseline {alike[0]['reason']}"
    return alike[0]


def _why_none(rows: list[Row]) -> str:
    measured = any(row["status"] == "ok" for row in rows)
    return f"no baseline: {'nothing varies' if measured else 'no cell was measured'}"


def _likeness(row: Row, candidate: Row) -> tuple[int, bool, bool]:
    same = sum(row[axis] == candidate[axis] for axis in ("configuration", *_BUNDLED))
    shared_sweep = not set(row["sweep_folders"]).isdisjoint(candidate["sweep_folders"])
    return (same, row["env"] == candidate["env"], shared_sweep)


def _delta(row: Row, found: Row | str, baseline: Baseline | None) -> Row:
    delta: Row = {
        "baseline": "" if baseline is None else str(baseline),
        "is_baseline": found is row,
        "baseline_s": math.nan,
        "improvement_percent": math.nan,
        "speedup": math.nan,
        "no_delta_reason": found if isinstance(found, str) else "",
        "baseline_cell": "" if isinstance(found, str) else f"{found['env']} {found['cell_hash']}",
        "baseline_proof": "" if isinstance(found, str) else found["kernel_proof"],
        "baseline_runs": None,
    }
    if isinstance(found, str) or row["status"] != "ok":
        return delta
    return delta | {
        "baseline_s": found["mean_s"],
        "improvement_percent": improvement_percent(found["mean_s"], row["mean_s"]),
        "speedup": speedup(found["mean_s"], row["mean_s"]),
        "baseline_runs": None if found is row else found["runs"],
    }
