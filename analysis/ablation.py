"""From the published original code to the published fastest, one change at a time."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from analysis.attribution import Waterfall
from analysis.choices import WORKLOAD_AXES, Row, rows_of
from analysis.formats import seconds
from analysis.marks import explain
from analysis.notes import scaled_note, value_note

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


def ablations(deltas: pd.DataFrame) -> dict[str, Waterfall]:
    """For each machine, workload and batch size with a chain of steps: its waterfall, by a name.

    The chain is the longest run of neighbouring configurations that were measured, of three or
    more; where the first cannot run on a device it begins with the next.
    """
    found = {}
    measured = deltas[deltas["status"] == "ok"]
    axes = ["machine", *WORKLOAD_AXES, "batch_size"]
    for _, cells in measured.groupby(axes, sort=False, dropna=False):
        chain = _longest_chain({str(row["configuration"]): row for row in rows_of(cells)})
        if len(chain) >= _FEWEST:
            _, first = chain[0]
            name = f"{first['machine']}_{first['model_version']}_{first['batch_size']}"
            found[name] = _waterfall(chain, cells)
    return found


def _longest_chain(rows: dict[str, Row]) -> list[tuple[str, Row]]:
    """What each step changes, and its cell."""
    chains: list[list[tuple[str, Row]]] = [[]]
    for configuration, change in STEPS:
        if configuration in rows:
            chains[-1].append((change, rows[configuration]))
        elif chains[-1]:
            chains.append([])
    return max(chains, key=len)


def _waterfall(chain: list[tuple[str, Row]], cells: pd.DataFrame) -> Waterfall:
    (_, first), (_, last) = chain[0], chain[-1]
    changes = {
        f"{change}{after['marks']}": after["mean_s"] - before["mean_s"]
        for (_, before), (change, after) in pairwise(chain)
    }
    return Waterfall(
        title=(
            f"One change at a time: {first['model_version']} at batch size {first['batch_size']} "
            f"on {first['machine']}"
        ),
        begin=(str(first["configuration"]), first["mean_s"]),
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
