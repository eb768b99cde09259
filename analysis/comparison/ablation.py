"""From the published original code to the published fastest, one change at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise, product

import pandas as pd

from analysis.charts.kinds.waterfall import Waterfall
from analysis.charts.select.file_names import unused
from analysis.comparison.comparability import HELD_EQUAL, met
from analysis.comparison.flags import explain
from analysis.formatting import seconds
from analysis.wording.cell_names import cell_words
from analysis.wording.notes import scaled_note, value_note, varies
from sd_bench.verdicts.axes import Choice, Row, rows_of

#: The configurations in their order, each with what it changes of the one before.
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

#: What a title says in any case, and what names the chart.
_IN_TITLE = ("machine", "model_version", "batch_size")

#: What each step changes of the one before, and its cell.
Chain = list[tuple[str, Row]]


def ablations(deltas: pd.DataFrame) -> dict[str, Waterfall]:
    """The waterfalls by a name: one for all cells that differ in nothing but these changes.

    The chain is the longest run of neighbouring configurations that were measured, of three or
    more; where the first cannot run on a device it begins with the next. Neighbours are equal in
    precision, sampler, weights and all else that no step changes, and of one environment where
    ``torch_env`` is the same. A configuration of which several cells fit is passed over.
    """
    measured = deltas[(deltas["status"] == "ok") & deltas["configuration"].isin(dict(STEPS))]
    varying = [axis for axis in HELD_EQUAL if axis not in _IN_TITLE and varies(measured, axis)]
    found: dict[str, Waterfall] = {}
    for _, cells in measured.groupby(list(HELD_EQUAL), sort=False, dropna=False):
        chains = _chains(rows_of(cells))
        for chain in chains:
            _, first = chain[0]
            words = [cell_words(first).get(axis, f"no {axis}") for axis in varying]
            if len(chains) > 1:
                words += dict.fromkeys(str(row["env"]) for _, row in chain)
            place = [first[axis] for axis in _IN_TITLE]
            name = "_".join(map(str, (*place, *words)))
            found[unused(name, found)] = _waterfall(chain, cells, words)
    return found


def _chains(rows: list[Row]) -> list[Chain]:
    """The longest chain of each choice of environments, each chain once."""
    chains = {}
    for part in _environments(rows):
        chain = _longest_chain(part)
        if len(chain) >= _FEWEST:
            chains[tuple((row["env"], row["configuration"]) for _, row in chain)] = chain
    return list(chains.values())


def _environments(rows: list[Row]) -> Iterator[list[Row]]:
    """The cells with one environment each ``torch_env``; of several, those that met in a sweep."""
    cells: dict[Choice, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row["torch_env"]][row["env"]].append(row)
    choices = list(product(*(envs.values() for envs in cells.values())))
    for parts in choices:
        pairs = combinations(parts, 2)
        if len(choices) == 1 or all(_have_met(*pair) for pair in pairs):
            yield [row for part in parts for row in part]


def _have_met(part: list[Row], other: list[Row]) -> bool:
    return any(met(*pair) for pair in product(part, other))


def _longest_chain(rows: list[Row]) -> Chain:
    """What each step changes, and its cell; a configuration with several cells is a gap."""
    cells: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cells[str(row["configuration"])].append(row)
    chains: list[Chain] = [[]]
    for configuration, change in STEPS:
        if len(cells[configuration]) == 1:
            chains[-1].append((change, cells[configuration][0]))
        elif chains[-1]:
            chains.append([])
    return max(chains, key=len)


def _waterfall(chain: Chain, cells: pd.DataFrame, words: list[str]) -> Waterfall:
    (_, first), (_, last) = chain[0], chain[-1]
    changes = {
        f"{change}{after['marks']}": after["mean_s"] - before["mean_s"]
        for (_, before), (change, after) in pairwise(chain)
    }
    return Waterfall(
        title=(
            f"One change at a time: {first['model_version']} at batch size {first['batch_size']} "
            f"on {', '.join((first['machine'], *words))}"
        ),
        begin=(f"{first['configuration']}{first['marks']}", first["mean_s"]),
        changes=changes,
        end=(f"{last['configuration']}{last['marks']}", last["mean_s"]),
        caption=[
            "Mean runtimes; each change on top of those before it: in another order the shares "
            "would be others.",
            value_note(cells),
            *explain(row["marks"] for _, row in chain),
            *scaled_note(cells),
        ],
        unit="s",
        y_name="Runtime",
        summary=_summary(changes, first["mean_s"] - last["mean_s"]),
    )


def _summary(changes: dict[str, float], saved: float) -> str:
    parts = (
        f"{change} {'saves' if value < 0 else 'costs'} {seconds(abs(value))} s"
        for change, value in changes.items()
    )
    word = "saves" if saved >= 0 else "costs"
    return f"{'; '.join(parts)}. All together {word} {seconds(abs(saved))} s."
