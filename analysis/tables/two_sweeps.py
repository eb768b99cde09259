"""What ``compare OLD NEW`` prints: a table of the cells, with notes below it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.comparison.flags import NOT_AT_PARITY, UNPROVEN, UNSEEN, explain
from analysis.comparison.rows import TwoSweepsRow
from analysis.formatting import factor, interval, join_sweeps, percent, seconds
from analysis.ingest.rows import EnvironmentRow
from analysis.rows import list_rows, make_rows, varies
from analysis.tables.columns import NOTHING, VERDICT, what_decides
from analysis.tables.page import Page, Table
from analysis.wording.cell_names import name_cells, name_choices
from analysis.wording.judgements import note_verdicts
from sd_bench.verdicts.names import is_worth_saying

_NUMERIC = ("OLD [s]", "NEW [s]", "improvement", "speed-up", "95 % interval")


@dataclass(frozen=True, slots=True)
class Sweep:
    """One side of the comparison; ``environments`` come from `list_environments`.

    ``value`` is a sentence on what the time of a round means.
    """

    name: str
    folder: Path
    environments: pd.DataFrame
    value: str


def make_two_sweeps_page(compared: pd.DataFrame, sweeps: Sequence[Sweep], note: str = "") -> Page:
    """A one-line summary, and the table of all cells, compared or not.

    ``note`` is the first of the notes.
    """
    compared = compared.assign(series=name_cells(compared))
    rows = list_rows(compared, TwoSweepsRow)
    counts = Counter(f"{row.outcome} {_distrust(row)}".rstrip() for row in rows)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    in_name = [axis for axis in ("batch_size", "gpu") if varies(compared, axis)]
    cells = [_cells(row, in_name) for row in rows]
    headings = [name for name in cells[0] if any(cell[name] not in ("", NOTHING) for cell in cells)]
    table = Table(
        title=f"{len(rows)} cells: {outcomes}",
        headings=headings,
        rows=[[cell[heading] for heading in headings] for cell in cells],
        numeric=frozenset(_NUMERIC),
    )
    notes = [*([f"{note}."] if note else []), *_notes(compared, sweeps)]
    return Page(title="NEW against OLD", tables=[table], notes=notes)


def _notes(compared: pd.DataFrame, sweeps: Sequence[Sweep]) -> list[str]:
    rows = make_rows(compared, TwoSweepsRow)
    for row in rows:
        row.baseline = f"OLD's {row.series}"
    first = rows[0]
    shared = {
        axis: word
        for axis, word in name_choices(first).items()
        if not varies(compared, axis) and is_worth_saying(axis, first[axis])
    }
    different = sum(row.different for row in rows)
    return [
        *([f"The output of {different} cells differs from OLD's."] if different else []),
        *([f"All cells: {', '.join(shared.values())}."] if shared else []),
        *(_sweep_sentence(sweep) for sweep in sweeps),
        *dict.fromkeys(sweep.value for sweep in sweeps),
        "Improvement is (OLD - NEW) / OLD * 100, positive is faster; speed-up is OLD / NEW. Both, "
        "their 95 % interval, OLD [s] and NEW [s] come from one estimate, the geometric mean over "
        "the rounds without disturbed ones.",
        *note_verdicts(rows),
        "OLD is the baseline: parity is the relative L2 distance of NEW's final latents of round 0 "
        "from OLD's.",
        *explain(f"{row.old_marks}{row.new_marks}" for row in rows),
    ]


def _sweep_sentence(sweep: Sweep) -> str:
    several = len(sweep.environments) > 1
    parts = (
        f"{row.env + ': ' if several else ''}{row.device}, "
        f"PyTorch {row.torch} on Python {row.python}, commit "
        f"{row.commit}, {row.rounds} rounds of {join_sweeps(row.sweeps)}"
        for row in list_rows(sweep.environments, EnvironmentRow)
    )
    return f"{sweep.name} is {sweep.folder}; {'; '.join(parts)}."


def _cells(row: TwoSweepsRow, in_name: Sequence[str]) -> dict[str, str]:
    """The texts of a row by heading; ``in_name`` are the axes that its name includes."""
    low, high = row.speedup_low, row.speedup_high
    places = {"gpu": f"on {row.gpu}", "batch_size": f"batch size {row.batch_size}"}
    return {
        "cell": ", ".join((str(row.series), *(places[axis] for axis in in_name))),
        VERDICT: str(row.outcome),
        "speed-up": f"{factor(row.speedup, low, high)} {_distrust(row)}".rstrip(),
        "95 % interval": interval(low, high),
        "improvement": percent(row.improvement_percent, row.improvement_low, row.improvement_high),
        "OLD [s]": f"{seconds(row.baseline_s)} {row.old_marks}".rstrip(),
        "NEW [s]": f"{seconds(row.cell_s)} {row.new_marks}".rstrip(),
        "parity": _parity(row),
        "kernel proof": _proof(row),
        "note": str(row.note),
        "what would decide": what_decides(row),
    }


def _distrust(row: TwoSweepsRow) -> str:
    """The signs of both sides that a reader of the speed-up must see."""
    signs = f"{row.old_marks}{row.new_marks}"
    return "".join(sign for sign in (UNPROVEN, UNSEEN, NOT_AT_PARITY) if sign in signs)


def _proof(row: TwoSweepsRow) -> str:
    """The proof of NEW, and that of OLD if it differs."""
    if not row.new_proof or row.old_proof in ("", row.new_proof):
        return row.new_proof_said or "-"
    return f"{row.new_proof_said} (OLD: {row.old_proof})"


def _parity(row: TwoSweepsRow) -> str:
    if row.parity_reason:
        return f"- ({row.parity_reason})"
    if math.isnan(row.parity):
        return "-"
    return f"{row.parity:.1e}" if row.parity else "0"
