"""The command line of ``python -m analysis``."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from analysis.bundles.layout import LATENTS, SUFFIX
from analysis.errors import AnalysisError
from sd_bench.command_lines import shown

#: The possible values of --value: the keys of `ingest.cells.VALUES`.
_VALUES = ("runtime", "median-iteration")

#: The keys of `comparison.gate.FAILURES`.
_FAILURES = ("slower", "unclear", "ambiguous", "failed", "missing", "different", "unproven")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AnalysisError(f"{message}; see {self.prog} --help")


def _path(written: str) -> Path:
    """The path that was typed; an empty one would be the working folder."""
    if not written:
        raise argparse.ArgumentTypeError("a name is empty; write . for the working folder")
    return Path(written)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; ``command`` is one of the options.

    Raises AnalysisError for arguments that are not understood.
    """
    parsers = {
        "bundle": _bundle_parser,
        "compare": _compare_parser,
        "history": _history_parser,
        "publish": _publish_parser,
        "paper": _paper_parser,
    }
    if arguments and arguments[0] in parsers:
        return parsers[arguments[0]]().parse_args(arguments[1:])
    options = _analyse_parser().parse_args(arguments)
    if options.published and (options.folders or options.baseline):
        raise AnalysisError("--published takes neither a FOLDER nor --baseline: leave them out")
    options.command = "published" if options.published else "analyse"
    return options


def _analyse_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis"),
        description="Charts, tables and a report from the records of sd_bench.",
        epilog=f"Further commands: {shown('analysis')} compare OLD NEW, ... history FOLDER, "
        "... bundle FOLDER, ... paper FOLDER, ... publish FILE; each has a --help. A folder of "
        "that name: write ./compare.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=_path,
        metavar="FOLDER",
        help="one sweep's folder, several, or multirun_outputs as a whole; bundles that others "
        "have packed; folders of the published scripts' time files too (default: the newest sweep "
        "in multirun_outputs)",
    )
    _add_baseline(parser)
    parser.add_argument(
        "--out",
        type=_path,
        metavar="DIR",
        help="where charts, tables and report go (default: FOLDER/analysis)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also print every table and note of the report",
    )
    parser.add_argument(
        "--most-charts",
        type=_count,
        default=40,
        metavar="N",
        help="draw at most this many charts, the runtime charts first (default: 40)",
    )
    _add_statistics(parser)
    parser.add_argument(
        "--published",
        action="store_true",
        help="make the tables and charts of the published study instead",
    )
    return parser


def _compare_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "compare"),
        description="Compare two sweeps cell by cell, as Markdown. The exit code is 1 if a cell "
        "fails by --fail-if, 3 if that is undecided, 2 if no cell can be compared.",
    )
    parser.set_defaults(command="compare")
    parser.add_argument("old", type=_path, metavar="OLD", help="the folder to compare with")
    parser.add_argument("new", type=_path, metavar="NEW", help="the folder that is judged")
    parser.add_argument(
        "--fail-if",
        nargs="+",
        action="extend",
        type=_condition,
        default=[],
        metavar="WORD",
        help=f"what makes the exit code 1, one or several: {', '.join(_FAILURES)}. slower:5%% "
        "allows 5%%, slower alone allows --margin; if it is undecided, or if unclear is given and "
        "a cell is unclear, the exit code is 3",
    )
    parser.add_argument(
        "--allow-undecided",
        action="store_true",
        help="exit code 0 instead of 3; stderr says so",
    )
    parser.add_argument("--out", type=_path, metavar="FILE", help="also write the Markdown there")
    _add_statistics(parser)
    return parser


def _history_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "history"),
        description="Every cell over many sweeps by date and commit: where it changed, and by how "
        "much. The exit code is 1 if a cell fails by --fail-if, 2 for a usage error.",
    )
    parser.set_defaults(command="history")
    parser.add_argument(
        "folders",
        nargs="*",
        type=_path,
        metavar="FOLDER",
        help="a folder of sweeps, or several (default: multirun_outputs)",
    )
    parser.add_argument(
        "--out",
        type=_path,
        metavar="DIR",
        help="where table and chart go (default: FOLDER/history)",
    )
    parser.add_argument(
        "--fail-if",
        choices=("slower",),
        help="exit code 1 if the newest change of a cell made it slower",
    )
    _add_value(parser)
    return parser


def _bundle_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "bundle"),
        description="Pack the records of a sweep into one file that others can analyse. User "
        "names, paths and host names are replaced, and what was replaced is listed.",
    )
    parser.set_defaults(command="bundle")
    parser.add_argument(
        "folders", nargs="+", type=_path, metavar="FOLDER", help="a sweep's folder, or several"
    )
    parser.add_argument(
        "--out",
        type=_path,
        metavar="FILE",
        help=f"the file to write (default: FOLDER's name with {SUFFIX}, in the working folder)",
    )
    parser.add_argument(
        "--latents",
        choices=LATENTS,
        default="first",
        help="which final latents to pack: those of round 0, which parity is told from (default), "
        "all, or none",
    )
    parser.add_argument(
        "--replace",
        action="append",
        default=[],
        metavar="WORD",
        help="a word to replace as well, such as a project's; as often as needed",
    )
    return parser


def _paper_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "paper"),
        description="What a paper needs: LaTeX tables of at most six columns, charts as PDF whose "
        "text is as large as the paper's, and a paragraph for the methods section.",
    )
    parser.set_defaults(command="paper")
    parser.add_argument(
        "folders",
        nargs="*",
        type=_path,
        metavar="FOLDER",
        help="a sweep's folder, or several (default: multirun_outputs)",
    )
    _add_baseline(parser)
    parser.add_argument(
        "--out",
        type=_path,
        metavar="DIR",
        help="where the files go (default: FOLDER/paper)",
    )
    for name, least, most, usual, what in (
        ("--column", 2.0, 8.0, 3.3, "the width of a column of text, in inches"),
        ("--page", 4.0, 11.0, 7.0, "the width of both, for charts that no column has room for"),
        ("--text", 5.0, 14.0, 8.0, "the size of the charts' text, in points"),
    ):
        parser.add_argument(
            name,
            type=partial(_number, least=least, most=most),
            default=usual,
            metavar="N",
            help=f"{what} (default: {usual:g})",
        )
    parser.add_argument(
        "--most-charts",
        type=_count,
        default=12,
        metavar="N",
        help="draw no more charts than this, those of speed-ups first (default: 12)",
    )
    _add_statistics(parser)
    return parser


def _publish_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "publish"),
        description="Rewrite the tables and charts between the marks of Markdown files; "
        "docs/analysis.md explains the marks.",
    )
    parser.set_defaults(command="publish")
    parser.add_argument("files", nargs="+", type=_path, metavar="FILE", help="a Markdown file")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; the exit code is 1 if a file is not up to date",
    )
    return parser


def _add_baseline(parser: _Parser) -> None:
    parser.add_argument(
        "--baseline",
        metavar="X",
        help="what to compare against: a preset (original_xformers) or AXIS=VALUE (attention=math)",
    )


def _add_value(parser: _Parser) -> None:
    parser.add_argument(
        "--value",
        choices=_VALUES,
        default="runtime",
        help="what a round counts as (default: runtime, the sum of its timed iterations)",
    )


def _add_statistics(parser: _Parser) -> None:
    _add_value(parser)
    parser.add_argument(
        "--margin",
        type=_share,
        metavar="PERCENT",
        help="how much two equal cells may differ (default: as the sweep was planned, or 1%%)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of charts")
    return int(text)


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return number


def _condition(text: str) -> tuple[str, float | None]:
    """A word of --fail-if, and as a share the slow-down that ``slower:5%`` allows."""
    word, colon, allowed = text.partition(":")
    if word not in _FAILURES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(_FAILURES)}")
    if not colon:
        return word, None
    if word != "slower":
        raise argparse.ArgumentTypeError(f"{text!r}: only slower takes a percentage")
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4})?%", allowed) or not float(allowed[:-1]) > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a slow-down such as slower:5%")
    return word, float(allowed[:-1]) / 100


def _share(text: str) -> float:
    """A share from a percentage: ``2%`` and ``2`` are 0.02."""
    try:
        percentage = float(text.strip().removesuffix("%"))
    except ValueError:
        percentage = 0.0
    if not 0 < percentage < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage between 0 and 100")
    return percentage / 100
