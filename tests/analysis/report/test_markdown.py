"""The short form: the order of the report, no longer than a comment, nothing unescaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.support.records import SCALED, sample_record, write_main_sweep, write_sample


def short_form(root: Path) -> str:
    assert main([str(root), "--out", str(root / "analysis"), "--most-charts", "1"]) == 0
    return (root / "analysis" / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def main_short_form(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = write_main_sweep(tmp_path_factory.mktemp("sweep"))
    write_sample(root, sample_record(status="oom", reason="12 GiB", batch_size=8))
    return short_form(root)


def test_it_answers_first_and_explains_last(main_short_form: str) -> None:
    places = [
        main_short_form.index(text)
        for text in (
            *("# sd2 on ", "- **too few rounds**: No verdict on flash", "- **Machine:** "),
            *("| cell | verdict | speed-up |", "## How to read this", "- parity: "),
            "<details><summary>1 excluded</summary>",
        )
    ]
    assert places == sorted(places)
    assert places[0] == 0
    assert re.search(r"\| flash, batch size 4 \| too few rounds \| 1\.2", main_short_form)


def test_names_from_records_cannot_break_headings_or_lists(tmp_path: Path) -> None:
    for attention in ("math", "flash"):
        record = sample_record(
            1.0, attention=attention, gpu="*x* <b>_y_", scaled=[*SCALED, "<b>bold</b> | `c`"]
        )
        write_sample(tmp_path, record)
    text = short_form(tmp_path)
    assert "*x*" not in text.replace("\\*x\\*", "")
    assert re.search(r"(?<!\\)<(?!/?details|/?summary)", text) is None


@pytest.fixture(scope="module")
def many_failures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """300 cells that crashed, each with a different long reason, and one that was measured."""
    root = tmp_path_factory.mktemp("failures")
    write_sample(root, sample_record(1.0))
    for at in range(300):
        reason = f"RuntimeError in {'x' * (at + 1)}: " + "illegal memory access " * 20
        record = sample_record(status="crashed", reason=reason, attention=f"backend {at}")
        write_sample(root, record)
    return short_form(root)


@pytest.mark.slow
def test_it_fits_into_a_comment_and_says_what_is_missing(many_failures: str) -> None:
    assert len(many_failures) < 60_000
    assert re.search(r"The first \d+ of 301 rows: delta\.md has all\.", many_failures)
    assert "<details><summary>300 excluded</summary>" in many_failures
    assert re.search(r"\d+ further lines are not shown: cells are in summary\.csv", many_failures)
    assert many_failures.rstrip().endswith("</details>")
