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

#: The presets in their order, each with what it changes of the one before.
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

#: What each step changes of the one before, and its cell.
Chain = list[tuple[str, DeltaRow]]


@dataclass(frozen=True, slots=True)
class Ablation:
    """A chain of cells, ``cells`` those that are equal to it in all that no step changes.

    ``others`` says whether the same choices have another chain, in other environments.
    """

    chain: Chain
    cells: pd.DataFrame
    others: bool


def find_ablations(deltas: pd.DataFrame) -> list[Ablation]:
    """The chains: one for all cells that differ in nothing but these changes.

    A chain is the longest run of neighbouring presets that were measured, of three or
    more; where the first cannot run on a device it begins with the next. Neighbours are equal in
    precision, sampler, weights and all else that no step changes, and of one environment where
    ``torch_env`` is the same. A preset of which several cells fit is passed over.
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
    """The longest chain of each choice of environments, each chain once."""
    chains = {}
    for part in _split_environments(rows):
        chain = _longest_chain(part)
        if len(chain) >= _FEWEST:
            chains[tuple((row.env, row.preset) for _, row in chain)] = chain
    return list(chains.values())


def _split_environments(rows: list[DeltaRow]) -> Iterator[list[DeltaRow]]:
    """The cells with one environment each ``torch_env``; of several, those that met in a sweep."""
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
    """What each step changes, and its cell; a preset with several cells is a gap."""
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
