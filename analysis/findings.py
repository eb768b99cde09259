"""What the data supports, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from analysis.choices import WORKLOAD_AXES, Row, rows_of
from analysis.formats import factor, interval, percent
from analysis.marks import NOT_AT_PARITY, UNPROVEN

_DOUBTS = {
    UNPROVEN: "its attention kernels are not proven",
    NOT_AT_PARITY: "its output differs from the baseline's by more than its precision explains",
}


def findings(deltas: pd.DataFrame) -> list[str]:
    """How the verdicts fell, and for each machine, workload and batch size what won, or why none.

    Cells whose kernels are not proven or whose output differs are told apart, never as winners.
    """
    compared = deltas[deltas["method"] != ""]
    if not len(compared):
        return ["Nothing to compare: no cell has a baseline with two rounds or more."]
    counts = Counter(compared["verdict"])
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    sentences = [f"{len(compared)} comparisons with a baseline: {said}."]
    place = ["machine", *WORKLOAD_AXES, "batch_size", "weights"]
    several = {axis for axis in WORKLOAD_AXES if compared[axis].nunique(dropna=False) > 1}
    for _, cells in compared.groupby(place, sort=False, dropna=False):
        sentences += _of_place(rows_of(cells), several)
    return sentences


def _of_place(rows: list[Row], several: set[str]) -> Iterator[str]:
    where = _where(rows[0], several)
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
            f"{best['baseline']}, 95 % interval {_interval(best)}, {_rounds(best)}."
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
        f"{_interval(row)}, {_rounds(row)}."
    )


def _interval(row: Row) -> str:
    return interval(row["speedup_low"], row["speedup_high"])


def _rounds(row: Row) -> str:
    needed = row["rounds_needed"]
    more = "" if math.isnan(needed) else f"; about {int(needed)} would decide"
    counted = row["pairing"] or f"{int(row['pairs'])} rounds"
    return f"{counted}{more}"


def _doubt(row: Row) -> str:
    return " and ".join(text for sign, text in _DOUBTS.items() if sign in row["marks"])
