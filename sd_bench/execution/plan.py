"""The plan: every cell, its number of rounds, and why it cannot run here, if so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.capabilities.allocators import why_no_allocator
from sd_bench.capabilities.devices import check_present
from sd_bench.capabilities.support_rules import compile_switch, unsupported_reason
from sd_bench.capabilities.threads import why_no_threads
from sd_bench.config.checks import check
from sd_bench.config.scaling import scaled_sentences
from sd_bench.environments.interpreter import Interpreter, find_interpreter, host_of
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.compile_cache import why_no_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell of the plan.

    ``reason`` is why it cannot run; then it gets one record, without a process. ``flaw`` is why
    its rounds will be invalid, if that is known before they run.
    """

    cell: Cell
    interpreter: Interpreter | None
    reason: str | None
    flaw: str | None = None

    @property
    def rounds(self) -> int | None:
        """How many rounds the cell gets; ``None`` if the verdicts decide."""
        return self.cell.config.protocol.rounds if self.reason is None else 1


def make_plan(cells: Sequence[Cell]) -> list[PlannedCell]:
    """The plan for this machine, with every cell checked. Raises ConfigError, naming the cell."""
    return _make_plan(cells, cells, _plan_here)


def plan_elsewhere(cells: Sequence[Cell], counted: Iterable[Cell]) -> list[PlannedCell]:
    """The plan for other machines, with the devices that ``conf/`` describes.

    The interpreters are assumed to be the same there. ``counted`` yields the same cells and shows
    the progress. Raises ConfigError, naming the cell.
    """
    return _make_plan(cells, counted, _plan_elsewhere)


def _make_plan(
    cells: Sequence[Cell], counted: Iterable[Cell], plan_cell: Callable[[Cell], PlannedCell]
) -> list[PlannedCell]:
    plan = []
    for cell in counted:
        try:
            check(cell.config)
            plan.append(plan_cell(cell))
        except ConfigError as error:
            where = f" (cell {cell.index}: {cell.label})" if len(cells) > 1 else ""
            raise ConfigError(f"{error}{where}") from None
    return plan


def _plan_elsewhere(cell: Cell) -> PlannedCell:
    found = find_interpreter(cell.config.torch_env)
    if isinstance(found, str):
        return PlannedCell(cell=cell, interpreter=None, reason=found)
    reason = unsupported_reason(cell.config, host_of(cell.config, found, is_here=False))
    return PlannedCell(cell=cell, interpreter=found, reason=reason)


def _plan_here(cell: Cell) -> PlannedCell:
    check_present(cell.config.gpu)
    found = find_interpreter(cell.config.torch_env)
    if isinstance(found, str):
        return PlannedCell(cell=cell, interpreter=None, reason=found)
    reason = unsupported_reason(cell.config, host_of(cell.config, found))
    reason = reason or why_no_allocator(cell.config.allocator) or why_no_threads(cell.config)
    if not cell.config.calls_compiler:
        return PlannedCell(cell=cell, interpreter=found, reason=reason)
    reason, flaw = reason or why_no_cache(cell.folder), compile_switch(os.environ)
    if flaw is not None and BACKENDS_BY_NAME[cell.config.attention.backend].is_compiled:
        reason = reason or f"attention={cell.config.attention.backend} is compiled, and {flaw}"
    return PlannedCell(cell=cell, interpreter=found, reason=reason, flaw=flaw)


def flaws_in(plan: Sequence[PlannedCell]) -> list[str]:
    """Every reason why rounds of the plan will be invalid, each once."""
    sentences = (
        f"{planned.flaw}: rounds with compile={planned.cell.config.compile.mode} will be invalid"
        for planned in plan
        if planned.flaw is not None and planned.reason is None
    )
    return list(dict.fromkeys(sentences))


def scaled_in(plan: Sequence[PlannedCell]) -> list[str]:
    """Every way in which a cell of the plan is smaller than published, each once."""
    sentences = (s for planned in plan for s in scaled_sentences(planned.cell.config))
    return list(dict.fromkeys(sentences))
