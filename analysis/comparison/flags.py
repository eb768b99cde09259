"""Flags: signs beside a number that must not be taken at face value.

Also decides which cell is bold.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import CellRow
from sd_bench.verdicts.axes import WORKLOAD_AXES
from sd_bench.verdicts.proofs import ALLOW_A_CLAIM
from sd_bench.verdicts.proofs import UNPROVEN as UNPROVEN_WORD

#: The kernels that ran are not the ones named, or were not checked.
UNPROVEN = "†"
#: The kernels cannot be observed, and the cell names none.
UNSEEN = "◊"
NOT_AT_PARITY = "‡"
THROTTLED = "§"
DRIFTING = "~"

#: These signs are shown only beside a speed-up: they are about the comparison.
BASELINE_UNPROVEN = "¶"
PARITY_UNKNOWN = "?"

#: The explanation of each sign below a table or chart.
EXPLANATIONS = {
    UNPROVEN: "the attention kernels that ran are not proven to be the ones named",
    UNSEEN: "unproven: the attention kernels that ran cannot be seen, and the cell names none",
    NOT_AT_PARITY: (
        "the output differs from the baseline's by more than its precision explains "
        "(provisional tolerance)"
    ),
    THROTTLED: "timed iterations were throttled (marked, not dropped)",
    DRIFTING: "times drift along the rounds or iterations by more than chance explains",
    BASELINE_UNPROVEN: "the baseline's attention kernels are not proven to be the ones named",
    PARITY_UNKNOWN: "whether the output equals the baseline's is not known",
}

BOLD_EXPLANATION = (
    "Bold: the fastest of its batch size among the cells with proven kernels (or none named that "
    "could be seen) and parity, its interval below all of theirs; none where it is slower than its "
    "baseline, or where a cell of unknown parity may be faster."
)


def add_flags(rows: list[DeltaRow]) -> None:
    """Set ``flags`` and ``baseline_flags`` (signs) and ``best`` (worth bold) in each compared cell.

    ``baseline_flags`` are about the comparison with the baseline, ``flags`` about the cell.
    """
    rivals: dict[tuple[Any, ...], list[DeltaRow]] = defaultdict(list)
    for row in rows:
        row.flags = flag_cell(row, row.parity_ok)
        row.baseline_flags = _flag_comparison(row)
        row.best = False
        if is_trusted(row):
            work = tuple(row[axis] for axis in ("machine", *WORKLOAD_AXES, "batch_size", "weights"))
            rivals[work].append(row)
    for group in rivals.values():
        fastest = min(group, key=lambda row: row.mean_s)
        others = [row for row in group if row is not fastest]
        trusted = fastest.parity_ok is True and fastest.verdict != "slower"
        if others and trusted and all(_clearly_faster(fastest, other) for other in others):
            fastest.best = True


def is_trusted(row: DeltaRow) -> bool:
    """Whether claims on a measured cell are allowed and its output is not known to differ."""
    allowed = row.status == "ok" and row.kernel_proof in ALLOW_A_CLAIM
    return allowed and row.parity_ok is not False


def explain(flags: Iterable[str]) -> list[str]:
    """One sentence for each sign that occurs, in a fixed order."""
    found = "".join(flags)
    return [f"{sign} {text}." for sign, text in EXPLANATIONS.items() if sign in found]


def flag_cell(row: CellRow, parity_ok: bool | None) -> str:
    """The signs of a measured cell by itself; empty for a cell without times."""
    if row.status != "ok":
        return ""
    found = {
        UNPROVEN: row.kernel_proof not in ALLOW_A_CLAIM,
        UNSEEN: row.kernel_proof == UNPROVEN_WORD,
        NOT_AT_PARITY: parity_ok is False,
        THROTTLED: row.throttled > 0,
        DRIFTING: not (math.isnan(row.drift_rounds) and math.isnan(row.drift_iterations)),
    }
    return "".join(sign for sign, applies in found.items() if applies)


def _flag_comparison(row: DeltaRow) -> str:
    if math.isnan(row.speedup) or row.is_baseline:
        return ""
    found = {
        BASELINE_UNPROVEN: row.baseline_proof not in ALLOW_A_CLAIM,
        PARITY_UNKNOWN: row.parity_ok is None,
    }
    return "".join(sign for sign, applies in found.items() if applies)


def _clearly_faster(row: DeltaRow, other: DeltaRow) -> bool:
    """Whether the intervals do not overlap; false for a single round, whose interval is NaN."""
    return not math.isnan(row.ci_high_s) and bool(row.ci_high_s < other.ci_low_s)
