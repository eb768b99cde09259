"""How far the command is, on stderr: from two seconds on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from sd_bench.screens.console import say
from sd_bench.screens.progress import counted

#: Seconds that nobody needs to be told of.
_MOMENT_S = 2.0

#: For `load_records`: files as they are read, counted.
watch_records: Callable[[Sequence[Path]], Iterable[Path]] = partial(counted, what="records")


class Stages:
    """The stages of a command: each is named as it begins, once the command has taken a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count the time."""
        self._clock, self._began = clock, clock()

    def begin(self, what: str) -> None:
        """Say what is done from here on."""
        if self._clock() - self._began >= _MOMENT_S:
            say(f"analysis: {what}", sys.stderr)
