"""``python -m sd_bench``."""

import sys

from sd_bench.screens.streams import guarded


def main() -> int:
    """Run the command line and return its exit code; only what needs Hydra imports it."""
    return guarded(_main)


def _main() -> int:
    code = 0
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        from sd_bench.screens.console import is_reader_gone  # rich takes a moment to import

        if not is_reader_gone():
            raise
    return code


def _run() -> int:
    try:
        if sys.argv[1:2] == ["tune"]:
            from sd_bench.cli.tune_command import main as tune

            return tune(sys.argv[2:])
        if sys.argv[1:2] == ["status"]:
            from sd_bench.cli.status_command import main as status

            return status(sys.argv[2:])
        if {"-h", "--help"} & set(sys.argv[1:]):
            return _help()
        if "--version" in sys.argv[1:]:
            from sd_bench.cli.help_text import version_text

            print(version_text())
            return 0
        from sd_bench.cli.command import main as command  # Hydra takes a while to import

        return command()
    except KeyboardInterrupt:  # before anything has started
        print("interrupted", file=sys.stderr)
        return 130


def _help() -> int:
    from sd_bench.cli.help_text import help_text
    from sd_bench.errors import ConfigError

    try:
        print(help_text(), end="")
    except ConfigError as error:  # from another package's entry point
        print(f"sd_bench: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
