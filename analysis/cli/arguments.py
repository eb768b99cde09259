"""The command line of ``python -m analysis``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from analysis.errors import AnalysisError
from sd_bench.command_lines import shown

#: What a round's value may be: the keys of `ingest.cells.VALUES`.
_VALUES = ("runtime", "median-iteration")

#: The keys of `comparison.gate.FAILURES`.
_FAILURES = ("slower", "unclear", "ambiguous", "failed", "missing", "different", "unproven")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AnalysisError(f"{message}; see {self.prog} --help")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, ``command`` among them. Raises AnalysisError for what cannot be understood."""
    parsers = {
        "compare": _compare_parser,
        "history": _history_parser,
        "publish": _publish_parser,
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
        "... publish FILE; each has a --help. For a folder of that name write ./compare.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="the folder of a sweep, several of them, or all of multirun_outputs; also folders "
        "with time files of the published scripts (default: the newest sweep in multirun_outputs)",
    )
    parser.add_argument(
        "--baseline",
        metavar="X",
        help="what to compare against: a preset (original_xformers) or AXIS=VALUE (attention=math)",
    )
    parser.add_argument(
        "--out",
        type=Path,
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
    parser.add_argument("old", type=Path, metavar="OLD", help="the folder to compare with")
    parser.add_argument("new", type=Path, metavar="NEW", help="the folder that is judged")
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
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the Markdown there")
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
        type=Path,
        metavar="FOLDER",
        help="a folder of sweeps, or several (default: multirun_outputs)",
    )
    parser.add_argument(
        "--out",
        type=Path,
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


def _publish_parser() -> _Parser:
    parser = _Parser(
        prog=shown("analysis", "publish"),
        description="Rewrite the tables and charts between the marks of Markdown files; "
        "docs/analysis.md explains the marks.",
    )
    parser.set_defaults(command="publish")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a Markdown file")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; the exit code is 1 if a file is not up to date",
    )
    return parser


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


def _condition(text: str) -> tuple[str, float | None]:
    """A word of --fail-if, and the slow-down that ``slower:5%`` allows as a share."""
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
