"""How long a sweep may measure: ``protocol.budget``, as people write it."""

from __future__ import annotations

import math
import re

from sd_bench.config.schema import ProtocolConfig
from sd_bench.errors import ConfigError

_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|)")


def budget_s(protocol: ProtocolConfig) -> float | None:
    """The budget in seconds, ``None`` without one. Raises ConfigError for anything else."""
    written = protocol.budget
    if written is None:
        return None
    found = None if isinstance(written, bool) else _WRITTEN.fullmatch(str(written).strip())
    seconds = math.nan if found is None else float(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds < math.inf:
        raise ConfigError(f"protocol.budget={written}: write 270s, 30min, 2h, or null for none")
    return seconds
