"""The types of an entry in the glossary: a column, a heading."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """``text`` says what a column holds, ``unit`` in which unit, ``formula`` how it is computed.

    Without a unit it is text, a count or a plain ratio; without a formula it was measured or
    chosen. Names in a formula are other columns, or fields of the record.
    """

    text: str
    unit: str = ""
    formula: str = ""


class Heading(NamedTuple):
    """``text`` is the meaning of a heading; ``columns`` are the CSV columns with full values."""

    text: str
    columns: tuple[str, ...] = ()
