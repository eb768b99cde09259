"""Cells to leave out of a matrix with ``leave_out_unsupported``: unsupported or repeated ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from sd_bench.execution.cell import Cell, CellKey
from sd_bench.execution.plan import PlannedCell, make_plan

#: The reason for leaving out a cell that is the same as an earlier one, which is not shown.
_TWICE = ""


def find_unsupported(
    cells: Sequence[Cell], plan_cells: Callable[[Sequence[Cell]], list[PlannedCell]] = make_plan
) -> dict[int, str]:
    """The cells to leave out, by their index in ``cells``, each with the reason.

    ``plan_cells`` finds out which can run. If no cell would be left, none is left out, and they are
    recorded as unsupported. Raises ConfigError for a cell that no machine can run.
    """
    if not any(cell.config.leave_out_unsupported for cell in cells):
        return {}
    found: dict[int, str] = {}
    seen: set[CellKey] = set()
    for at, planned in enumerate(plan_cells(cells)):
        if planned.reason is not None:
            found[at] = planned.reason
        elif planned.cell.key in seen:
            found[at] = _TWICE
        seen.add(planned.cell.key)
    return {} if len(found) == len(cells) else found


def say_left_out(cells: Sequence[Cell], reasons: Mapping[int, str]) -> list[str]:
    """A line for each implementation and reason: ``left out: openvino: ... (2 cells)``."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for at, reason in reasons.items():
        if reason != _TWICE:
            counts[cells[at].config.implementation.name, reason] += 1
    return [
        f"left out: {name}: {reason} ({count} cell{'' if count == 1 else 's'})"
        for (name, reason), count in counts.items()
    ]
