"""The commands: one function each, which takes the options and returns the exit code."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pandas as pd
from rich.console import Console

from analysis.bundles.layout import SUFFIX
from analysis.bundles.packing import pack
from analysis.charts.drawing import drawing
from analysis.charts.kinds.sizes import fit_column
from analysis.charts.select.all_groups import select_charts
from analysis.cli.history import tell_history
from analysis.cli.progress import Stages, watch_records
from analysis.cli.screen import print_deltas, print_page
from analysis.comparison.deltas import compare, compare_by_axis
from analysis.comparison.gate import Condition, Gate, judge_gate
from analysis.comparison.peers import find_peers
from analysis.comparison.rows import TwoSweepsRow
from analysis.comparison.two_sweeps import compare_scales, compare_sweeps, explain_no_comparison
from analysis.errors import AnalysisError
from analysis.ingest.cells import summarise
from analysis.ingest.environments import list_environments
from analysis.ingest.newest_sweep import NewestSweep, find_newest
from analysis.ingest.rounds import load_records
from analysis.ingest.settings import read_settings
from analysis.published.pages import make_published_page, write_published
from analysis.report.contents import ReportData, name_machines
from analysis.report.document_marks import Published, publish, save_pictures
from analysis.report.files import write_report
from analysis.report.outline import make_outline
from analysis.report.paper import PaperData, write_paper
from analysis.rows import list_rows
from analysis.tables.files import make_pages, write_tables
from analysis.tables.markup import to_markdown
from analysis.tables.pages import make_screen_page
from analysis.tables.two_sweeps import Sweep, make_two_sweeps_page
from analysis.wording.cell_names import name_cells
from analysis.wording.gate import say_failed, say_undecided
from analysis.wording.methods import describe_methods
from analysis.wording.notes import note_value
from analysis.wording.peers import state_peers
from sd_bench.command_lines import shown
from sd_bench.records import write_atomically
from sd_bench.records.old_names import rename_baseline
from sd_bench.screens.console import make_console, say
from sd_bench.screens.lines import print_line
from sd_bench.verdicts.further_rounds import find_what_decides
from sd_bench.verdicts.judgement import DEFAULT_MARGIN

#: Records left out that are named on stderr; the report names all.
_MOST_NAMED = 20
_DEFAULT_FOLDER = Path("multirun_outputs")
_PUBLISHED_OUT = Path("multirun_outputs/published_study")


def _note_old_name(baseline: str | None) -> None:
    """Print a note if the baseline has an old name, which still works."""
    if baseline is not None and (present := rename_baseline(baseline)) != baseline:
        say(
            f"analysis: --baseline {baseline} is now {present}; the old words work until 1.0",
            sys.stderr,
        )


def _analyse(options: argparse.Namespace) -> int:
    newest = None if options.folders else find_newest(_DEFAULT_FOLDER)
    folders = options.folders or (list(newest.folders) if newest else [_DEFAULT_FOLDER])
    out = options.out or _default_out(options.folders, folders[0], "analysis")
    stages = Stages()
    rounds, left_out = _load(folders)
    stages.begin(f"rounds read: {len(rounds)}; comparing their cells")
    cells = summarise(rounds, options.value)
    deltas = compare(cells, options.baseline, options.margin)
    _note_old_name(options.baseline)
    groups = list_environments(rounds)
    called_for = select_charts(rounds, deltas)
    charts = dict(islice(called_for.items(), options.most_charts))
    with _writing_to(out, "--out DIR"):
        out.mkdir(parents=True, exist_ok=True)
        with drawing(charts, out) as finish:
            stages.begin(f"cells: {len(cells)}; writing their tables")
            by_axis = compare_by_axis(cells, options.margin)
            data = ReportData(
                deltas=deltas,
                environments=groups,
                by_axis=by_axis,
                charts=charts,
                left_out=left_out,
                num_charts_not_drawn=len(called_for) - len(charts),
            )
            written = write_tables(deltas, groups, by_axis, out)
            outline = make_outline(data)
            stages.begin(f"charts to draw: {len(charts)}")
            for paths in finish():
                written += paths
        written += write_report(data, outline, out)
    console = make_console()
    if (peers := find_peers(deltas, options.margin)) is not None:
        for sentence in state_peers(peers):
            print_line(console, sentence)
    print_deltas(deltas, console)
    report = shlex.quote(str(out / "report.html"))
    print_line(console, f"Report, with {len(written) - 1} more files beside it:", report)
    for sentence, command in find_what_decides(deltas["comparison"]):
        print_line(console, sentence, command)
    if len(charts) < len(called_for):
        more = len(called_for) - len(charts)
        note = f"{more} further charts not drawn: --most-charts {len(called_for)} draws all"
        print_line(console, note)
    if newest is not None:
        _print_others(newest, console)
    if options.verbose:
        console.print()
        print_page(make_screen_page(deltas, groups), console)
    return 0


def _paper(options: argparse.Namespace) -> int:
    folders = options.folders or [_DEFAULT_FOLDER]
    out = options.out or _default_out(folders, folders[0], "paper")
    rounds, _ = _load(folders)
    cells = summarise(rounds, options.value)
    deltas = compare(cells, options.baseline, options.margin)
    _note_old_name(options.baseline)
    environments = list_environments(rounds)
    by_axis = compare_by_axis(cells, options.margin)
    data = PaperData(
        title=name_machines(deltas),
        pages=make_pages(deltas, environments, by_axis),
        charts=dict(islice(select_charts(rounds, deltas).items(), options.most_charts)),
        methods=describe_methods(rounds, deltas, read_settings(rounds)),
    )
    with _writing_to(out, "--out DIR"):
        out.mkdir(parents=True, exist_ok=True)
        written = write_paper(data, fit_column(options.column, options.page, options.text), out)
    console = make_console()
    for sentence in data.methods:
        print_line(console, sentence)
    document = shlex.quote(str(out / "paper.tex"))
    print_line(console, f"{len(written)} files; this one shows them all (pdflatex):", document)
    return 0


def _default_out(named: list[Path], first: Path, name: str) -> Path:
    """Where results go without ``--out``: into the folder, or beside the bundle."""
    if len(named) > 1:
        for folder in named:
            if not folder.exists():
                raise AnalysisError(f"no folder {folder}: name the folders of sweeps, or bundles")
        raise AnalysisError("several folders: say with --out DIR where the results go")
    if first.is_file():
        return first.with_name(f"{first.name.removesuffix('.zip').removesuffix('.sdbench')}-{name}")
    return first / name


def _print_others(newest: NewestSweep, console: Console) -> None:
    """Print which sweeps were analysed, and the commands that compare them with others."""
    used, others = newest.folders, newest.others
    if len(used) > 1:
        several = ", ".join(map(str, used))
        print_line(console, f"{len(used)} sweeps together, which differ in PyTorch only: {several}")
    if not others:
        return
    of = f"the newest of {len(used) + len(others)} sweeps in {_DEFAULT_FOLDER}"
    this = f"{used[0]} is" if len(used) == 1 else "They are"
    before = shown("analysis", "compare", str(others[0]), str(used[0]))
    print_line(console, f"{this} {of}. To compare it with the previous one:", before)
    if len(others) > 1:
        print_line(console, "All together:", shown("analysis", str(_DEFAULT_FOLDER)))


def _published(options: argparse.Namespace) -> int:
    out = options.out or _PUBLISHED_OUT
    with _writing_to(out, "--out DIR"):
        out.mkdir(parents=True, exist_ok=True)
        written = write_published(out)
    console = make_console()
    print_page(make_published_page(), console)
    print_line(console, f"{len(written)} files in", str(out))
    return 0


def _compare(options: argparse.Namespace) -> int:
    folders = {"OLD": options.old, "NEW": options.new}
    rounds = {name: _load([folder])[0] for name, folder in folders.items()}
    old, new = (summarise(each, options.value) for each in rounds.values())
    margin = DEFAULT_MARGIN if options.margin is None else options.margin
    compared = compare_sweeps(old, new, margin)
    sweeps = [
        Sweep(name, folders[name], list_environments(rounds[name]), note_value(cells))
        for name, cells in (("OLD", old), ("NEW", new))
    ]
    scales = compare_scales(old, new)
    text = to_markdown(make_two_sweeps_page(compared, sweeps, scales))
    if options.out is not None:
        with _writing_to(options.out, "--out FILE"):
            write_atomically(options.out, text)
    say(text.removesuffix("\n"))
    if why := explain_no_comparison(compared):
        raise AnalysisError(f"{why}; {scales}" if scales else why)
    conditions = [Condition(word, slowdown or margin) for word, slowdown in options.fail_if]
    named = list_rows(compared.assign(series=name_cells(compared)), TwoSweepsRow)
    return _pass_gate(judge_gate(named, conditions), options.allow_undecided)


def _pass_gate(gate: Gate, allow_undecided: bool) -> int:
    """The exit code: 1 if a cell fails, 3 if it is undecided; either prints a line on stderr."""
    if gate.failed:
        say(f"analysis: {say_failed(gate)}", sys.stderr)
        return 1
    if gate.undecided:
        how = "passed by" if allow_undecided else "to pass anyway:"
        say(f"analysis: {say_undecided(gate)}; {how} --allow-undecided", sys.stderr)
        return 0 if allow_undecided else 3
    return 0


def _history(options: argparse.Namespace) -> int:
    folders = options.folders or [_DEFAULT_FOLDER]
    out = options.out or _default_out(options.folders, folders[0], "history")
    rounds, _ = _load(folders)
    with _writing_to(out, "--out DIR"):
        return tell_history(rounds, options.value, out, options.fail_if)


def _publish(options: argparse.Namespace) -> int:
    stale: list[str] = []
    with _reporting_left_out() as left_out:
        for document in options.files:
            with _writing_to(document, "FILE"):
                published = publish(document, left_out.append)
                if options.check:
                    stale += _not_up_to_date(document, published)
                else:
                    written = save_pictures(published)
                    write_atomically(document, published.text)
                    say(f"{document}: written, with {len(written)} pictures")
    if stale:
        say(f"analysis: not up to date: {', '.join(stale)}", sys.stderr)
    return 1 if stale else 0


def _not_up_to_date(document: Path, published: Published) -> list[str]:
    """The document if its text would change, else those of its pictures that are missing."""
    if document.read_text(encoding="utf-8") != published.text:
        return [str(document)]
    return [str(path) for path in published.pictures if not path.is_file()]


def _load(folders: list[Path]) -> tuple[pd.DataFrame, list[str]]:
    """The rounds, and one line per record that was left out."""
    with _reporting_left_out() as left_out:
        rounds = load_records(
            *folders,
            on_left_out=left_out.append,
            watch=watch_records,
            processes=os.cpu_count() or 1,
        )
        return rounds, left_out


@contextmanager
def _reporting_left_out() -> Iterator[list[str]]:
    """A list for the records that are left out; at the end each is named on stderr, and counted."""
    left_out: list[str] = []
    try:
        yield left_out
    finally:
        each = list(dict.fromkeys(left_out))
        for reason in each[:_MOST_NAMED]:
            say(f"analysis: left out: {reason}", sys.stderr)
        if more := len(each[_MOST_NAMED:]):
            say(f"analysis: left out: {more} more", sys.stderr)
        if each:
            records = "record" if len(each) == 1 else "records"
            say(f"analysis: warning: {len(each)} {records} left out", sys.stderr)


@contextmanager
def _writing_to(out: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AnalysisError(
            f"cannot write to {out} ({error.strerror or error}): name another with {option}"
        ) from error


def _bundle(options: argparse.Namespace) -> int:
    first = options.folders[0]
    out = options.out or Path(f"{first.resolve().name or 'records'}{SUFFIX}")
    with _reporting_left_out() as left_out, _writing_to(out, "--out FILE"):
        packed = pack(options.folders, out, options.latents, options.replace, left_out.append)
    console, manifest = make_console(), packed.manifest
    for original, by, times in packed.originals:
        print_line(console, f"replaced {times}x by {by}:", original)
    if not packed.originals:
        print_line(console, "nothing personal was found")
    kinds = ", ".join(f"{count} {kind}" for kind, count in manifest.left_out.items() if count)
    if kinds:
        print_line(console, f"not packed: {kinds}")
    print_line(console, "Names of files, prompts and versions stay: look before you send it.")
    records = sum(sweep.records for sweep in manifest.sweeps.values())
    size = out.stat().st_size / 1e6
    summary = f"{records} records of {len(manifest.sweeps)} sweep(s), {size:.2f} MB, in"
    print_line(console, summary, shlex.quote(str(out)))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "analyse": _analyse,
    "bundle": _bundle,
    "published": _published,
    "compare": _compare,
    "history": _history,
    "publish": _publish,
    "paper": _paper,
}
