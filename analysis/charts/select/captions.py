"""The text below a chart in a report, and the one line inside its picture."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate

import pandas as pd

from analysis.comparison.flags import (
    BASELINE_UNPROVEN,
    DRIFTING,
    NOT_AT_PARITY,
    PARITY_UNKNOWN,
    THROTTLED,
    UNPROVEN,
    UNSEEN,
)
from analysis.formatting import count_rounds
from analysis.rows import keep_measured
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT

#: Characters of a caption: two lines of a report.
LONGEST_CAPTION = 190

#: How many devices or versions are named; if there are more, they are counted.
_MOST_NAMED = 2

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

#: The meaning of each sign in a few words; "How to read this" in the report gives it in full.
_SIGNS = {
    UNPROVEN: "kernels not proven",
    UNSEEN: "unproven: kernels cannot be seen",
    NOT_AT_PARITY: "output differs",
    THROTTLED: "throttled",
    DRIFTING: "times drift",
    BASELINE_UNPROVEN: "baseline's kernels not proven",
    PARITY_UNKNOWN: "parity unknown",
}


def make_caption(*sentences: str) -> list[str]:
    """The sentences that fit into two lines, in order; empty ones are left out."""
    given = [sentence for sentence in sentences if sentence]
    ends = accumulate(len(sentence) + 1 for sentence in given)
    return [text for text, end in zip(given, ends, strict=True) if end <= LONGEST_CAPTION + 1]


def explain_signs(flags: Iterable[str]) -> str:
    """One short sentence about all signs in ``flags``; empty without signs."""
    found = "".join(flags)
    explained = [f"{sign} {text}" for sign, text in _SIGNS.items() if sign in found]
    return f"{'; '.join(explained)}." if explained else ""


def count_means(measured: pd.DataFrame) -> str:
    """``Means of 6 rounds with 95 % intervals.`` for measured cells."""
    fewest, most = int(measured["rounds"].min()), int(measured["rounds"].max())
    if most == 1:
        return "One round, so no interval: an estimate."
    count = count_rounds(most) if fewest == most else f"{fewest} to {most} rounds"
    estimates = " (estimates, not verdicts)" if fewest < ROUNDS_FOR_A_VERDICT else ""
    return f"Means of {count} with 95 % intervals{estimates}."


def note_origin(cells: pd.DataFrame) -> str:
    """Device, PyTorch and date of the measured cells: ``AMD EPYC, PyTorch 2.15.0, 2026-11-23``."""
    measured = keep_measured(cells)
    devices, versions = (list(dict.fromkeys(map(str, measured[c]))) for c in ("device", "torch"))
    where = " and ".join(devices) if len(devices) <= _MOST_NAMED else f"{len(devices)} devices"
    torch = f"PyTorch {' and '.join(versions)}"
    if len(versions) > _MOST_NAMED:
        torch = f"{len(versions)} versions of PyTorch"
    return f"{where}, {torch}, {_dates(measured)}"


def _dates(measured: pd.DataFrame) -> str:
    dates = [d for starts in measured["started_at"] for s in starts for d in _DATE.findall(s)[:1]]
    if not dates:
        return "date unknown"
    first, last = min(dates), max(dates)
    return first if first == last else f"{first} to {last}"
