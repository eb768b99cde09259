"""``python -m analysis``: from a folder of records to charts, tables and a report."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from analysis.cli.arguments import parse
from analysis.errors import AnalysisError
from sd_bench.screens.console import is_reader_gone, say
from sd_bench.screens.streams import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    The code is 0, or 1 if ``--fail-if`` (of ``compare``, ``history``) or ``publish --check`` found
    something, 2 for a usage error, or 3 if ``compare --fail-if`` is undecided.
    """
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # a narrow encoding must not end the analysis
        sys.stdout.reconfigure(errors="replace")
    try:
        return _run(arguments)
    except BrokenPipeError:  # from --help, which argparse prints itself
        if not is_reader_gone():
            raise
        return 0
    finally:
        is_reader_gone()  # the output of argparse and of libraries


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        from analysis.cli.commands import COMMANDS

        return COMMANDS[options.command](options)
    except AnalysisError as error:
        say(f"analysis: {error}", sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
