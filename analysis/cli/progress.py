"""Progress of a command on stderr, shown once it has taken two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from sd_bench.screens.console import say
from sd_bench.screens.progress import counted

#: Seconds before which nothing is shown.
_MOMENT_S = 2.0

#: The ``watch`` of `load_records`: counts the files as they are read.
watch_records: Callable[[Sequence[Path]], Iterable[Path]] = partial(counted, what="records")


class Stages:
    """Names each stage of a command as it begins, once the command has taken a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._clock, self._began = clock, clock()

    def begin(self, what: str) -> None:
        """Print what is done next."""
        if self._clock() - self._began >= _MOMENT_S:
            say(f"analysis: {what}", sys.stderr)
