"""Decides how long a sweep may take, how many rounds fit, and at which scale."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sd_bench.config.budget import budget_s
from sd_bench.config.scaling import AUTO_SCALE, SCALES
from sd_bench.execution.calibration import CalibrationError, calibrate, choose
from sd_bench.execution.cell import Cell
from sd_bench.execution.finished_rounds import Finished
from sd_bench.execution.plan import PlannedCell, make_plan
from sd_bench.execution.schedule import spent_s
from sd_bench.execution.slots import Slots
from sd_bench.execution.sweep_folder import placed

#: Makes the cells of a sweep again at the scale of this name.
AtScale = Callable[[str], list[Cell]]


class TimingWatcher(Protocol):
    """Receives the start of a calibration, and a warning if it fails."""

    def calibrating(self) -> None: ...

    def warned(self, sentence: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the sweep may take, and at which scale.

    ``plan`` has the cells at the chosen ``scale``, or unchanged if that is ``None``. The sweep ends
    after ``max_rounds``, or at ``deadline`` on the monotonic clock (``None`` without a budget).
    ``least_s`` are the estimated seconds of the fewest rounds, ``fitting_rounds`` is how many
    rounds fit; both are ``None`` without a calibration.
    """

    plan: list[PlannedCell]
    max_rounds: int
    budget_s: float | None = None
    deadline: float | None = None
    scale: str | None = None
    least_s: float | None = None
    fitting_rounds: int | None = None
    calibration_s: float = 0.0


def find_timing(
    plan: list[PlannedCell],
    finished: Finished,
    folder: Path,
    slots: Slots,
    watcher: TimingWatcher,
    at_scale: AtScale | None,
    began: float,
) -> Timing:
    """Choose the scale and the number of rounds that there is time for, if needed by calibrating.

    ``began`` is when the command started, on the monotonic clock. Raises ConfigError if the cells
    at another scale cannot be placed in ``folder``.
    """
    config = plan[0].cell.config
    limit_s = budget_s(config.protocol)
    is_open = any(planned.rounds is None for planned in plan)
    most = config.protocol.max_rounds
    if limit_s is None or not is_open or config.more_rounds:
        return Timing(plan=plan, max_rounds=most)
    deadline = began + limit_s - spent_s(finished) / slots.at_once
    timing = Timing(plan=plan, max_rounds=most, budget_s=limit_s, deadline=deadline)
    if finished.records:  # its looks and its scale are fixed
        return timing
    plans = _plans_by_scale(plan, folder, at_scale)
    try:
        watcher.calibrating()
        calibration = calibrate(
            list(plans.values()), lambda config: slots.reserved(config.gpu, watcher.warned)
        )
    except CalibrationError as error:
        watcher.warned(f"no estimate of the time, since the calibration failed: {error}")
        scale, smallest = next(iter(plans.items()))
        return replace(timing, plan=smallest, scale=scale)
    chosen = choose(plans, calibration, deadline - time.monotonic(), slots.at_once)
    return replace(
        timing,
        plan=chosen.plan,
        scale=chosen.scale,
        max_rounds=min(most, chosen.rounds),
        least_s=chosen.needed_s,
        calibration_s=calibration.took_s,
        fitting_rounds=chosen.rounds,
    )


def _plans_by_scale(
    plan: list[PlannedCell], folder: Path, at_scale: AtScale | None
) -> dict[str | None, list[PlannedCell]]:
    """The cells at each scale, smallest first, or unchanged if there is nothing to choose.

    That is so on a GPU, if a scale is named, and if scales would not change any cell.
    """
    config = plan[0].cell.config
    as_they_are: dict[str | None, list[PlannedCell]] = {None: plan}
    if at_scale is None or config.scale != AUTO_SCALE or config.gpu.kind != "cpu":
        return as_they_are
    plans: dict[str | None, list[PlannedCell]] = {
        scale: make_plan(placed(at_scale(scale), folder, config.resume)) for scale in SCALES
    }
    hashes = {tuple(planned.cell.hash for planned in each) for each in plans.values()}
    return plans if len(hashes) > 1 else as_they_are
