"""Tables for a paper: LaTeX with booktabs, a caption and a label, and at most six columns.

A table is set in one column of the text if it fits there, else across both (``table*``). The first
column takes the room that the numbers leave, and wraps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.tables.latex_text import PREAMBLE, to_latex_text
from analysis.tables.page import Page, Table

MOST_COLUMNS = 6

#: In points: the width of a text column, the average width of a character in ``\\footnotesize``,
#: and the space between columns.
_COLUMN_PT, _CHARACTER_PT, _BETWEEN_PT = 238.0, 4.3, 8.0
#: The least width of all wrapped columns together, to be readable.
_LEAST_WRAPPED_PT = 80.0

#: Characters beyond which a text wraps, and beyond which a heading is broken in two.
_LONGEST_LINE, _LONGEST_HEADING = 16, 9

#: Rows of one float; a longer table continues in the next.
_MOST_ROWS = 36

#: Columns in the order in which they are left out of a table that has too many; the CSV files and
#: the report have them. Columns not listed are left out from the right.
_LEFT_OUT_FIRST = (
    *("what would decide", "note", "fingerprint", "sweeps", "torch_env", "kernel proof", "parity"),
    *("improvement", "rounds", "warm [s]", "compile or convert, cold [s]", "against"),
    *("UNet calls/s", "baseline [s]", "baseline", "first UNet call [s]", "text encoder [s]"),
    *("energy per image [J]", "text encoder [TFLOP/s]", "autoencoder [TFLOP/s]"),
)

#: Columns that stay when others have to go: what a table across machines comes down to.
_LEFT_OUT_LAST = ("fastest", "times the slowest")

#: The signs that a note below a table explains.
_SIGNS = "†◊‡§~¶?▲"


def to_latex(page: Page, stem: str) -> str:
    """The tables of the page as floats, labelled ``tab:stem``, ``tab:stem-2``, ...

    Explanations of the signs in a table are set below it. The answer, all other notes, and what was
    left out are comments: the author decides which of them to use.
    """
    blocks = [
        f"% {_comment(page.title)}. Needs \\usepackage{{booktabs,tabularx}}.\n{PREAMBLE}",
        *(_float(part, page.notes) for part in _parts(page, stem)),
        *(f"% {_comment(text)}" for text in (page.answer, *page.notes) if text),
    ]
    return "\n\n".join(blocks) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The content of one float: a narrow table with its caption, and the headings left out."""

    table: Table
    caption: str
    label: str
    left_out: list[str]


def _parts(page: Page, stem: str) -> Iterator[_Part]:
    number = 0
    for table in page.tables:
        narrow, left_out = _narrow(_name_rows(table))
        begins = range(0, max(len(narrow.rows), 1), _MOST_ROWS)
        for at, begin in enumerate(begins, 1):
            number += 1
            end = begin + _MOST_ROWS
            of = f" (part {at} of {len(begins)})" if len(begins) > 1 else ""
            yield _Part(
                table=replace(
                    narrow,
                    rows=narrow.rows[begin:end],
                    bold=frozenset(row - begin for row in narrow.bold if begin <= row < end),
                ),
                caption=f"{table.title}{of}",
                label=f"tab:{stem}" if number == 1 else f"tab:{stem}-{number}",
                left_out=left_out,
            )


def _name_rows(table: Table) -> Table:
    """The table with one column that names the row: ``flash, batch size 4``."""
    named = table.num_naming
    if named < 2:
        return table
    places = table.headings[: named - 1]
    rows = [
        [
            ", ".join([row[named - 1], *map(" ".join, zip(places, row, strict=False))]),
            *row[named:],
        ]
        for row in table.rows
    ]
    headings = ["cell", *table.headings[named:]]
    return replace(table, headings=headings, rows=rows, num_naming=1)


def _narrow(table: Table) -> tuple[Table, list[str]]:
    """The table with at most `MOST_COLUMNS`, and the headings that were left out."""
    ranks = {heading: rank for rank, heading in enumerate(_LEFT_OUT_FIRST)}
    ranks |= dict.fromkeys(_LEFT_OUT_LAST, len(ranks) + 1)
    candidates = sorted(
        range(1, len(table.headings)),
        key=lambda at: (ranks.get(table.headings[at], len(_LEFT_OUT_FIRST)), -at),
    )
    dropped = set(candidates[: max(len(table.headings) - MOST_COLUMNS, 0)])
    kept = [at for at in range(len(table.headings)) if at not in dropped]
    narrow = replace(
        table,
        headings=[table.headings[at] for at in kept],
        rows=[[row[at] for at in kept] for row in table.rows],
    )
    return narrow, [table.headings[at] for at in sorted(dropped)]


def _float(part: _Part, notes: Sequence[str]) -> str:
    table = part.table
    wraps = [at == 0 or _widest(table, at) > _LONGEST_LINE for at in range(len(table.headings))]
    kind = "table" if _fits_a_column(table, wraps) else "table*"
    columns = "".join(map(_column, wraps, (heading in table.numeric for heading in table.headings)))
    shared = next((note for note in notes if note.startswith("All cells: ")), "")
    caption = " ".join(filter(None, (f"{part.caption.rstrip('.')}.", shared)))
    lines = [
        f"\\begin{{{kind}}}[tbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        f"\\caption{{{to_latex_text(caption)}}}",
        f"\\label{{{part.label}}}",
        f"\\begin{{tabularx}}{{\\linewidth}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _line([_heading(table, at, wraps[at]) for at in range(len(table.headings))]),
        r"\midrule",
        *(_line(_bold(row) if at in table.bold else list(map(to_latex_text, row)))
          for at, row in enumerate(table.rows)),
        r"\bottomrule",
        r"\end{tabularx}",
        *_foot(table, notes),
        *([f"% Left out: {_comment(', '.join(part.left_out))}"] if part.left_out else []),
        f"\\end{{{kind}}}",
    ]  # fmt: skip
    return "\n".join(lines)


def _widest(table: Table, column: int) -> int:
    return max((len(row[column]) for row in table.rows), default=0)


def _fits_a_column(table: Table, wraps: Sequence[bool]) -> bool:
    """Whether numbers and short words leave enough room for the columns that wrap."""
    fixed = sum(
        _CHARACTER_PT * max(_widest(table, at), *map(len, _split_heading(heading))) + _BETWEEN_PT
        for at, heading in enumerate(table.headings)
        if not wraps[at]
    )
    longest = _CHARACTER_PT * sum(_widest(table, at) for at, wrapped in enumerate(wraps) if wrapped)
    return _COLUMN_PT - fixed >= min(longest, sum(wraps) * _LEAST_WRAPPED_PT)


def _column(wraps: bool, numeric: bool) -> str:
    if wraps:
        return rf">{{\ragged{'left' if numeric else 'right'}\arraybackslash}}X"
    return "r" if numeric else "l"


def _split_heading(heading: str) -> list[str]:
    """A long heading on two lines of about equal length, broken at a space."""
    spaces = [at for at, character in enumerate(heading) if character == " "]
    if len(heading) <= _LONGEST_HEADING or not spaces:
        return [heading]
    middle = min(spaces, key=lambda at: abs(2 * at - len(heading)))
    return [heading[:middle], heading[middle + 1 :]]


def _heading(table: Table, column: int, wraps: bool) -> str:
    heading = table.headings[column]
    lines = list(map(to_latex_text, _split_heading(heading)))
    if len(lines) == 1 or wraps:
        return to_latex_text(heading)
    side = "r" if heading in table.numeric else "l"
    return f"\\shortstack[{side}]{{{lines[0]}\\\\{{}}{lines[1]}}}"


def _bold(row: Sequence[str]) -> list[str]:
    return [f"\\textbf{{{to_latex_text(text)}}}" if text else "" for text in row]


def _line(cells: list[str]) -> str:
    if cells[0].startswith(("[", "*")):  # would be an argument of the line break before it
        cells = ["{}" + cells[0], *cells[1:]]
    return " & ".join(cells) + r" \\"


def _foot(table: Table, notes: Sequence[str]) -> Iterator[str]:
    """What the signs in the table mean, and what is bold."""
    text = " ".join(cell for row in table.rows for cell in row)
    explanations = [note for note in notes if note[:1] in _SIGNS and note[:1] in text]
    explanations += [note for note in notes if note.startswith("Bold: ") and table.bold]
    if explanations:
        yield rf"\par\smallskip\raggedright {to_latex_text(' '.join(explanations))}"


def _comment(text: str) -> str:
    return " ".join(text.split())
