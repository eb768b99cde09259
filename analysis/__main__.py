"""``python -m analysis``: from a folder of records to charts and tables."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from analysis import AnalysisError, compare, compare_by_axis, environments, load_records, summarise

_DEFAULT_FOLDER = Path("multirun_outputs")
_PUBLISHED_OUT = Path("multirun_outputs/published_study")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AnalysisError(f"{message}; see python -m analysis --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 2 for a user's mistake."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a narrow encoding must not end the analysis
        sys.stdout.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(arguments)
        if options.published:
            _published(options)
        else:
            _analyse(options)
    except AnalysisError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m analysis",
        description="Charts and tables from the records of sd_bench.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="multirun_outputs as a whole (the default), one sweep's folder, or several",
    )
    parser.add_argument(
        "--baseline",
        metavar="X",
        help="what to compare against: a configuration (original) or AXIS=VALUE (attention=math)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where charts and tables go (default: FOLDER/analysis)",
    )
    parser.add_argument(
        "--value",
        choices=("runtime", "median-iteration"),
        default="runtime",
        help="what a round counts as (default: runtime, the sum of its timed iterations)",
    )
    parser.add_argument(
        "--margin",
        type=_share,
        default=0.01,
        metavar="PERCENT",
        help="within how much two cells are the same (default: 1%%)",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="the tables and charts of the published study instead",
    )
    return parser


def _share(text: str) -> float:
    """A share from a percentage: ``2%``, ``2 %`` and ``2`` are 0.02."""
    percentage = float(text.removesuffix("%"))
    if not 0 < percentage < 100:
        raise argparse.ArgumentTypeError(f"{text}: a margin is between 0 and 100 %")
    return percentage / 100


def _analyse(options: argparse.Namespace) -> None:
    from analysis.charts import draw_charts
    from analysis.files import write_tables
    from analysis.screen import new_console, print_page
    from analysis.tables import screen_page

    folders = options.folders or [_DEFAULT_FOLDER]
    if options.out is None and len(folders) > 1:
        raise AnalysisError("several folders: say with --out DIR where the results go")
    out = options.out or folders[0] / "analysis"
    left_out: list[str] = []
    try:
        rounds = load_records(*folders, on_left_out=left_out.append)
    finally:
        _warn(left_out)
    cells = summarise(rounds, options.value)
    deltas = compare(cells, options.baseline, options.margin)
    groups = environments(rounds)
    console = new_console()
    print_page(screen_page(deltas, groups), console)
    with _writing_to(out):
        by_axis = compare_by_axis(cells, options.margin)
        written = write_tables(deltas, groups, by_axis, out) + draw_charts(deltas, out)
    console.print(f"{len(written)} files in {out}")


def _published(options: argparse.Namespace) -> None:
    if options.folders or options.baseline:
        raise AnalysisError("--published takes neither a FOLDER nor --baseline: leave them out")
    from analysis.published_report import published_page, write_published
    from analysis.screen import new_console, print_page

    out = options.out or _PUBLISHED_OUT
    console = new_console()
    print_page(published_page(), console)
    with _writing_to(out):
        written = write_published(out)
    console.print(f"{len(written)} files in {out}")


def _warn(left_out: list[str]) -> None:
    for reason in left_out:
        print(f"analysis: left out: {reason}", file=sys.stderr)
    if left_out:
        records = "record" if len(left_out) == 1 else "records"
        print(f"analysis: warning: {len(left_out)} {records} left out", file=sys.stderr)


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise AnalysisError(
            f"cannot write to {out} ({error.strerror or error}): name another folder with --out DIR"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
