"""What the data supports, in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.comparison.deltas import compare_by_axis
from analysis.comparison.flags import BASELINE_UNPROVEN, NOT_AT_PARITY, UNPROVEN, is_trusted
from analysis.formatting import factor, interval, percent
from analysis.rows import Row, list_rows
from sd_bench.verdicts.axes import AXES, WORKLOAD_AXES

_CELL_KEY = ("env", "cell_hash", *AXES)

_DOUBTS = {
    UNPROVEN: "its attention kernels are not proven",
    BASELINE_UNPROVEN: "its baseline's attention kernels are not proven",
    NOT_AT_PARITY: "its output differs from the baseline's by more than its precision explains",
}


def state_findings(
    deltas: pd.DataFrame, by_axis: dict[str, pd.DataFrame] | None = None
) -> list[str]:
    """How the verdicts fell, and for each machine, workload and batch size what won, or why none.

    Cells whose kernels or whose baseline's are not proven or whose output differs are told apart,
    never as winners. Where the fastest cell has no baseline, ``by_axis`` (of `compare_by_axis`,
    made here if it is left out) says what it is worth on another axis.
    """
    if by_axis is None:
        by_axis = compare_by_axis(deltas, float(deltas["margin"].iloc[0]))
    steps = _steps(by_axis)
    measured = deltas[deltas["status"] == "ok"]
    place = ["machine", *WORKLOAD_AXES, "batch_size", "weights"]
    several = {axis for axis in WORKLOAD_AXES if measured[axis].nunique(dropna=False) > 1}
    sentences = _counted(deltas)
    for _, cells in measured.groupby(place, sort=False, dropna=False):
        rows = list_rows(cells)
        where = _where(rows[0], several)
        sentences += _of_place([row for row in rows if row["method"]], where)
        sentences += _of_the_fastest(rows, where, steps)
    return sentences or ["Nothing to compare: no cell has a baseline that was measured."]


def _counted(deltas: pd.DataFrame) -> list[str]:
    counts = Counter(deltas["verdict"][deltas["method"] != ""])
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return [f"{counts.total()} comparisons with a baseline: {said}."] if counts else []


def _steps(by_axis: dict[str, pd.DataFrame]) -> dict[tuple[Any, ...], list[Row]]:
    """For each cell, the tested comparisons on single axes that nothing speaks against."""
    steps = defaultdict(list)
    for deltas in by_axis.values():
        for row in list_rows(deltas[deltas["method"] != ""]):
            if not _doubt(row):
                steps[_key(row)].append(row)
    return steps


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in _CELL_KEY)


def _of_the_fastest(
    rows: list[Row], where: str, steps: dict[tuple[Any, ...], list[Row]]
) -> Iterator[str]:
    """What the fastest cell is worth on another axis, where it has no baseline of its own."""
    fastest = min(filter(is_trusted, rows), key=lambda row: row["cell_s"], default=None)
    if fastest is None or fastest["method"] or fastest["is_baseline"]:
        return
    found = steps.get(_key(fastest), [])
    if found:
        best = max(found, key=lambda row: row["speedup"])
        verdict = f"verdict: {best['verdict']}{_parity(best)}"
        yield (
            f"{best['series']} has the shortest runtime {where}: {factor(best['speedup'])} of "
            f"{best['baseline']} with all else equal ({percent(best['improvement_percent'])}), "
            f"95 % interval {_interval(best)}, {_rounds(best)}, {verdict}."
        )


def _of_place(rows: list[Row], where: str) -> Iterator[str]:
    sound = [row for row in rows if not _doubt(row)]
    decided = [row for row in sound if row["verdict"] in ("faster", "slower", "same")]
    faster = [row for row in decided if row["verdict"] == "faster"]
    if faster:
        best = max(faster, key=lambda row: row["speedup"])
        yield f"{best['series']} is {factor(best['speedup'])} faster than {_evidence(best, where)}"
    elif decided:
        closest = max(decided, key=lambda row: row["speedup"])
        words = {"same": "is as fast as", "slower": "is slower than"}[str(closest["verdict"])]
        yield f"{closest['series']} {words} {_evidence(closest, where)}"
    elif sound:
        best = max(sound, key=lambda row: row["speedup"])
        yield (
            f"No verdict {where}: {best['series']} is estimated at {factor(best['speedup'])} of "
            f"{best['baseline']}, 95 % interval {_interval(best)}, {_rounds(best)}{_parity(best)}."
        )
    for row in rows:
        if _doubt(row) and (row["verdict"] == "faster" or not sound):
            yield (
                f"{row['series']} {where} does not count ({factor(row['speedup'])} of "
                f"{row['baseline']}, {_interval(row)}, {row['verdict']}): {_doubt(row)}."
            )


def _where(row: Row, several: set[str]) -> str:
    work = ", ".join(f"{axis} {row[axis]}" for axis in WORKLOAD_AXES if axis in several)
    place = f"at batch {row['batch_size']} on {row['machine']}"
    return f"{place} ({work})" if work else place


def _evidence(row: Row, where: str) -> str:
    return (
        f"{row['baseline']} {where} ({percent(row['improvement_percent'])}), 95 % interval "
        f"{_interval(row)}, {_rounds(row)}{_parity(row)}."
    )


def _parity(row: Row) -> str:
    """Words of doubt where nobody knows whether the output is the same."""
    return "" if row["parity_ok"] is not None else f"; parity unknown ({row['parity_reason']})"


def _interval(row: Row) -> str:
    return interval(row["speedup_low"], row["speedup_high"])


def _rounds(row: Row) -> str:
    counted = row["pairing"] or f"{int(row['pairs'])} rounds"
    if row["verdict"] != "unclear":
        return counted
    return f"{counted}; {row['difference'].verdict.what_decides} would decide"


def _doubt(row: Row) -> str:
    signs = f"{row['flags']}{row['baseline_flags']}"
    return " and ".join(text for sign, text in _DOUBTS.items() if sign in signs)
