"""From the published original code to the published fastest, one change at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import pandas as pd

from analysis.comparison.comparability import HELD_EQUAL, share_sweep
from analysis.comparison.rows import DeltaRow
from analysis.rows import keep_measured, list_rows
from sd_bench.verdicts.axes import Choice

#: The presets in order, each with its change from the previous one.
STEPS = (
    ("original_no_xformers", ""),
    ("original_no_xformers_pt2", "PyTorch 2"),
    ("original_no_checkpointing_pt2", "checkpointing off"),
    ("original_half_attention_pt2", "attention in half precision"),
    ("optimized_math", "nn.MultiheadAttention"),
    ("optimized", "fused backends"),
    ("optimized_compile", "torch.compile"),
)
_FEWEST = 3

#: Each step as its change from the previous one, and its cell.
Chain = list[tuple[str, DeltaRow]]


@dataclass(frozen=True, slots=True)
class Ablation:
    """A chain of cells; ``cells`` are all that equal it in the choices that no step changes.

    ``others`` says whether the same choices have another chain, in other environments.
    """

    chain: Chain
    cells: pd.DataFrame
    others: bool


def find_ablations(deltas: pd.DataFrame) -> list[Ablation]:
    """The chains: one for each group of cells that differ only in these changes.

    A chain is the longest run of neighbouring presets that were measured, of three or more; if the
    first cannot run on a device, the chain begins with the next. Neighbours have the same
    precision, sampler, weights and all else that no step changes, and the same environment if their
    ``torch_env`` is the same. A preset that several cells fit ends the run.
    """
    measured = keep_steps(deltas)
    found = []
    for _, cells in measured.groupby(list(HELD_EQUAL), sort=False, dropna=False):
        chains = _chains(list_rows(cells, DeltaRow))
        found += [Ablation(chain, cells, len(chains) > 1) for chain in chains]
    return found


def keep_steps(deltas: pd.DataFrame) -> pd.DataFrame:
    """The measured cells of the presets of `STEPS`."""
    measured = keep_measured(deltas)
    return measured[measured["preset"].isin(dict(STEPS))]


def _chains(rows: list[DeltaRow]) -> list[Chain]:
    """The longest chain for each choice of environments, without duplicates."""
    chains = {}
    for part in _split_environments(rows):
        chain = _longest_chain(part)
        if len(chain) >= _FEWEST:
            chains[tuple((row.env, row.preset) for _, row in chain)] = chain
    return list(chains.values())


def _split_environments(rows: list[DeltaRow]) -> Iterator[list[DeltaRow]]:
    """The cells with one environment per ``torch_env``; of several, those of a common sweep."""
    cells: dict[Choice, dict[str, list[DeltaRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row.torch_env][row.env].append(row)
    choices = list(product(*(envs.values() for envs in cells.values())))
    for parts in choices:
        pairs = combinations(parts, 2)
        if len(choices) == 1 or all(_have_met(*pair) for pair in pairs):
            yield [row for part in parts for row in part]


def _have_met(part: list[DeltaRow], other: list[DeltaRow]) -> bool:
    return any(share_sweep(*pair) for pair in product(part, other))


def _longest_chain(rows: list[DeltaRow]) -> Chain:
    """The longest run of steps; a preset with no cell or with several interrupts it."""
    cells: dict[str, list[DeltaRow]] = defaultdict(list)
    for row in rows:
        cells[str(row.preset)].append(row)
    chains: list[Chain] = [[]]
    for preset, change in STEPS:
        if len(cells[preset]) == 1:
            chains[-1].append((change, cells[preset][0]))
        elif chains[-1]:
            chains.append([])
    return max(chains, key=len)
