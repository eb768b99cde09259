"""What one column or heading says."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """``text`` says what a column holds, ``unit`` in what, ``formula`` how it is computed.

    Without a unit it is text, a count or a plain ratio; without a formula it is as measured or as
    chosen. Names in a formula are other columns, or fields of the record.
    """

    text: str
    unit: str = ""
    formula: str = ""


class Heading(NamedTuple):
    """``text`` is the meaning of a heading, ``columns`` the CSV columns with the full values."""

    text: str
    columns: tuple[str, ...] = ()
