"""How long a sweep may measure: ``protocol.budget``, in seconds or as in 30min."""

from __future__ import annotations

import math
import re

from sd_bench.config.schema import ProtocolConfig
from sd_bench.errors import ConfigError

_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|)")


def budget_s(protocol: ProtocolConfig) -> float | None:
    """The budget in seconds, ``None`` without one. Raises ConfigError if it is not a time."""
    written = protocol.budget
    if written is None:
        return None
    seconds = math.nan if isinstance(written, bool) else read_seconds(str(written))
    if not 0 < seconds < math.inf:
        raise ConfigError(f"protocol.budget={written}: write 270s, 30min, 2h, or null for none")
    return seconds


def read_seconds(written: str) -> float:
    """The seconds of ``270s``, ``30min``, ``2h`` or ``270``; NaN for anything else."""
    found = _WRITTEN.fullmatch(written.strip())
    return math.nan if found is None else float(found[1]) * _SECONDS[found[2]]
