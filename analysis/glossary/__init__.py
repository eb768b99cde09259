"""What every column and every heading of the tables means, with its unit and its formula.

`docs/glossary.md` is made of it (`python -m benchmarks.docs_pages`), and a test holds every table
that the analysis writes against it. May import nothing of this project.
"""

from analysis.glossary.columns import COLUMNS, GROUPS
from analysis.glossary.headings import HEADINGS
from analysis.glossary.meaning import Heading, Meaning

__all__ = ["COLUMNS", "GROUPS", "HEADINGS", "Heading", "Meaning"]
