"""``python -m sd_bench``."""

import sys

from sd_bench.command import main

if __name__ == "__main__":
    sys.exit(main())
