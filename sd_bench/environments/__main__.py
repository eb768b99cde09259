"""``python -m sd_bench.environments create NAME``, ``... check`` and ``... lock``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sd_bench.command_lines import OneLineParser, shown
from sd_bench.environments.creation import create, find_conda
from sd_bench.environments.cuda_builds import describe_build
from sd_bench.environments.definition import NAMES, definition
from sd_bench.environments.locks import lock_all
from sd_bench.environments.support_table import support_table
from sd_bench.errors import ConfigError
from sd_bench.screens.streams import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0, or 2 after a line that says what is wrong."""
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    try:
        options = _parse(arguments)
        if options.command == "create":
            wanted = definition(options.name)
            by_conda = find_conda() is not None and options.python is None
            folder = create(wanted, options.at, options.python, options.cuda)
            print(f"created {folder}: {describe_build(wanted, options.cuda, by_conda)}")
            if options.at is not None:
                print(f"use it with torch_env.python={folder} torch_env={options.name}")
        elif options.command == "lock":
            for path in lock_all(options.upgrade):
                print(f"wrote {path.name}")
        else:
            width = None if sys.stdout.isatty() else 160  # lines in a pipe are not wrapped
            Console(highlight=False, width=width).print(support_table())
    except ConfigError as error:
        print(f"sd_bench: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog=shown("sd_bench.environments"))
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("create", help="create an environment from its yml")
    make.add_argument("name", choices=NAMES)
    make.add_argument("--at", type=Path, help="its folder (default: .envs/NAME in the checkout)")
    make.add_argument("--python", help="create a virtual environment with this interpreter")
    make.add_argument("--cuda", help="CUDA version of its PyTorch, as in --cuda 11.3 for original")
    commands.add_parser(
        "check", help="show which environments exist, and what each can run on this device"
    )
    lock = commands.add_parser("lock", help="rewrite the lock files of all environments")
    lock.add_argument("--upgrade", action="store_true", help="use the newest versions that fit")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
