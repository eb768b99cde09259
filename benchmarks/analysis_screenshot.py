"""Takes a picture of a report in headless Chromium, to check it and for the documentation.

    python benchmarks/analysis_screenshot.py report.html report.png [--dark] [--width 390]

Needs playwright (``pip install playwright``) and a Chromium: Debian's ``chromium-headless-shell``
or ``chromium``, or playwright's own (``playwright install chromium-headless-shell``).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The first Chromium on the PATH; ``None`` leaves it to playwright."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium. Raises playwright's Error if there is none."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="A picture of a report.")
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280, help="in pixels; 390 for a phone")
    parser.add_argument(
        "--height", type=int, default=900, help="height of the window, with --window"
    )
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--window", action="store_true", help="only one window, not the whole page")
    options = parser.parse_args()
    with chromium() as browser:
        page = browser.new_page(
            viewport={"width": options.width, "height": options.height},
            color_scheme="dark" if options.dark else "light",
        )
        page.goto(options.report.resolve().as_uri())
        page.screenshot(path=options.picture, full_page=not options.window)


if __name__ == "__main__":
    main()
