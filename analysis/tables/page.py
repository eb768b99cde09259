"""Tables of text, and the pages that they make up: what every kind of markup writes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people: everything is text already; ``bold`` names rows by their index.

    The first ``num_naming`` columns say which row it is, the others what is known of it.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    numeric: frozenset[str] = frozenset()
    bold: frozenset[int] = frozenset()
    num_naming: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Tables that belong together, with the sentences that stand below them.

    ``answer`` is the one sentence that stands above them, where a page has one.
    """

    title: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    answer: str = ""
