"""Tables of text, and pages of tables, which can be written in any markup."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people: every cell is text; ``bold`` has the indices of bold rows.

    The first ``num_naming`` columns identify the row, the others describe it.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    numeric: frozenset[str] = frozenset()
    bold: frozenset[int] = frozenset()
    num_naming: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Tables that belong together, and the sentences below them.

    ``answer`` is one sentence above them, if there is one.
    """

    title: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    answer: str = ""
