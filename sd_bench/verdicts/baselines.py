"""Baselines: what cells are compared against, and which cell it is for each of them."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sd_bench.records.old_names import rename_baseline
from sd_bench.verdicts.axes import AXES, PICTURE_AXES, WORKLOAD_AXES, Choice, order_values
from sd_bench.verdicts.cells import Cell

#: The axes that may become the baseline's unasked, and the values that are preferred there.
#: ``batch_size`` and ``n_iter`` are not among them: they say how much work a round does.
_PREFERRED: dict[str, tuple[str, ...]] = {
    "preset": ("original_xformers", "original_xformers_pt2", "original_no_xformers"),
    "implementation": ("sd_bench",),
    "attention": ("original", "math"),
    "compile": ("off",),
    "optimizations": ("none",),
    "precision": ("fp32", "autocast"),
    "torch_env": ("original",),
    "allocator": ("default",),
    "threads": ("auto",),
    "sampler": (),
    "model_version": (),
    "steps": (),
    "height": (),
    "width": (),
    "weights": ("random",),
    "upcast": (),
}

#: What else may be named as a baseline: the version of PyTorch, one environment, and a device.
_PLACES = ("torch", "env", "device")

#: Axes of which no value can be a baseline: seconds of different amounts of the same work.
_AMOUNTS = ("n_iter", "batch_size")

#: What a preset bundles: need not be equal in its baseline, but is preferred to be.
_BUNDLED = (
    *("implementation", "attention", "compile", "optimizations", "precision", "torch_env"),
    "upcast",
)

#: How an implementation is made fast is its own: preferred to be equal, where both can do the same.
_OWN_WAYS = ("compile", "optimizations")

#: Baseline axes across which the environment differs by nature.
_ACROSS_ENVIRONMENTS = ("preset", "torch_env", "gpu", *_PLACES)


class BaselineError(ValueError):
    """A baseline that does not exist or cannot be one; the message is one line that lists some."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What cells are compared against: the cells whose ``axis`` has this ``value``."""

    axis: str
    value: Choice

    def __str__(self) -> str:
        """As it is written after ``--baseline``."""
        return str(self.value) if self.axis == "preset" else f"{self.axis}={self.value}"


def choose_baseline(cells: Sequence[Cell], name: str | None = None) -> Baseline | None:
    """The baseline that is named (``original_xformers`` or ``attention=math``), or the usual one.

    ``None`` if no name is given and no axis varies. Raises BaselineError, listing the baselines
    there are, if the name is not among them, or says how much is computed.
    """
    if name is not None:
        return _named(cells, name)
    for axis, preferred in _PREFERRED.items():
        measured = _values(filter(_is_measured, cells), axis)
        if measured and _differ(cells, axis, within="machine"):
            return Baseline(axis, _first(preferred, measured))
    return None


def list_unasked(cells: Iterable[Cell]) -> list[Baseline]:
    """What could be a baseline and is none unasked: a seed, a prompt, where they differ."""
    measured = list(filter(_is_measured, cells))
    return [
        Baseline(axis, _values(measured, axis)[0])
        for axis in PICTURE_AXES
        if _differ(measured, axis, within="machine")
    ]


def explain_none(cells: Iterable[Cell]) -> str:
    """Why measured cells have no usual baseline."""
    unasked = list_unasked(cells)
    if not unasked:
        return "nothing varies"
    axes = " and ".join(baseline.axis.replace("_", " ") for baseline in unasked)
    asked = f"--baseline {shlex.quote(str(unasked[0]))}"
    return f"only {axes} {'varies' if len(unasked) == 1 else 'vary'}; {asked} compares"


def choose_baselines(
    cells: Sequence[Cell], name: str | None = None
) -> Iterator[tuple[list[Cell], Baseline | None]]:
    """The cells in parts, each with the baseline that all of the part is compared against.

    Without a name every machine and workload has its usual one.
    """
    if name is not None:
        yield list(cells), choose_baseline(cells, name)
        return
    for machine in _grouped(cells, "machine"):
        parts = [(work, choose_baseline(work)) for work in _grouped(machine, *WORKLOAD_AXES)]
        if any(baseline for _, baseline in parts):
            yield from parts
        else:
            yield machine, choose_baseline(machine)


def list_varying_baselines(cells: Sequence[Cell]) -> list[Baseline]:
    """For each axis on which a GPU's measured cells differ, the baseline that is usual on it.

    The version of PyTorch counts as an axis; how much is computed does not.
    """
    measured = list(filter(_is_measured, cells))
    axes = (axis for axis in (*_PREFERRED, "torch") if axis not in WORKLOAD_AXES)
    return [
        Baseline(axis, _first(_PREFERRED.get(axis, ()), _values(measured, axis)))
        for axis in axes
        if _differ(measured, axis, within="gpu")
    ]


class BaselineCells:
    """The cells that have a baseline's value, by what another cell must have in common."""

    def __init__(self, cells: Iterable[Cell], baseline: Baseline) -> None:
        """Sort out the cells with the baseline's value."""
        self.baseline = baseline
        self._candidates: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
        for cell in cells:
            if cell[baseline.axis] == baseline.value:
                self._candidates[_held_equal(cell, baseline)].append(cell)

    def find(self, cell: Cell) -> Cell | str:
        """The baseline cell of a cell, or why it has none."""
        if cell[self.baseline.axis] == self.baseline.value:
            return cell
        candidates = self._candidates.get(_held_equal(cell, self.baseline), [])
        if not candidates:
            return f"no cell with {self.baseline} and the rest equal"
        best = max(_likeness(cell, candidate) for candidate in candidates)
        likest = [candidate for candidate in candidates if _likeness(cell, candidate) == best]
        if len(likest) > 1:
            return f"{len(likest)} cells with {self.baseline} fit"
        return likest[0] if likest[0].is_measured else f"baseline {likest[0].reason}"


def _is_measured(cell: Cell) -> bool:
    return cell.is_measured


def _values(cells: Iterable[Cell], axis: str) -> list[Choice]:
    values = order_values(axis, (cell[axis] for cell in cells))
    return [value for value in values if value is not None]


def _first(preferred: Sequence[Choice], values: Sequence[Choice]) -> Choice:
    return next((value for value in preferred if value in values), values[0])


def _grouped(cells: Iterable[Cell], *axes: str) -> list[list[Cell]]:
    groups: dict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[tuple(cell[axis] for axis in axes)].append(cell)
    return list(groups.values())


def _differ(cells: Iterable[Cell], axis: str, within: str) -> bool:
    """Whether cells of one machine or GPU have different values."""
    return any(len(_values(group, axis)) > 1 for group in _grouped(cells, within))


def _named(cells: Sequence[Cell], name: str) -> Baseline:
    present = rename_baseline(name)
    axis, equals, text = present.partition("=")
    if not equals:
        axis, text = "preset", present
    if axis in _AMOUNTS:
        raise BaselineError(
            f"{axis} cannot be a baseline, since a round of another {axis} does a different "
            f"amount of work: see images/s in the summary, or use one of {_offer(cells)}"
        )
    if axis in (*AXES, *_PLACES):
        found = _matching(_values(cells, axis), axis, text)
        if len(found) == 1:
            return Baseline(axis, found[0])
        if found:
            meant = " or ".join(str(Baseline(axis, value)) for value in found)
            raise BaselineError(f"{name!r} may be {meant}: say which")
    raise BaselineError(f"no baseline {name!r} in these records; there are: {_offer(cells)}")


def _matching(values: Sequence[Choice], axis: str, text: str) -> list[Choice]:
    """The values that are meant.

    A version of PyTorch goes without its build, weights without their digest, a device in any case.
    """
    exact = [value for value in values if str(value) == text]
    if axis == "weights" and not exact:  # without the begin of the digest
        return [value for value in values if str(value).rpartition(" #")[0] == text]
    if exact or axis not in _PLACES:
        return exact
    if axis == "torch":
        return [value for value in values if str(value).startswith((f"{text}.", f"{text}+"))]
    return [value for value in values if str(value).casefold() == text.casefold()]


def _offer(cells: Sequence[Cell]) -> str:
    axes = [*_PREFERRED, *_PLACES, "gpu", *(each.axis for each in list_unasked(cells))]
    upcasts = (len({cell["upcast"] for cell in group}) for group in _grouped(cells, "attention"))
    if max(upcasts, default=0) < 2:  # it follows from the attention
        axes.remove("upcast")
    for axis in ("implementation", "optimizations"):
        if len(_values(cells, axis)) < 2:  # most sweeps know of no other
            axes.remove(axis)
    offered = (str(Baseline(axis, value)) for axis in axes for value in _values(cells, axis))
    return ", ".join(map(shlex.quote, offered))


def _held_equal(cell: Cell, baseline: Baseline) -> tuple[Any, ...]:
    """What a cell and its baseline must have in common."""
    loose = {baseline.axis, "preset"}
    if baseline.axis == "preset":
        loose.update(_BUNDLED)
    if baseline.axis == "implementation":
        loose.update(_OWN_WAYS)
    if baseline.axis in _PLACES:
        loose.add("torch_env")
    if baseline.axis == "model_version":
        loose.add("guidance_scale")  # each model has its own
    if baseline.axis == "compile":
        loose.add("optimizations")  # some are ways of the compiler, and eager has its own
    if baseline.axis == "device":
        loose.add("gpu")
    if baseline.axis == "attention":
        loose.add("upcast")  # each backend has its own, and a fused one no choice
    place = "machine" if baseline.axis in _ACROSS_ENVIRONMENTS else "env"
    axes = tuple(cell[axis] for axis in AXES if axis not in loose)
    return axes if baseline.axis in ("gpu", *_PLACES) else (cell[place], *axes)


def _likeness(cell: Cell, candidate: Cell) -> tuple[int, bool, bool, bool]:
    """Compiled cells are more like compiled ones, however they are compiled."""
    regimes_agree = (cell["compile"] == "off") == (candidate["compile"] == "off")
    same = sum(cell[axis] == candidate[axis] for axis in ("preset", *_BUNDLED))
    shared_sweep = not cell.sweep_folders.isdisjoint(candidate.sweep_folders)
    return (same, regimes_agree, cell.env == candidate.env, shared_sweep)
