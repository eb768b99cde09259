"""Rounds to cells: mean over rounds, spread, interval, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.ingest.efficiency import EFFICIENCY, efficiency_columns
from analysis.ingest.measures import BETWEEN_FLAGS, NUMBERS, STAGES, THROTTLED_WORD
from analysis.ingest.pictures import Picture
from analysis.rows import Row, list_rows
from analysis.series import label_series
from analysis.truncation import LONGEST, cut, shorten_kinds
from sd_bench.statistics.drift import trend
from sd_bench.statistics.intervals import mean_interval
from sd_bench.statistics.runtime import typical_runtime
from sd_bench.verdicts.axes import AXES, Choice, rank
from sd_bench.verdicts.cells import common_status, mean_known
from sd_bench.verdicts.parity import find_latents
from sd_bench.verdicts.proofs import pool_proofs
from sd_bench.verdicts.rounds import name_rounds

#: What a round's value may be, by its name on the command line.
VALUES = {"runtime": "runtime_s", "median-iteration": "median_iteration_s"}

_CELL_KEY = ("cell_hash", "env", *AXES)
_OF_PLACE = ("device", "torch", "python", "fingerprint", "peer_versions")
_INTERVAL = ("mean_s", "sd_s", "ci_low_s", "ci_high_s", "typical_s")
_RATES = ("images_per_s", "unet_calls_per_s")


def summarise(rounds: pd.DataFrame, value: str = "runtime") -> pd.DataFrame:
    """One row a cell and environment, in display order.

    ``value`` says what a round counts as: its ``runtime``, or its ``median-iteration``. ``mean_s``,
    ``sd_s``, ``ci_low_s`` and ``ci_high_s`` are seconds of that over the ``ok`` rounds (95 % t
    interval, NaN with fewer than two rounds), ``typical_s`` is the geometric mean without disturbed
    rounds; ``runs`` has each by (sweep's folder, round), ``stage_runs`` the same of each of
    `measures.STAGES`, ``planned`` the looks planned for it.
    ``images_per_s`` is at the mean, ``unet_calls_per_s`` in the denoising stage. The columns of
    `measures.NUMBERS` are means over rounds, those of `efficiency.EFFICIENCY` follow from them,
    ``drift_rounds`` and ``drift_iterations`` the change
    from first to last. Rounds of the same cell and environment pool, from however many sweeps. A
    cell without an ``ok`` round keeps its row, with ``status`` and ``reason``. Raises KeyError
    for an unknown value, AnalysisError if a round does not have it.
    """
    column = VALUES[value]
    if rounds.loc[rounds["status"] == "ok", column].isna().any():
        raise AnalysisError(f"some rounds have no {value}: leave --value out")
    members: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in list_rows(rounds):
        members[tuple(row[column] for column in _CELL_KEY)].append(row)
    cells = [_cell(rows, column) | {"value": value} for rows in members.values()]
    for cell in cells:
        cell |= efficiency_columns(cell)
    first_of: dict[str, int] = {}
    for cell in sorted(cells, key=lambda cell: cell["env_number"]):
        first_of.setdefault(cell["machine"], cell["env_number"])
    cells.sort(key=lambda cell: _display_order(cell, first_of[cell["machine"]]))
    frame = pd.DataFrame(cells, dtype=object)
    numbers = (*_INTERVAL, *_RATES, *NUMBERS, *EFFICIENCY, "drift_rounds", "drift_iterations")
    whole = frame.astype(dict.fromkeys(numbers, float)).copy()  # one block, not one a column
    return label_series(whole)


def _cell(rows: list[Row], column: str) -> Row:
    first, ok = rows[0], [row for row in rows if row["status"] == "ok"]
    interval = mean_interval([row[column] for row in ok])
    names = name_rounds((row["sweep_folder"], row["round"], row["path"]) for row in ok)
    runs = {name: row[column] for name, row in zip(names, ok, strict=True)}
    place = (ok or rows)[0]
    return {
        **{name: first[name] for name in ("machine", "env", *AXES)},
        "status": common_status(row["status"] for row in rows),
        **_reason(rows),
        "rounds": len(ok),
        "rounds_without_times": len(rows) - len(ok),
        "mean_s": interval.mean,
        "sd_s": interval.sd,
        "ci_low_s": interval.low,
        "ci_high_s": interval.high,
        "typical_s": typical_runtime(list(runs.values())).seconds if runs else math.nan,
        "runs": runs,
        "stage_runs": {
            stage: {name: row[stage] for name, row in zip(names, ok, strict=True)}
            for stage in STAGES
        },
        "planned": {n: row["planned"] for n, row in zip(names, ok, strict=True) if row["planned"]},
        "worker_s": mean_known(row["worker_s"] for row in ok),
        "counters": {n: row["counters"] or {} for n, row in zip(names, ok, strict=True)},
        "images_per_s": _images_per_s(first["batch_size"], ok),
        **{name: mean_known(row[name] for row in ok) for name in NUMBERS},
        "unet_calls_per_s": _unet_calls_per_s(first, ok),
        **{name: _common(row[name] for row in ok) for name in ("compile_cache", "memory_kind")},
        "attention_dtype": _common(row["attention_dtype"] for row in rows),
        "num_warmup": _fewest(row["num_warmup"] for row in ok),
        "profile": _profile(ok),
        **_disturbances(ok, column),
        **_proof(ok),
        **_latents(rows),
        "pictures": _pictures(rows),
        "scaled": tuple(dict.fromkeys(s for row in rows for s in row["scaled"])),
        "started_at": tuple(sorted({row["started_at"] for row in rows})),
        "sweeps": tuple(sorted({row["sweep"] for row in rows})),
        "scales": tuple(sorted({row["scale"] for row in rows if row["scale"]})),
        "sweep_folders": tuple(sorted({row["sweep_folder"] for row in rows})),
        **{name: place[name] for name in _OF_PLACE},
        "device_name": first["device_name"],
        "env_number": min(row["env_number"] for row in rows),
        "cell_hash": first["cell_hash"],
    }


def _reason(rows: list[Row]) -> Row:
    """Why rounds have no times: each kind once, with how many rounds where only some have it.

    ``full_reason`` has every text whole.
    """
    reasons = Counter(_sentence(row) for row in rows if row["status"] != "ok")
    if not reasons:
        return {"reason": "", "full_reason": ""}
    short = shorten_kinds(reasons)
    counts: Counter[str] = Counter()
    for reason, count in reasons.items():
        counts[short[reason]] += count
    said = cut(_counted(counts, len(rows)), 2 * LONGEST)
    return {"reason": said, "full_reason": _counted(reasons, len(rows))}


def _counted(reasons: Counter[str], num_rounds: int) -> str:
    """Each reason with its number of rounds; no number where all rounds have it."""
    return "; ".join(
        reason if count == num_rounds else f"{count} of {num_rounds} rounds {reason}"
        for reason, count in reasons.items()
    )


def _sentence(row: Row) -> str:
    status, reason = str(row["status"]), str(row["reason"])
    return reason if reason.lower().startswith(status) else f"{status}: {reason}"


def _images_per_s(batch_size: Choice, ok: list[Row]) -> float:
    """Images a second over all timed iterations."""
    if isinstance(batch_size, str | None) or not ok:
        return math.nan
    images = batch_size * sum(row["num_iterations"] for row in ok)
    return images / math.fsum(row["runtime_s"] for row in ok) if images else math.nan


def _unet_calls_per_s(first: Row, ok: list[Row]) -> float:
    """UNet calls a second of the denoising stage: PLMS makes one more than it has steps."""
    steps, denoise_s = first["steps"], mean_known(row["denoise_s"] for row in ok)
    if isinstance(steps, str | None) or not denoise_s > 0:
        return math.nan
    return (steps + (first["sampler"] == "plms")) / denoise_s


def _common(values: Iterable[str]) -> str:
    return ", ".join(sorted({value for value in values if value}))


def _fewest(counts: Iterable[int | None]) -> int | None:
    """The smallest count, nothing where one is not known or there is none."""
    listed = list(counts)
    return None if None in listed else min((c for c in listed if c is not None), default=None)


def _profile(ok: list[Row]) -> dict[str, float] | None:
    """Seconds by class of kernel, the mean over the rounds that were profiled."""
    profiles: list[dict[str, float]] = [row["profile"] for row in ok if row["profile"]]
    if not profiles:
        return None
    names = dict.fromkeys(name for profile in profiles for name in profile)
    return {n: math.fsum(p.get(n, 0.0) for p in profiles) / len(profiles) for n in names}


def _disturbances(ok: list[Row], column: str) -> Row:
    """Trends over rounds and iterations, and how many timed iterations were throttled."""
    of_sweep: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in ok:
        of_sweep[row["sweep_folder"]].append((row["round"], row[column]))
    over_rounds = trend([value for _, value in sorted(runs)] for runs in of_sweep.values())
    over_iterations = trend(row["iterations_s"] for row in ok)
    flags = [flag for row in ok for flag in row["iteration_flags"] if flag]
    return {
        "drift_rounds": over_rounds.change if over_rounds.flagged else math.nan,
        "drift_iterations": over_iterations.change if over_iterations.flagged else math.nan,
        "throttled": sum(THROTTLED_WORD in flag for flag in flags),
        "iteration_flags": Counter(m for flag in flags for m in flag.split(BETWEEN_FLAGS)),
        "warned": Counter(w for row in ok for w in dict.fromkeys(row["warnings"])),
        "iterations": sum(row["num_iterations"] for row in ok),
        "disturbed_by": tuple(dict.fromkeys(flags)),
        "warnings": tuple(dict.fromkeys(w for row in ok for w in row["warnings"])),
    }


def _proof(ok: list[Row]) -> Row:
    """``proven`` only if every ``ok`` round that looked at its kernels proved them."""
    proof = pool_proofs(row["kernel_proof"] for row in ok)
    details = (row["proof_detail"] for row in ok if row["kernel_proof"] == proof)
    return {"kernel_proof": proof, "proof_detail": next(details, "")}


def _latents(rows: list[Row]) -> Row:
    """The file of final latents of round 0, or why there is none, and its sketches."""
    rounds = ((r["round"], r["status"], r["latents_path"], r["sketches"]) for r in rows)
    kept = find_latents(rounds, rows[0]["precision"])
    return {
        "latents_path": kept.path,
        "latents_reason": kept.reason,
        "sketches": kept.sketches,
    }


def _pictures(rows: list[Row]) -> tuple[Picture, ...]:
    """Those of round 0, whose latents parity is judged by."""
    of_first = (row["pictures"] for row in rows if row["round"] == 0 and row["status"] == "ok")
    return next((pictures for pictures in of_first if isinstance(pictures, tuple)), ())


def _display_order(cell: Row, machine_number: int) -> tuple[Any, ...]:
    first = ("gpu", "model_version", "height", "width", "steps", "n_iter", "batch_size")
    later = [axis for axis in AXES if axis not in first]
    by_first = tuple(rank(axis, cell[axis]) for axis in first)
    by_later = tuple(rank(axis, cell[axis]) for axis in later)
    last = (cell["env_number"], cell["cell_hash"])
    return (by_first[0], machine_number, *by_first[1:], *by_later, *last)
