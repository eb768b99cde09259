"""Choose the baseline that cells are compared with, and find the baseline cell of each cell."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sd_bench.records.old_names import rename_baseline
from sd_bench.verdicts.axes import AXES, PICTURE_AXES, WORKLOAD_AXES, Choice, order_values
from sd_bench.verdicts.cells import Cell

#: The axes of which a value may be the default baseline, and the preferred values.
#: ``batch_size`` and ``n_iter`` are not among them: they determine how much work a round does.
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

#: What else may be named as a baseline: a version of PyTorch, an environment, a device.
_PLACES = ("torch", "env", "device")

#: Axes of which no value can be a baseline, because seconds are for different amounts of work.
_AMOUNTS = ("n_iter", "batch_size")

#: The axes that a preset bundles: preferably, but not necessarily, equal in its baseline.
_BUNDLED = (
    *("implementation", "attention", "compile", "optimizations", "precision", "torch_env"),
    "upcast",
)

#: Each implementation has different ways to be fast: preferably, but not necessarily, equal.
_OWN_WAYS = ("compile", "optimizations")

#: Baseline axes whose values necessarily have different environments.
_ACROSS_ENVIRONMENTS = ("preset", "torch_env", "gpu", *_PLACES)


class BaselineError(ValueError):
    """A baseline does not exist or cannot be one; the one-line message lists possible ones."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What cells are compared with: the cells whose ``axis`` has this ``value``."""

    axis: str
    value: Choice

    def __str__(self) -> str:
        """As it is written after ``--baseline``."""
        return str(self.value) if self.axis == "preset" else f"{self.axis}={self.value}"


def choose_baseline(cells: Sequence[Cell], name: str | None = None) -> Baseline | None:
    """The baseline with this name (``original_xformers``, ``attention=math``), or the default one.

    ``None`` if no name is given and no axis varies. Raises BaselineError, listing the possible
    baselines, if there is none of this name, or if it names an amount of work.
    """
    if name is not None:
        return _named(cells, name)
    for axis, preferred in _PREFERRED.items():
        measured = _values(filter(_is_measured, cells), axis)
        if measured and _differ(cells, axis, within="machine"):
            return Baseline(axis, _first(preferred, measured))
    return None


def list_unasked(cells: Iterable[Cell]) -> list[Baseline]:
    """Baselines that are possible but never the default: a seed or a prompt, where they differ."""
    measured = list(filter(_is_measured, cells))
    return [
        Baseline(axis, _values(measured, axis)[0])
        for axis in PICTURE_AXES
        if _differ(measured, axis, within="machine")
    ]


def explain_none(cells: Iterable[Cell]) -> str:
    """Why measured cells have no default baseline."""
    unasked = list_unasked(cells)
    if not unasked:
        return "nothing varies"
    axes = " and ".join(baseline.axis.replace("_", " ") for baseline in unasked)
    asked = f"--baseline {shlex.quote(str(unasked[0]))}"
    return f"only {axes} {'varies' if len(unasked) == 1 else 'vary'}; {asked} compares"


def choose_baselines(
    cells: Sequence[Cell], name: str | None = None
) -> Iterator[tuple[list[Cell], Baseline | None]]:
    """The cells in parts, each with the baseline that the whole part is compared with.

    Without a name, every machine and workload has its own default baseline.
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
    """For each axis on which a GPU's measured cells differ, the default baseline on that axis.

    The version of PyTorch counts as an axis; axes of the amount of work do not.
    """
    measured = list(filter(_is_measured, cells))
    axes = (axis for axis in (*_PREFERRED, "torch") if axis not in WORKLOAD_AXES)
    return [
        Baseline(axis, _first(_PREFERRED.get(axis, ()), _values(measured, axis)))
        for axis in axes
        if _differ(measured, axis, within="gpu")
    ]


class BaselineCells:
    """Finds baseline cells: indexes cells with a baseline's value by what must be equal."""

    def __init__(self, cells: Iterable[Cell], baseline: Baseline) -> None:
        """Index those of ``cells`` that have the baseline's value."""
        self.baseline = baseline
        self._candidates: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
        for cell in cells:
            if cell[baseline.axis] == baseline.value:
                self._candidates[_held_equal(cell, baseline)].append(cell)

    def find(self, cell: Cell) -> Cell | str:
        """The baseline cell of ``cell``, or a text that says why it has none."""
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
    """Whether cells that share a machine or GPU (``within``) have different values."""
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
    """The values that ``text`` may mean.

    It may omit the build of a PyTorch version and the digest of weights. Upper and lower case do
    not matter in a device or an environment.
    """
    exact = [value for value in values if str(value) == text]
    if axis == "weights" and not exact:  # compare without the start of the digest
        return [value for value in values if str(value).rpartition(" #")[0] == text]
    if exact or axis not in _PLACES:
        return exact
    if axis == "torch":
        return [value for value in values if str(value).startswith((f"{text}.", f"{text}+"))]
    return [value for value in values if str(value).casefold() == text.casefold()]


def _offer(cells: Sequence[Cell]) -> str:
    axes = [*_PREFERRED, *_PLACES, "gpu", *(each.axis for each in list_unasked(cells))]
    upcasts = (len({cell["upcast"] for cell in group}) for group in _grouped(cells, "attention"))
    if max(upcasts, default=0) < 2:  # upcast follows from the attention
        axes.remove("upcast")
    for axis in ("implementation", "optimizations"):
        if len(_values(cells, axis)) < 2:  # most sweeps have only one value
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
        loose.add("guidance_scale")  # each model has a different default
    if baseline.axis == "compile":
        loose.add("optimizations")  # some apply only to compiled cells, others only to eager ones
    if baseline.axis == "device":
        loose.add("gpu")
    if baseline.axis == "attention":
        loose.add("upcast")  # it depends on the backend, and fused ones have no choice
    place = "machine" if baseline.axis in _ACROSS_ENVIRONMENTS else "env"
    axes = tuple(cell[axis] for axis in AXES if axis not in loose)
    return axes if baseline.axis in ("gpu", *_PLACES) else (cell[place], *axes)


def _likeness(cell: Cell, candidate: Cell) -> tuple[int, bool, bool, bool]:
    """How similar two cells are, as a sort key; any two compiled cells count as similar."""
    regimes_agree = (cell["compile"] == "off") == (candidate["compile"] == "off")
    same = sum(cell[axis] == candidate[axis] for axis in ("preset", *_BUNDLED))
    shared_sweep = not cell.sweep_folders.isdisjoint(candidate.sweep_folders)
    return (same, regimes_agree, cell.env == candidate.env, shared_sweep)
