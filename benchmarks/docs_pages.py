"""Writes the parts of docs/ that come from the code: the glossary, and the picture of the rooms.

    python -m benchmarks.docs_pages [--check]

Writes docs/glossary.md, and the text between the marks of docs/architecture.md. ``--check`` writes
nothing and exits with 1 if one of them is not up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.docs.glossary import write_glossary
from benchmarks.docs.rooms import draw_rooms

DOCS = Path(__file__).parents[1] / "docs"
_BEGIN, _END = "<!-- rooms -->\n", "<!-- /rooms -->"


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if not up to date"
    )
    options = parser.parse_args()
    old = [path for path, text in make_pages().items() if text != _read(path)]
    for path in old:
        if options.check:
            print(f"{path}: run python -m benchmarks.docs_pages", file=sys.stderr)
        else:
            path.write_text(make_pages()[path], encoding="utf-8")
            print(path)
    return int(options.check and bool(old))


def make_pages() -> dict[Path, str]:
    """The text that each page should have now."""
    architecture = DOCS / "architecture.md"
    before, _, rest = _read(architecture).partition(_BEGIN)
    _, end, after = rest.partition(_END)
    rooms = f"{before}{_BEGIN}{draw_rooms()}{end}{after}"
    return {DOCS / "glossary.md": write_glossary(), architecture: rooms}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
