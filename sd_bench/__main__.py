"""``python -m sd_bench``."""

import sys


def main() -> int:
    """Print help or version at once, or hand the command line to Hydra; gives the exit code."""
    try:
        if {"-h", "--help"} & set(sys.argv[1:]):
            from sd_bench.cli.help_text import help_text

            print(help_text(), end="")
            return 0
        if "--version" in sys.argv[1:]:
            from sd_bench.cli.help_text import version_text

            print(version_text())
            return 0
        from sd_bench.cli.command import main as command  # Hydra takes a while to import

        return command()
    except KeyboardInterrupt:  # before anything has begun
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
