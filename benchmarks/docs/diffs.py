"""Extracts the diffs from docs/extending.md.

    python -m benchmarks.docs.diffs attention | git apply

Without a name it lists the diffs on the page.
"""

from __future__ import annotations

import argparse
import re
import sys

from benchmarks.docs.docstrings import ROOT

PAGE = ROOT / "docs" / "extending.md"
_DIFF = re.compile(r"^<!-- diff: (\w+) -->\n```diff\n(.*?)^```", re.M | re.S)


def read_diffs() -> dict[str, str]:
    """Each diff by the name in the comment above it."""
    return dict(_DIFF.findall(PAGE.read_text(encoding="utf-8")))


def main() -> None:
    """Print one diff, or the names of all diffs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", choices=read_diffs(), help="the diff to print")
    options = parser.parse_args()
    text = "".join(f"{name}\n" for name in read_diffs())
    sys.stdout.write(text if options.name is None else read_diffs()[options.name])


if __name__ == "__main__":
    main()
