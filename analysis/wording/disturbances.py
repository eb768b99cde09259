"""What disturbed a sweep, in sentences: throttling, warnings, drift."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from analysis.comparison.flags import DRIFTING, THROTTLED
from analysis.formatting import count_rounds
from analysis.ingest.measures import THROTTLED_WORD
from analysis.truncation import shorten_kinds

#: Most kinds of warnings that are shown; the CSV has all.
_MOST_WARNINGS = 8


def note_disturbances(measured: pd.DataFrame) -> list[str]:
    """How many iterations and rounds were disturbed, and which cells drift by how much."""
    notes = [*_mark_notes(measured), *_warning_notes(measured)]
    for column, along in (("drift_rounds", "rounds"), ("drift_iterations", "iterations")):
        drifting = measured[measured[column].notna()]
        if len(drifting):
            least, most = drifting[column].min(), drifting[column].max()
            notes.append(
                f"{len(drifting)} of {len(measured)} cells drift along their {along}, by "
                f"{100 * least:+.1f} to {100 * most:+.1f} % from first to last: marked {DRIFTING}."
            )
    return notes


def _mark_notes(measured: pd.DataFrame) -> list[str]:
    """Throttling with all its reasons, then every other flag of iterations separately."""
    flags = measured["iteration_flags"]
    iterations = f"of {int(measured['iterations'].sum())} timed iterations"
    notes = []
    if num_throttled := int(measured["throttled"].sum()):
        found = (flag for each in flags for flag in each if flag.startswith(THROTTLED_WORD))
        words = dict.fromkeys(flag.removeprefix(THROTTLED_WORD).strip(": ") for flag in found)
        reasons = f" ({', '.join(words)})" if any(words) else ""
        cells = _cells(int((measured["throttled"] > 0).sum()), len(measured))
        notes.append(
            f"{num_throttled} {iterations} were throttled{reasons}, in {cells}: marked "
            f"{THROTTLED}, not dropped."
        )
    for flag, (count, num_cells) in _counted_kinds(flags).items():
        if not flag.startswith(THROTTLED_WORD):
            cells = _cells(num_cells, len(measured))
            notes.append(f"{flag}: {count} {iterations}, in {cells}; not dropped.")
    return notes


def _warning_notes(measured: pd.DataFrame) -> list[str]:
    """The records' own warnings, the most frequent first."""
    found = _counted_kinds(measured["warned"])
    frequent = sorted(found.items(), key=lambda item: -item[1][0])
    notes = [
        f"Warning of {count_rounds(count)}, in {_cells(num_cells, len(measured))}: {warning}"
        + ("" if warning.endswith((".", "…")) else ".")
        for warning, (count, num_cells) in frequent[:_MOST_WARNINGS]
    ]
    more = len(frequent) - _MOST_WARNINGS
    return [*notes, f"{more} further warnings are in summary_full.csv."] if more > 0 else notes


def _counted_kinds(of_cells: pd.Series[Any]) -> dict[str, tuple[int, int]]:
    """How often each kind of text occurs, and in how many cells."""
    short = shorten_kinds(text for texts in of_cells for text in texts)
    times: Counter[str] = Counter()
    cells: Counter[str] = Counter()
    for texts in of_cells:
        for text, count in texts.items():
            times[short[text]] += count
        cells.update({short[text] for text in texts})
    return {kind: (count, cells[kind]) for kind, count in times.items()}


def _cells(count: int, num_all: int) -> str:
    return f"{count} of {num_all} cells"
