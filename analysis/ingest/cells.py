"""Rounds to cells: mean over rounds, spread, interval, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.ingest.efficiency import add_efficiency
from analysis.ingest.measures import BETWEEN_FLAGS, NUMBERS, STAGES, THROTTLED_WORD
from analysis.ingest.rows import CellRow, RoundRow
from analysis.rows import make_rows, to_frame, uncollected
from analysis.truncation import LONGEST, cut, shorten_kinds
from sd_bench.statistics.drift import Trend, trend
from sd_bench.statistics.intervals import mean_interval
from sd_bench.statistics.runtime import typical_runtimes
from sd_bench.verdicts.axes import AXES, Choice, rank
from sd_bench.verdicts.cells import common_status, mean_known
from sd_bench.verdicts.names import name_cells
from sd_bench.verdicts.parity import find_latents
from sd_bench.verdicts.proofs import pool_proofs
from sd_bench.verdicts.rounds import name_rounds

#: The column that is the value of a round, by its name on the command line.
VALUES = {"runtime": "runtime_s", "median-iteration": "median_iteration_s"}

_CELL_KEY = ("cell_hash", "env", *AXES)
_OF_PLACE = ("device", "torch", "python", "fingerprint", "peer_versions")


@uncollected()
def summarise(rounds: pd.DataFrame, value: str = "runtime") -> pd.DataFrame:
    """One row per cell and environment, in display order.

    The columns are those of `CellRow`. ``value`` is the time that a round counts as: its
    ``runtime`` or its ``median-iteration``. Rounds of the same cell and environment are pooled,
    from any number of sweeps. A cell without an ``ok`` round keeps its row, with ``status`` and
    ``reason``. Raises KeyError for an unknown value, AnalysisError if a round does not have it.
    """
    column = VALUES[value]
    if rounds.loc[rounds["status"] == "ok", column].isna().any():
        raise AnalysisError(f"some rounds have no {value}: leave out --value")
    members: dict[tuple[Any, ...], list[RoundRow]] = defaultdict(list)
    key_of = attrgetter(*_CELL_KEY)
    for row in make_rows(rounds, RoundRow):
        members[key_of(row)].append(row)
    cells = [_cell(rows, value) for rows in members.values()]
    measured = [cell for cell in cells if cell.runs]
    runtimes = typical_runtimes([list(cell.runs.values()) for cell in measured])
    for cell, runtime in zip(measured, runtimes, strict=True):
        cell.typical_s = runtime.seconds
    first_of: dict[str, int] = {}
    for cell in sorted(cells, key=lambda cell: cell.env_number):
        first_of.setdefault(cell.machine, cell.env_number)
    cells.sort(key=lambda cell: _display_order(cell, first_of[cell.machine]))
    for cell, series in zip(cells, name_cells(cells), strict=True):
        cell.series = series
        add_efficiency(cell)
    return to_frame(cells, CellRow)


def _cell(rows: list[RoundRow], value: str) -> CellRow:
    """A cell of its rounds; what is computed for all cells together is not known yet."""
    column = VALUES[value]
    first, ok = rows[0], [row for row in rows if row.status == "ok"]
    interval = mean_interval([row[column] for row in ok])
    names = name_rounds((row.sweep_folder, row.round, row.path) for row in ok)
    runs = {name: row[column] for name, row in zip(names, ok, strict=True)}
    means: dict[str, Any] = {name: mean_known(map(attrgetter(name), ok)) for name in NUMBERS}
    choices: dict[str, Any] = {axis: first[axis] for axis in AXES}
    place: dict[str, Any] = {name: (ok or rows)[0][name] for name in _OF_PLACE}
    reason, full_reason = _reason(rows)
    flags = [flag for row in ok for flag in row.iteration_flags if flag]
    proof = pool_proofs(row.kernel_proof for row in ok)
    kept = find_latents(
        ((r.round, r.status, r.latents_path, r.sketches) for r in rows), first.precision
    )
    return CellRow(
        machine=first.machine,
        env=first.env,
        **choices,
        status=common_status(row.status for row in rows),
        reason=reason,
        full_reason=full_reason,
        rounds=len(ok),
        rounds_without_times=len(rows) - len(ok),
        mean_s=interval.mean,
        sd_s=interval.sd,
        ci_low_s=interval.low,
        ci_high_s=interval.high,
        runs=runs,
        stage_runs={
            stage: {name: row[stage] for name, row in zip(names, ok, strict=True)}
            for stage in STAGES
        },
        planned={n: row.planned for n, row in zip(names, ok, strict=True) if row.planned},
        worker_s=mean_known(row.worker_s for row in ok),
        counters={n: row.counters or {} for n, row in zip(names, ok, strict=True)},
        images_per_s=_images_per_s(first.batch_size, ok),
        **means,
        unet_calls_per_s=_unet_calls_per_s(first, ok),
        compile_cache=_common(row.compile_cache for row in ok),
        memory_kind=_common(row.memory_kind for row in ok),
        attention_dtype=_common(row.attention_dtype for row in rows),
        num_warmup=_fewest(row.num_warmup for row in ok),
        profile=_profile(ok),
        drift_rounds=_drift_over_rounds(ok, column),
        drift_iterations=_flagged(trend(row.iterations_s for row in ok)),
        throttled=sum(THROTTLED_WORD in flag for flag in flags),
        iteration_flags=Counter(m for flag in flags for m in flag.split(BETWEEN_FLAGS)),
        warned=Counter(w for row in ok for w in dict.fromkeys(row.warnings)),
        iterations=sum(row.num_iterations for row in ok),
        disturbed_by=tuple(dict.fromkeys(flags)),
        warnings=tuple(dict.fromkeys(w for row in ok for w in row.warnings)),
        kernel_proof=proof,
        proof_detail=next((row.proof_detail for row in ok if row.kernel_proof == proof), ""),
        latents_path=kept.path,
        latents_reason=kept.reason,
        sketches=kept.sketches,
        pictures=next((r.pictures for r in ok if r.round == 0), ()),
        scaled=tuple(dict.fromkeys(s for row in rows for s in row.scaled)),
        started_at=tuple(sorted({row.started_at for row in rows})),
        sweeps=tuple(sorted({row.sweep for row in rows})),
        scales=tuple(sorted({row.scale for row in rows if row.scale})),
        sweep_folders=tuple(sorted({row.sweep_folder for row in rows})),
        **place,
        device_name=first.device_name,
        env_number=min(row.env_number for row in rows),
        cell_hash=first.cell_hash,
        value=value,
    )


def _reason(rows: list[RoundRow]) -> tuple[str, str]:
    """Why rounds have no times: each kind of reason once, with the number of rounds.

    The second text has all reasons in full.
    """
    reasons = Counter(_sentence(row) for row in rows if row.status != "ok")
    if not reasons:
        return "", ""
    short = shorten_kinds(reasons)
    counts: Counter[str] = Counter()
    for reason, count in reasons.items():
        counts[short[reason]] += count
    return cut(_counted(counts, len(rows)), 2 * LONGEST), _counted(reasons, len(rows))


def _counted(reasons: Counter[str], num_rounds: int) -> str:
    """Each reason with its number of rounds; without a number if all rounds have it."""
    return "; ".join(
        reason if count == num_rounds else f"{count} of {num_rounds} rounds {reason}"
        for reason, count in reasons.items()
    )


def _sentence(row: RoundRow) -> str:
    has_status = row.reason.lower().startswith(row.status)
    return row.reason if has_status else f"{row.status}: {row.reason}"


def _images_per_s(batch_size: Choice, ok: list[RoundRow]) -> float:
    """Images/s over all timed iterations; NaN if unknown."""
    if isinstance(batch_size, str | None) or not ok:
        return math.nan
    images = batch_size * sum(row.num_iterations for row in ok)
    return images / math.fsum(row.runtime_s for row in ok) if images else math.nan


def _unet_calls_per_s(first: RoundRow, ok: list[RoundRow]) -> float:
    """UNet calls per second of denoising; PLMS makes one call more than it has steps."""
    steps, denoise_s = first.steps, mean_known(row.denoise_s for row in ok)
    if isinstance(steps, str | None) or not denoise_s > 0:
        return math.nan
    return (steps + (first.sampler == "plms")) / denoise_s


def _common(values: Iterable[str]) -> str:
    return ", ".join(sorted({value for value in values if value}))


def _fewest(counts: Iterable[int | None]) -> int | None:
    """The smallest count; ``None`` if one is unknown or there is none."""
    listed = list(counts)
    return None if None in listed else min((c for c in listed if c is not None), default=None)


def _profile(ok: list[RoundRow]) -> dict[str, float] | None:
    """Mean seconds per class of kernel over the rounds that were profiled."""
    profiles: list[dict[str, float]] = [row.profile for row in ok if row.profile]
    if not profiles:
        return None
    names = dict.fromkeys(name for profile in profiles for name in profile)
    return {n: math.fsum(p.get(n, 0.0) for p in profiles) / len(profiles) for n in names}


def _drift_over_rounds(ok: list[RoundRow], column: str) -> float:
    """The change over the rounds of each sweep, NaN if chance explains it."""
    of_sweep: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in ok:
        of_sweep[row.sweep_folder].append((row.round, row[column]))
    return _flagged(trend([value for _, value in sorted(runs)] for runs in of_sweep.values()))


def _flagged(found: Trend) -> float:
    return found.change if found.flagged else math.nan


def _display_order(cell: CellRow, machine_number: int) -> tuple[Any, ...]:
    first = ("gpu", "model_version", "height", "width", "steps", "n_iter", "batch_size")
    later = [axis for axis in AXES if axis not in first]
    by_first = tuple(rank(axis, cell[axis]) for axis in first)
    by_later = tuple(rank(axis, cell[axis]) for axis in later)
    last = (cell.env_number, cell.cell_hash)
    return (by_first[0], machine_number, *by_first[1:], *by_later, *last)
