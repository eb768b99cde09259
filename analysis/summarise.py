"""Rounds to cells: mean over rounds, spread, interval, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import pandas as pd

from analysis.choices import AXES, Choice, Row, rank
from analysis.intervals import mean_interval
from analysis.series import label_series

#: From this many rounds on a comparison may become a verdict; below it is an estimate.
ROUNDS_FOR_A_VERDICT = 10

_CELL_KEY = ("cell_hash", "env", *AXES)


def summarise(rounds: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and environment, in display order.

    ``mean_s``, ``sd_s``, ``ci_low_s`` and ``ci_high_s`` are seconds over the ``ok`` rounds (95 %
    t interval, NaN with fewer than two rounds); ``images_per_s`` is images a second at the mean.
    Rounds of the same cell and environment pool, from however many sweeps. A cell without an
    ``ok`` round keeps its row, with ``status`` and ``reason``.
    """
    members: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rounds.to_dict("records"):
        members[tuple(row[column] for column in _CELL_KEY)].append(row)
    cells = [_cell(rows) for rows in members.values()]
    cells.sort(key=_display_order)
    frame = pd.DataFrame(cells, dtype=object)
    numbers = ["mean_s", "sd_s", "ci_low_s", "ci_high_s", "images_per_s"]
    return label_series(frame.astype(dict.fromkeys(numbers, float)))


def _cell(rows: list[Row]) -> Row:
    first, ok = rows[0], [row for row in rows if row["status"] == "ok"]
    interval = mean_interval([row["runtime_s"] for row in ok])
    kept = ("machine", "env", *AXES)
    return {
        **{name: first[name] for name in kept},
        "status": "ok" if ok else Counter(row["status"] for row in rows).most_common(1)[0][0],
        "reason": _reason(rows),
        "rounds": len(ok),
        "rounds_without_times": len(rows) - len(ok),
        "mean_s": interval.mean,
        "sd_s": interval.sd,
        "ci_low_s": interval.low,
        "ci_high_s": interval.high,
        "images_per_s": _images_per_s(first["batch_size"], first["n_iter"], interval.mean),
        **_proof(ok),
        **_latents(rows),
        "scaled": tuple(dict.fromkeys(s for row in rows for s in row["scaled"])),
        "started_at": tuple(sorted({row["started_at"] for row in rows})),
        "sweeps": tuple(sorted({row["sweep"] for row in rows})),
        "device": first["device"],
        "torch": first["torch"],
        "python": first["python"],
        "fingerprint": first["fingerprint"],
        "cell_hash": first["cell_hash"],
    }


def _reason(rows: list[Row]) -> str:
    """Why rounds have no times: each reason once, with how many rounds where only some have it."""
    reasons = Counter(_sentence(row) for row in rows if row["status"] != "ok")
    return "; ".join(
        reason if count == len(rows) else f"{count} of {len(rows)} rounds {reason}"
        for reason, count in reasons.items()
    )


def _sentence(row: Row) -> str:
    status, reason = str(row["status"]), str(row["reason"])
    return reason if reason.lower().startswith(status) else f"{status}: {reason}"


def _images_per_s(batch_size: Choice, n_iter: Choice, mean_s: float) -> float:
    if isinstance(batch_size, str | None) or isinstance(n_iter, str | None):
        return math.nan
    return batch_size * n_iter / mean_s


def _proof(ok: list[Row]) -> Row:
    """``proven`` only if every ``ok`` round that looked at its kernels proved them."""
    for verdict in ("not proven", "proven"):
        found = [row for row in ok if row["kernel_proof"] == verdict]
        if found:
            return {"kernel_proof": verdict, "proof_detail": found[0]["proof_detail"]}
    return {"kernel_proof": "none", "proof_detail": ""}


def _latents(rows: list[Row]) -> Row:
    """The file of final latents of round 0, or why there is none."""
    first_rounds = [row for row in rows if row["round"] == 0]
    if not first_rounds:
        return {"latents_path": None, "latents_reason": "no round 0"}
    ok = [row for row in first_rounds if row["status"] == "ok"]
    if not ok:
        return {"latents_path": None, "latents_reason": f"round 0 {first_rounds[0]['status']}"}
    kept = [row["latents_path"] for row in ok if row["latents_path"]]
    if not kept:
        return {"latents_path": None, "latents_reason": "latents not kept"}
    return {"latents_path": kept[0], "latents_reason": ""}


def _display_order(cell: Row) -> tuple[Any, ...]:
    first = ("gpu", "model_version", "height", "width", "steps", "n_iter", "batch_size")
    later = [axis for axis in AXES if axis not in first]
    by_first = tuple(rank(axis, cell[axis]) for axis in first)
    by_later = tuple(rank(axis, cell[axis]) for axis in later)
    return (by_first[0], cell["machine"], *by_first[1:], *by_later, cell["env"], cell["cell_hash"])
