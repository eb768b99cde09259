"""Two sweeps against each other, cell by cell: ``python -m analysis compare OLD NEW``."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.choices import AXES, Row, rows_of
from analysis.compare import add_verdicts, improvement_percent, speedup
from analysis.formats import Page, Table, factor, interval, percent, seconds
from analysis.parity import judge_parity, read_latents
from analysis.series import naming_axes
from analysis.verdicts import Verdict

#: What ``--fail-if`` can name, and what it means.
FAILURES = {
    "slower": "slower by a verdict",
    "unclear": "neither slower, faster nor the same by a verdict, or with too few rounds for one",
    "failed": "measured in OLD and without times in NEW",
    "missing": "in OLD and not in NEW",
    "different": "with an output that differs by more than its precision explains",
}


def compare_sweeps(old: pd.DataFrame, new: pd.DataFrame, margin: float) -> pd.DataFrame:
    """One row a cell of either sweep; both are tables of `summarise`.

    Cells are the same if all their choices are. ``outcome`` is a verdict, or ``failed`` (only in
    NEW), ``failed before`` (only in OLD or in both), ``missing``, ``new`` or ``ambiguous``;
    ``old_s`` and ``new_s`` are mean seconds. Judged as one table a GPU.
    """
    told = all(side["upcast"].notna().any() for side in (old, new))
    sides = [_by_choices(old, told), _by_choices(new, told)]
    rows = []
    for key in dict.fromkeys((*sides[0], *sides[1])):
        rows.append(_row(dict(zip(AXES, key, strict=True)), *(side.get(key, []) for side in sides)))
    add_verdicts(rows, margin)
    for row in rows:
        row["outcome"] = row["outcome"] or row["verdict"] or "too few rounds"
        row["different"] = row["parity_ok"] is False
    numbers = ("rounds_needed", "speedup_low", "speedup_high", "p_holm")
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))


def failures(compared: pd.DataFrame, fail_if: Iterable[str]) -> int:
    """How many cells are as one of `FAILURES` says."""
    found = pd.Series(False, index=compared.index)
    for name in fail_if:
        names = {"unclear": ("unclear", "too few rounds")}.get(name, (name,))
        is_so = compared["different"] if name == "different" else compared["outcome"].isin(names)
        found |= is_so.astype(bool)
    return int(found.sum())


def gate_page(compared: pd.DataFrame) -> Page:
    """A summary in one line, and the table of all cells that were compared or could not be."""
    rows = rows_of(compared)
    counts = Counter(str(row["outcome"]) for row in rows)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    different = int(compared["different"].sum())
    headings = ["GPU", "batch size", "cell", "OLD [s]", "NEW [s]", "improvement", "speed-up"]
    headings += ["95 % interval", "verdict", "parity"]
    table = Table(
        title=f"{len(rows)} cells: {said}",
        headings=headings,
        rows=[_cells(row, _naming(compared)) for row in rows],
        numeric=frozenset(headings[1:2] + headings[3:8]),
    )
    margin = f"{100 * compared['margin'].iloc[0]:g} %"
    notes = [
        "Improvement is (OLD - NEW) / OLD * 100, positive is faster; speed-up is OLD / NEW.",
        "Verdict by Welch's t test on logarithms, corrected after Holm over the cells of a GPU; "
        f"the same if the interval lies within {margin} of equal.",
    ]
    if different:
        notes.insert(0, f"The output of {different} cells differs from OLD's.")
    return Page(title="NEW against OLD", tables=[table], notes=notes)


def _naming(compared: pd.DataFrame) -> list[str]:
    """The axes that tell the cells apart, GPU and batch size not counted."""
    quiet = {"gpu", "batch_size", *({"upcast"} - {*naming_axes(compared)})}
    naming = [axis for axis in AXES if axis not in quiet]
    return [axis for axis in naming if compared[axis].nunique(dropna=False) > 1] or ["attention"]


def _by_choices(cells: pd.DataFrame, upcast_told: bool) -> dict[tuple[Any, ...], list[Row]]:
    """The cells by their choices; the records of one sweep may be older than ``upcast``."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows_of(cells):
        choices = row if upcast_told else row | {"upcast": None}
        found[tuple(choices[axis] for axis in AXES)].append(row)
    return found


def _row(choices: Row, old: list[Row], new: list[Row]) -> Row:
    row: Row = choices | {
        "machine": choices["gpu"],
        "old_s": math.nan,
        "new_s": math.nan,
        "improvement_percent": math.nan,
        "speedup": math.nan,
        "parity_ok": None,
        "parity": math.nan,
        "parity_reason": "",
        "reason": "",
        "outcome": _without_times(old, new),
        "runs": {},
        "baseline_runs": None,
    }
    if row["outcome"]:
        row["reason"] = "; ".join(str(cell["reason"]) for cell in new if cell["reason"])
        return row
    (before,), (after,) = old, new
    row.update(judge_parity(after, before, read_latents))
    return row | {
        "old_s": before["mean_s"],
        "new_s": after["mean_s"],
        "improvement_percent": improvement_percent(before["mean_s"], after["mean_s"]),
        "speedup": speedup(before["mean_s"], after["mean_s"]),
        "runs": {(f"new {sweep}", number): s for (sweep, number), s in after["runs"].items()},
        "baseline_runs": before["runs"],
    }


def _without_times(old: list[Row], new: list[Row]) -> str:
    """Why two cells cannot be compared; empty if they can."""
    if not new:
        return "missing"
    if not old:
        return "new"
    if len(old) > 1 or len(new) > 1:
        return "ambiguous"
    if old[0]["status"] != "ok":
        return "failed before"
    return "" if new[0]["status"] == "ok" else "failed"


def _cells(row: Row, naming: list[str]) -> list[str]:
    words = row | {"upcast": f"upcast {row['upcast']}"}
    names = [str(words[axis]) for axis in naming if row[axis] is not None]
    needed = None if math.isnan(row["rounds_needed"]) else int(row["rounds_needed"])
    tested = row["outcome"] == row["verdict"]
    verdict = str(Verdict(row["verdict"], math.nan, needed)) if tested else str(row["outcome"])
    return [
        str(row["gpu"]),
        str(row["batch_size"]),
        ", ".join(names),
        seconds(row["old_s"]),
        seconds(row["new_s"]),
        percent(row["improvement_percent"]),
        f"{factor(row['speedup'])}{' ‡' if row['different'] else ''}",
        interval(row["speedup_low"], row["speedup_high"]),
        f"{verdict}: {row['reason']}" if row["reason"] else verdict,
        row["parity_reason"] or (f"{row['parity']:.1e}" if row["parity"] > 0 else "0"),
    ]
