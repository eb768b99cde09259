"""The command ``history``: prints sentences and a table, and writes table and charts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.charts.drawing import drawing
from analysis.charts.select.history import select_history_charts
from analysis.cli.screen import print_page
from analysis.history.judgement import judge_histories
from analysis.history.points import gather_histories
from analysis.tables.history import make_history_csv, make_history_page
from analysis.tables.markup import to_markdown
from analysis.wording.history import say_histories, say_slower
from sd_bench.records import write_atomically
from sd_bench.screens.console import make_console, say
from sd_bench.screens.lines import print_line


def tell_history(rounds: pd.DataFrame, value: str, out: Path, fail_if: str | None) -> int:
    """Print and write the history of all cells, and return the exit code.

    The code is 1 if ``fail_if`` is given and the newest change of a cell made it slower. Raises
    AnalysisError if there is no history, OSError if a file cannot be written.
    """
    judged = judge_histories(gather_histories(rounds, value))
    sentences, page = say_histories(judged), make_history_page(judged)
    document = replace(page, notes=[*sentences, *page.notes])
    out.mkdir(parents=True, exist_ok=True)
    texts = {"history.csv": make_history_csv(judged), "history.md": to_markdown(document)}
    for name, text in texts.items():
        write_atomically(out / name, text)
    with drawing(select_history_charts(judged, value), out) as finish:
        num_files = len(texts) + sum(map(len, finish()))
    console = make_console()
    for sentence in sentences:
        print_line(console, sentence)
    console.print()
    print_page(page, console)
    print_line(console, f"{num_files} files in", str(out))
    slower = say_slower(judged) if fail_if else ""
    if slower:
        say(f"analysis: {slower}", sys.stderr)
    return 1 if slower else 0
