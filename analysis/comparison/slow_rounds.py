"""Why a round was slow: the counters of the round against those of the other rounds."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping

#: Counters of lost seconds, with the words that explain them.
_LOST = {
    "steal_s": "taken by the hypervisor",
    "quota_throttled_s": "halted by the CPU quota",
    "suspended_s": "with the machine suspended",
    "others_cpu_s": "of the processors' time for other processes",
    "system_s": "more in the kernel",
    "run_delay_s": "waiting for a processor",
}
#: Lost seconds below this share of the round explain nothing.
_LEAST_SHARE = 0.05
#: Counters of events: the words, and the least excess and the least ratio to be named.
_COUNTED = {
    "major_page_faults": ("page faults that read from disk", 10, 2.0),
    "minor_page_faults": ("page faults", 10_000, 1.5),
    "involuntary_context_switches": ("times that its threads lost a processor", 50, 3.0),
    "full_collections": ("full garbage collections", 1, 1.0),
    "stops": ("stops", 1, 1.0),
}


def explain_slow_round(name: Hashable, counters: Mapping[Hashable, Mapping[str, float]]) -> str:
    """What round ``name`` had more of than the median of its cell's other rounds; "" for nothing.

    ``counters`` has for each round the sums over its timed iterations, including ``total_s``.
    """
    mine = counters.get(name, {})
    others = [each for key, each in counters.items() if key != name]
    total_s = mine.get("total_s", 0.0)
    found = []
    for counter, words in _LOST.items():
        more_s = _more(counter, mine, others)
        if more_s > _LEAST_SHARE * total_s > 0:
            found.append(f"{more_s:.2g} s {words}")
    for counter, (words, least, times) in _COUNTED.items():
        more = _more(counter, mine, others)
        if more >= least and mine[counter] >= times * (mine[counter] - more):
            found.append(f"{more:,.0f} more {words}")
    return ", ".join(found)


def _more(counter: str, mine: Mapping[str, float], others: list[Mapping[str, float]]) -> float:
    known = [each[counter] for each in others if counter in each]
    return mine[counter] - statistics.median(known) if known and counter in mine else 0.0
