"""Print the answers: a sentence for each comparison, then one table that fits into 80 columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import ScreenTable, draw_table
from sd_bench.statistics.digits import count_digits, format_factor, format_factors
from sd_bench.verdicts.answers import (
    IS_BASELINE,
    NO_BASELINE,
    NO_CLAIM,
    Answer,
    Compared,
    list_sentences,
)
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.names import PLACE_BEGINS
from sd_bench.verdicts.proofs import PROVEN

#: The most sentences and rows that are shown; further ones are only counted.
_MOST_SENTENCES, _MOST_ROWS = 40, 200

_NOTHING = "-"

#: The colours of verdicts and statuses.
_STYLES = {
    "faster": "green",
    "slower": "red",
    NO_CLAIM: "bold yellow",
    **dict.fromkeys(("failed", "crashed", "oom", "timeout", "invalid"), "red"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """A cell in the table, with its seconds and rate; ``signs`` are printed after the seconds."""

    compared: Compared
    answer: Answer
    runtime_s: float
    images_per_s: float
    signs: str = ""


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    text: Callable[[ShownCell], str]
    numeric: bool = False


def print_answers(cells: Sequence[ShownCell], console: Console, value: str = "runtime") -> None:
    """Print the results of a table's comparisons.

    ``value`` names what the seconds measure, for the heading.
    """
    sentences = list_sentences(cell.answer for cell in cells)
    for sentence in sentences[:_MOST_SENTENCES]:
        print_line(console, sentence)
    if len(sentences) > _MOST_SENTENCES:
        more = len(sentences) - _MOST_SENTENCES
        print_line(console, f"{more} more comparisons: see the table.")
    console.print()
    console.print(draw_table(tabulate(cells[:_MOST_ROWS], value), console))
    if len(cells) > _MOST_ROWS:
        print_line(console, f"The first {_MOST_ROWS} of {len(cells)} cells.")


def tabulate(cells: Sequence[ShownCell], value: str = "runtime") -> ScreenTable:
    """A table with one row per cell and at most seven columns."""
    columns = list(_columns(cells, value))
    return ScreenTable(
        headings=[column.heading for column in columns],
        rows=[[column.text(cell) for column in columns] for cell in cells],
        numeric=frozenset(column.heading for column in columns if column.numeric),
        styles=_STYLES,
    )


def _columns(cells: Sequence[ShownCell], value: str) -> list[_Column]:
    """The columns that have something to show.

    Kernels are shown if a proof is missing or nothing is compared.
    """
    words = {cell.answer.word for cell in cells}
    speedups = _Column("speed-up", _speedup, numeric=True)
    are_compared = any(_speedup(cell) != _NOTHING for cell in cells)
    measured = [cell for cell in cells if cell.compared.comparison.cell.is_measured]
    are_proven = all(cell.compared.proof == PROVEN for cell in measured)
    return [
        _Column("cell", _name),
        _Column("batch", lambda cell: str(_of(cell)["batch_size"]), numeric=True),
        *([] if words <= {IS_BASELINE, NO_BASELINE} else [_Column("verdict", _word)]),
        *([speedups] if are_compared else []),
        _Column(f"{value} [s]", _seconds, numeric=True),
        _Column("images/s", lambda cell: _significant(cell.images_per_s), numeric=True),
        *([] if are_compared and are_proven else [_Column("kernels", _kernels)]),
    ]


def _of(cell: ShownCell) -> Cell:
    return cell.compared.comparison.cell


def _name(cell: ShownCell) -> str:
    """The cell's name and place, without the batch size, which has its own column."""
    begin = f"{PLACE_BEGINS} {_of(cell)['batch_size']}"
    return f"{cell.compared.name}{cell.compared.place.removeprefix(begin)}"


def _word(cell: ShownCell) -> str:
    return _NOTHING if cell.answer.word == NO_BASELINE else cell.answer.word


def _speedup(cell: ShownCell) -> str:
    """The speed-up with its interval, or nothing if no claim is allowed."""
    difference = cell.compared.comparison.difference
    if difference is None or difference.verdict is None or cell.answer.word == NO_CLAIM:
        return _NOTHING
    low, high = difference.interval
    times = format_factor(difference.speedup, low, high)
    return times if math.isnan(low) else f"{times} ({format_factors(low, high)})"


def _seconds(cell: ShownCell) -> str:
    return f"{_significant(cell.runtime_s)} {cell.signs}".rstrip()


def _kernels(cell: ShownCell) -> str:
    if not _of(cell).is_measured:
        return _NOTHING
    return {"none": "no proof"}.get(cell.compared.proof, cell.compared.proof)


def _significant(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.{count_digits(value)}f}"
