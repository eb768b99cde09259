"""Where a difference between two profiled cells comes from, by class of kernel."""

from __future__ import annotations

import math

#: Changes smaller than this share of the larger step are combined.
_LEAST_SHARE = 0.01


def attribute_change(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Seconds that each class of kernel takes more (less: negative); small changes are combined.

    The sum is exactly the difference of the totals.
    """
    names = dict.fromkeys((*before, *after))
    changes = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}
    least = _LEAST_SHARE * max(sum(before.values()), sum(after.values()))
    shown = {name: change for name, change in changes.items() if abs(change) >= least}
    small = [change for name, change in changes.items() if name not in shown]
    if any(small):
        shown["everything else"] = math.fsum(small)
    return dict(sorted(shown.items(), key=lambda item: item[1]))
