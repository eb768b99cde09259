"""Makes the pictures of the documentation from one sweep.

    python -m benchmarks.docs_pictures SWEEP [--out docs/images]

Draws the analysis's screen at 80, 120 and 200 columns, its report at three widths in light and
dark, and every chart; the first chart is also the README's. Needs what
`benchmarks.analysis_screenshot` needs.
"""

from __future__ import annotations

import argparse
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from playwright.sync_api import Browser
from rich.console import Console
from rich.text import Text

from analysis.charts.select.all_groups import select_charts
from analysis.comparison.deltas import compare
from analysis.ingest.cells import summarise
from analysis.ingest.rounds import load_records
from benchmarks.analysis_screenshot import chromium

_COLUMNS = (80, 120, 200)
#: Widths of the report's window in pixels, by the height that is shown.
_WINDOWS = {390: 844, 1280: 900, 1920: 1080}
_SCREEN = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1d1f21; color: #c5c8c6; display: inline-block; padding: 12px 16px }}
pre {{ margin: 0; font: 14px/1.35 "DejaVu Sans Mono", monospace }}
{stylesheet}</style><body><pre>{code}</pre></body>"""


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sweep", type=Path, help="the sweep's folder")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/images"), help="folder for the pictures"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        analysed = Path(folder) / "analysis"
        for columns in _COLUMNS:
            screen = _on_a_terminal(options.sweep, analysed, columns)
            _picture_of_screen(browser, screen, columns, options.out / f"screen_{columns}.png")
        for path in _pictures_of_report(browser, analysed / "report.html", options.out):
            print(path)
        charts = options.out / "charts"
        shutil.rmtree(charts, ignore_errors=True)
        charts.mkdir()
        for stem in _charts_in_order(options.sweep):
            shutil.copy(analysed / f"{stem}.png", charts)
        shutil.copy(charts / f"{_charts_in_order(options.sweep)[0]}.png",
                    options.out / "readme_chart.png")  # fmt: skip


def _charts_in_order(sweep: Path) -> list[str]:
    rounds = load_records(sweep)
    return list(select_charts(rounds, compare(summarise(rounds))))


def _on_a_terminal(sweep: Path, out: Path, columns: int) -> str:
    """What ``python -m analysis`` prints on a terminal with ``columns`` columns."""
    command = [sys.executable, "-m", "analysis", str(sweep), "--out", str(out)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "60", "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        printed = b"".join(_read_all(ours)).decode()
    os.close(ours)
    if process.returncode:
        sys.exit(printed)
    return printed.replace("\r\n", "\n").replace(str(out), "FOLDER/analysis")


def _read_all(file: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(file, 65536)
        except OSError:  # EIO: the other end of a terminal is closed
            return
        if not part:
            return
        yield part


def _picture_of_screen(browser: Browser, screen: str, columns: int, picture: Path) -> None:
    console = Console(record=True, width=columns, file=StringIO())
    console.print(Text.from_ansi(screen), soft_wrap=True)
    html = console.export_html(code_format=_SCREEN, inline_styles=False)
    page = browser.new_page(viewport={"width": 9 * columns + 60, "height": 400})
    page.set_content(html)
    page.locator("body").screenshot(path=picture)
    page.close()


def _pictures_of_report(browser: Browser, report: Path, out: Path) -> Iterator[Path]:
    for width, height in _WINDOWS.items():
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto(report.resolve().as_uri())
            picture = out / f"report_{width}_{scheme}.png"
            page.screenshot(path=picture)
            page.close()
            yield picture


if __name__ == "__main__":
    main()
