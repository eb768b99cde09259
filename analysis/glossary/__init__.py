"""The meaning of every column and heading of the tables, with unit and formula.

`docs/glossary.md` is made from it (`python -m benchmarks.docs_pages`), and a test checks that it
covers every table that the analysis writes. May import nothing of this project.
"""

from analysis.glossary.columns import COLUMNS, GROUPS
from analysis.glossary.headings import HEADINGS
from analysis.glossary.meaning import Heading, Meaning

__all__ = ["COLUMNS", "GROUPS", "HEADINGS", "Heading", "Meaning"]
