"""Writes the files of a report."""

from __future__ import annotations

from pathlib import Path

from analysis.report.contents import ReportData
from analysis.report.html import write_html
from analysis.report.markdown import write_markdown
from analysis.report.outline import Outline
from sd_bench.records import write_atomically


def write_report(data: ReportData, outline: Outline, folder: Path) -> list[Path]:
    """Write ``report.html`` and ``report.md``; ``folder`` already contains the charts' SVG files.

    Raises OSError.
    """
    texts = {
        "report.html": write_html(data, outline, folder),
        "report.md": write_markdown(data, outline),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]
