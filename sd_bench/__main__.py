"""``python -m sd_bench``."""

import sys

from sd_bench.help import help_text


def main() -> int:
    """Print the help at once, or hand the command line to Hydra; gives the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text(), end="")
        return 0
    from sd_bench.command import main as command  # Hydra takes a while to import

    return command()


if __name__ == "__main__":
    sys.exit(main())
