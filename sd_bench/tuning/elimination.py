"""Decide which candidates leave the race, by the rule of all verdicts, on turns instead of rounds.

This gives an estimate, not a verdict: all turns of a candidate come from one process, and its luck
(such as where its memory is) affects them all. The final has rounds in fresh processes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sd_bench.statistics.decision import Judgement
from sd_bench.statistics.looks import follow_looks
from sd_bench.statistics.sequential import LookPlan
from sd_bench.tuning.candidates import Candidate
from sd_bench.tuning.rows import IN, OUT, RACING, Row
from sd_bench.verdicts.parity import SKETCH_ERROR, relative_l2, tolerance

#: The turns after which a race looks at its candidates.
_LOOKS = LookPlan(looks=(6, 8, 10, 13, 16), reserve=0.0)
LAST_LOOK = _LOOKS.looks[-1]


def judge_units(
    row: Row, base: Row, family: int, images: int, batch_size: int, is_last: bool = False
) -> Row:
    """``row`` with the estimate from its turns and its status.

    The candidate is in if it is faster at a look and, if it compiles, saves the time to compile
    within ``images`` images. It is out if it is slower or the same, or still undecided at the last
    look or the race's end (``is_last``). ``family`` candidates were started on top of the base.
    """
    turns = len(row.units)
    if turns not in _LOOKS.looks and not is_last:
        return row
    if turns < _LOOKS.looks[0]:
        return replace(row, status=OUT, reason=f"only {turns} turns: no time left in the budget")
    sides = (
        {turn: seconds for turn, (seconds, _) in enumerate(row.units)},
        {turn: seconds for turn, (_, seconds) in enumerate(row.units)},
    )
    (judgement,) = follow_looks([sides], _LOOKS, family=family).judgements
    estimated = _estimated(row, base, judgement)
    if judgement.word == "faster":
        return _with_break_even(estimated, base, images, batch_size)
    if judgement.decided or is_last or turns == LAST_LOOK:
        unclear = f"unclear after {turns} turns"
        words = {"slower": "slower", "same": "equally fast", "unclear": unclear}
        return replace(estimated, status=OUT, reason=words[judgement.word])
    return replace(estimated, status=RACING)


def _estimated(row: Row, base: Row, judgement: Judgement) -> Row:
    assert base.score is not None
    speedup = judgement.estimate.speedup
    low, high = judgement.interval_95
    return replace(
        row,
        call_s=judgement.estimate.cell_s,
        speedup=speedup,
        low=low,
        high=high,
        score=base.score * speedup,
    )


def _with_break_even(row: Row, base: Row, images: int, batch_size: int) -> Row:
    """``row`` with its break-even; out if compiling takes more than ``images`` images to pay off.

    Only the compile time beyond that of its base counts.
    """
    assert row.call_s is not None
    assert row.compile_s is not None
    assert row.speedup is not None
    saved_s = row.call_s * (row.speedup - 1) * row.num_calls / batch_size
    needed = max(0.0, row.compile_s - (base.compile_s or 0.0)) / saved_s
    row = replace(row, break_even_images=needed)
    if needed > images:
        reason = f"pays off after {needed:.0f} images, images={images}"
        return replace(row, status=OUT, reason=reason)
    return replace(row, status=IN)


def why_another_picture(
    row: Row, candidate: Candidate, base_row: Row, base: Candidate
) -> str | None:
    """Why a candidate's UNet call counts as different from its base's, or ``None`` if it does not.

    The distance is known from sketches only, so it must exceed the tolerance by their error.
    """
    if len(row.sketch) != len(base_row.sketch):
        return None
    allowed = tolerance(candidate.config.precision.name, base.config.precision.name)
    distance = relative_l2(np.array(row.sketch), np.array(base_row.sketch))
    if distance <= (1 + SKETCH_ERROR) * allowed:
        return None
    return (
        f"draws a different picture: its UNet call differs by {100 * distance:.2g} %, at most "
        f"{100 * allowed:g} % allowed"
    )
