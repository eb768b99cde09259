"""The cells of a finished sweep, for the table of answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.sweep_looks import SweepLooks
from sd_bench.records import Record
from sd_bench.screens.answers import ShownCell
from sd_bench.statistics.runtime import typical_runtime
from sd_bench.verdicts.answers import Answer, Compared, Facts, answer_all, put_together
from sd_bench.verdicts.attention_dtype import attention_dtype
from sd_bench.verdicts.cells import Cell
from sd_bench.verdicts.comparisons import Comparison
from sd_bench.verdicts.names import name_cells
from sd_bench.verdicts.parity import (
    NO_REFERENCE,
    OWN_REFERENCE,
    KeptLatents,
    Parity,
    Sketches,
    find_latents,
    judge_parity,
)
from sd_bench.verdicts.proofs import name_proof, pool_proofs


@dataclass(frozen=True, slots=True)
class _Measured:
    """A record and the folder of its files."""

    record: Record
    folder: Path


def show_cells(
    comparisons: Sequence[Comparison],
    looks: SweepLooks,
    plan: Sequence[PlannedCell],
    records: Sequence[Sequence[Record]],
) -> list[ShownCell]:
    """Every cell with its answer, in the plan's order; ``records`` are by cell of the plan."""

    def place(comparison: Comparison) -> int:
        return min(looks.indices_of(comparison.cell), default=len(plan))

    ordered = sorted(comparisons, key=place)
    measured = {
        comparison.cell: list(_measured(comparison.cell, looks, plan, records))
        for comparison in ordered
    }
    names = name_cells([_row(cell, rounds) for cell, rounds in measured.items()])
    latents = {cell: _latents(cell, rounds) for cell, rounds in measured.items()}
    facts = {
        comparison.cell: Facts(
            name=name,
            **_proof(rounds),
            parity=_parity(comparison, latents),
        )
        for comparison, name, rounds in zip(ordered, names, measured.values(), strict=True)
    }
    compared = put_together(ordered, facts)
    return [
        _show(each, answer) for each, answer in zip(compared, answer_all(compared), strict=True)
    ]


def _measured(
    cell: Cell,
    looks: SweepLooks,
    plan: Sequence[PlannedCell],
    records: Sequence[Sequence[Record]],
) -> Iterator[_Measured]:
    """The rounds of a cell: those in its environment, and those without times."""
    numbers = {number for _, number in cell.runs}
    for index in looks.indices_of(cell):
        for record in records[index]:
            if record.round in numbers or record.status != "ok":
                yield _Measured(record, plan[index].cell.folder)


def _row(cell: Cell, rounds: Sequence[_Measured]) -> dict[str, object]:
    """The facts that cells' names are made of."""
    dtypes = filter(None, (attention_dtype(each.record) for each in rounds))
    return {
        **cell.choices,
        "machine": cell.machine,
        "env": cell.env,
        "cell_hash": cell.cell_hash,
        "attention_dtype": ", ".join(sorted(set(dtypes))),
    }


def _proof(rounds: Sequence[_Measured]) -> dict[str, str]:
    """The word for the cell's proofs, and the detail of the first proof with that word."""
    words = [name_proof(each.record.kernel_proof) for each in rounds]
    pooled = pool_proofs(words)
    details = (
        each.record.kernel_proof.detail
        for each, word in zip(rounds, words, strict=True)
        if word == pooled and each.record.kernel_proof is not None
    )
    return {"proof": pooled, "proof_detail": next(details, "")}


def _latents(cell: Cell, rounds: Sequence[_Measured]) -> KeptLatents:
    kept = (
        (each.record.round, each.record.status, _latents_path(each), _sketches(each))
        for each in rounds
    )
    return find_latents(kept, cell["precision"])


def _latents_path(measured: _Measured) -> str | None:
    output = measured.record.output
    if output is None or not output.latents_file:
        return None
    return str(measured.folder / output.latents_file)


def _sketches(measured: _Measured) -> Sketches:
    output = measured.record.output
    return {} if output is None else output.stage_sketches


def _parity(comparison: Comparison, latents: dict[Cell, KeptLatents]) -> Parity:
    base = comparison.baseline_cell
    if base is None:
        return NO_REFERENCE
    if base is comparison.cell:
        return OWN_REFERENCE
    return judge_parity(latents[comparison.cell], latents[base])


def _show(compared: Compared, answer: Answer) -> ShownCell:
    cell, difference = compared.comparison.cell, compared.comparison.difference
    runs = list(cell.runs.values())
    if not runs:
        return ShownCell(
            compared=compared, answer=answer, runtime_s=math.nan, images_per_s=math.nan
        )
    batch_size, n_iter = cell["batch_size"], cell["n_iter"]
    assert isinstance(batch_size, int)
    assert isinstance(n_iter, int)
    runtime_s = typical_runtime(runs).seconds if difference is None else difference.cell_s
    return ShownCell(
        compared=compared,
        answer=answer,
        runtime_s=runtime_s,
        images_per_s=batch_size * n_iter / runtime_s,
    )
