"""A short measurement before the first round: which workload fits, and how long rounds will take.

A worker builds the networks once and makes a few calls at several sizes. The time of a call is
modelled as a straight line, a constant for reading the weights plus a part in proportion to the
pixels, from which the time of a round follows for any cell at any scale.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import lsq_linear

from sd_bench.config.budget import budget_s
from sd_bench.config.conversion import to_dict
from sd_bench.config.scaling import Size
from sd_bench.config.schema import Config
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.processes import ROUNDS_OF_A_SERVER
from sd_bench.execution.slots import Slot
from sd_bench.execution.worker_process import worker_environment

#: The share of the budget that may be spent on calibrating.
_SHARE = 0.08
#: Estimates are multiplied by this, so that the rounds fit even if they take a little longer.
_CAUTION = 1.08
#: Seconds of a round outside the measurement: launcher, clock and record.
_OVERHEAD_S = 0.6
#: Seconds that a forked round takes to start.
_FORK_S = 0.1
#: A calibration that takes longer has failed.
_TIMEOUT_S = 600.0


class CalibrationError(Exception):
    """The calibration failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds as a linear function of pixels."""

    constant_s: float
    per_pixel_s: float

    def at(self, pixels: int) -> float:
        return self.constant_s + self.per_pixel_s * pixels


@dataclass(frozen=True, slots=True)
class Costs:
    """The times of a round's parts in one interpreter, for one model in one precision.

    ``start_s`` is the time of a process's start with its imports, ``build_s`` of building the
    networks.
    """

    start_s: float
    build_s: float
    text_encode: Line
    unet_call: Line
    vae_decode: Line

    def round_s(self, config: Config) -> float:
        """Seconds of a round of this cell, without compiling."""
        pixels = _size(config).pixels
        protocol, steps = config.protocol, config.sampler.steps
        calls = steps + (config.sampler.name == "plms")
        iteration_s = (
            self.text_encode.at(pixels)
            + calls * self.unet_call.at(pixels)
            + self.vae_decode.at(pixels)
        )
        return (
            _OVERHEAD_S
            + (self.start_s if protocol.worker == "spawn" else self._fork_s)
            + self.build_s
            + self.text_encode.at(pixels)
            + protocol.warmup_unet_calls * self.unet_call.at(pixels)
            + (protocol.warmup + protocol.n_iter) * iteration_s
        )

    @property
    def _fork_s(self) -> float:
        """Seconds to start a forked round, with its share of starting a server."""
        return _FORK_S + self.start_s / ROUNDS_OF_A_SERVER

    def proof_s(self, config: Config) -> float:
        """Seconds of the kernel proof, once per cell."""
        return self.unet_call.at(_size(config).pixels)


class _Group(NamedTuple):
    """The choices that a call's time depends on, besides its size."""

    executable: str
    gpu: str
    model_version: str
    precision: str
    allocator: str
    threads: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The costs of each group of cells, and the seconds that finding them took."""

    costs: Mapping[_Group, Costs]
    took_s: float

    def rounds_s(self, plan: Iterable[PlannedCell]) -> float:
        """Seconds of one round of every cell that can run, one after another."""
        return _CAUTION * sum(self.costs[_group(p)].round_s(p.cell.config) for p in _run(plan))

    def first_rounds_s(self, plan: Sequence[PlannedCell], rounds: int) -> float:
        """Seconds of the first ``rounds`` rounds of every cell, with the kernel proofs."""
        proofs_s = sum(self.costs[_group(p)].proof_s(p.cell.config) for p in _run(plan))
        return rounds * self.rounds_s(plan) + proofs_s


@dataclass(frozen=True, slots=True)
class Choice:
    """A scale, its cells, and the calibration's estimates for them.

    ``scale`` is ``None`` if there is nothing to choose. ``rounds`` of every cell fit into the
    budget; ``needed_s`` is the time of the fewest rounds of every cell, without the calibration.
    """

    scale: str | None
    plan: list[PlannedCell]
    rounds: int
    needed_s: float


def calibrate(
    plans: Sequence[Sequence[PlannedCell]],
    slot_of: Callable[[Config], AbstractContextManager[Slot]],
) -> Calibration:
    """Measure the costs of the cells' rounds, at as many of the scales as there is time for.

    ``plans`` are the same cells at each scale, smallest first. Raises CalibrationError.
    """
    began = time.monotonic()
    groups: dict[_Group, list[list[Size]]] = {}
    configs: dict[_Group, tuple[PlannedCell, Config]] = {}
    for at, plan in enumerate(plans):
        for planned in _run(plan):
            group = _group(planned)
            sizes = groups.setdefault(group, [[] for _ in plans])
            sizes[at].append(_size(planned.cell.config))
            configs.setdefault(group, (planned, planned.cell.config))
    costs = {}
    for group, by_scale in groups.items():
        planned, config = configs[group]
        limit_s = _SHARE * (budget_s(config.protocol) or 0.0) / len(groups)
        with slot_of(config) as slot:
            costs[group] = _measure(planned, _sizes_to_measure(by_scale), slot, limit_s)
    return Calibration(costs, time.monotonic() - began)


def choose(
    plans: Mapping[str | None, list[PlannedCell]],
    calibration: Calibration,
    left_s: float,
    at_once: int,
) -> Choice:
    """The largest scale at which ``min_rounds`` of every cell fit into ``left_s`` seconds.

    ``plans`` are the cells by scale, smallest first; the smallest is chosen if none fits.
    ``at_once`` is the number of rounds that run at the same time.
    """
    choices = []
    for scale, plan in plans.items():
        least = plan[0].cell.config.protocol.min_rounds
        needed_s = calibration.first_rounds_s(plan, least) / at_once
        more = (left_s - needed_s) / max(1e-9, calibration.rounds_s(plan) / at_once)
        choices.append(Choice(scale, plan, max(0, least + int(np.floor(more))), needed_s))
    fitting = [choice for choice in choices if choice.needed_s <= left_s]
    return fitting[-1] if fitting else choices[0]


def _run(plan: Iterable[PlannedCell]) -> list[PlannedCell]:
    return [planned for planned in plan if planned.reason is None]


def _group(planned: PlannedCell) -> _Group:
    assert planned.interpreter is not None
    config = planned.cell.config
    return _Group(
        planned.interpreter.executable,
        config.gpu.name,
        config.model_version.name,
        config.precision.name,
        config.allocator.name,
        config.threads.name,
    )


def _size(config: Config) -> Size:
    workload = config.workload
    return Size(workload.batch_size, workload.height, workload.width)


def _sizes_to_measure(by_scale: Sequence[Sequence[Size]]) -> list[Size]:
    """The smallest cell of the smallest scale, then the largest of each scale."""
    smallest = min(by_scale[0], key=lambda size: size.pixels)
    largest = [max(sizes, key=lambda size: size.pixels) for sizes in by_scale]
    return list(dict.fromkeys([smallest, *largest]))


def _measure(planned: PlannedCell, sizes: Sequence[Size], slot: Slot, limit_s: float) -> Costs:
    assert planned.interpreter is not None
    began = time.monotonic()
    request = {
        "config": to_dict(planned.cell.config),
        "sizes": list(sizes),
        "limit_s": limit_s,
    }
    command = [planned.interpreter.executable, "-m", "sd_bench.execution.calibration_worker"]
    environment = worker_environment(planned.cell.config, slot)
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, env=environment,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CalibrationError(f"it took more than {_TIMEOUT_S:.0f} s") from None
    took_s = time.monotonic() - began
    try:
        answer = json.loads(done.stdout)
        points = answer["points"]
        parts = ("text_encode", "unet_call", "vae_decode")
        lines = {part: _fit([(Size(*p["size"]).pixels, p[f"{part}_s"]) for p in points])
                 for part in parts}  # fmt: skip
        build_s = float(answer["build_s"])
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise CalibrationError(last[:200]) from None
    calls_s = sum(p["text_encode_s"] + 2 * p["unet_call_s"] + p["vae_decode_s"] for p in points)
    return Costs(max(0.0, took_s - build_s - calls_s), build_s, **lines)


def _fit(points: Sequence[tuple[int, float]]) -> Line:
    """The line through the points with the least relative errors and no negative part."""
    most = max(pixels for pixels, _ in points)
    seconds = np.array([s for _, s in points])
    rows = np.array([[1.0, pixels / most] for pixels, _ in points]) / seconds[:, None]
    found = lsq_linear(rows, np.ones(len(points)), bounds=(0, np.inf), method="bvls").x
    return Line(constant_s=float(found[0]), per_pixel_s=float(found[1]) / most)
