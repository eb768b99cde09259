"""Every colour of the charts, and which series has which.

Those of the attention backends stand with all else about them, in sd_bench/attention_backends.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from sd_bench.attention_backends import BACKENDS
from sd_bench.verdicts.axes import PUBLISHED_PRESETS

INK, FAINT_INK, GRID, PAPER = "#222222", "#595959", "#dddddd", "#ffffff"

#: Parts of a waterfall.
SAVED, LOST, TOTAL = "#228833", "#cc3311", "#7f7f7f"

#: Parts of a stacked bar, in their order; the names of series have others.
PARTS = (
    *("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677"),
    *("#aa3377", "#bbbbbb", "#882255", "#999933", "#44aa99"),
)

#: Matplotlib's first five default colours, for the published presets in their order.
_PUBLISHED = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")

#: The colours of other series: the rest of the default cycle, neighbours far apart in lightness,
#: then lighter companions. A sixteenth series that is neither a published preset nor a
#: backend begins again, and is told apart by what `count_repeats` says.
_OTHERS = (
    *("#8c564b", "#17becf", "#e377c2", "#bcbd22", "#7f7f7f"),
    *("#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5"),
    *("#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5"),
)


#: What follows a backend's name where it is said what it computed in.
_WITH_DTYPE = re.compile(r" \([^()]*\)$")


def colour_series(order: Iterable[str]) -> dict[str, str]:
    """A colour for each series; a published preset's or a backend's is always the same."""
    fixed = dict(zip(PUBLISHED_PRESETS, _PUBLISHED, strict=True))
    names = [name for name in order if name not in fixed]
    colours = {backend.label: backend.colour for backend in BACKENDS}
    known = {name: colours.get(_WITH_DTYPE.sub("", name)) for name in names}
    backends = {name: colour for name, colour in known.items() if colour is not None}
    free = [colour for colour in _OTHERS if colour not in backends.values()]
    others = (name for name in names if name not in backends)
    following = {name: free[place % len(free)] for place, name in enumerate(others)}
    return fixed | {name: (backends | following)[name] for name in names}


def count_repeats(colours: Mapping[str, str]) -> dict[str, int]:
    """How many series before it have the colour of each: charts vary marker or hatch by it."""
    seen: Counter[str] = Counter()
    repeats = {}
    for name, colour in colours.items():
        repeats[name] = seen[colour]
        seen[colour] += 1
    return repeats
