"""What a table across machines says in words, and what nobody may conclude from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from analysis.comparison.apart import Apart
from analysis.comparison.machines import Machines, MachinesRow
from analysis.formatting import factor, join_words
from sd_bench.statistics.digits import format_factor
from sd_bench.verdicts.axes import WORKLOAD_AXES, rank
from sd_bench.verdicts.names import name_place

NO_VERDICT_NOTE = (
    "The rounds of two machines were not interleaved, so a ratio across machines has no interval "
    "and no verdict."
)

RATES_NOTE = (
    "Images/s and ratio are of the typical runtime, the geometric mean over a cell's rounds "
    "without disturbed ones; 'Every cell' has the rates over all rounds. No machine is named as "
    "the fastest where the ratio rounds to 1.00."
)

_CHOSEN_NOTE = (
    "Where a machine measured a cell in several environments, its row has the newest with a "
    "version of PyTorch that another machine has too."
)


def state_machines(machines: Machines) -> str:
    """The row of the default choices in one sentence; empty where no row allows one.

    That is the fastest of the smallest batch size, of the rows with most machines; one in which
    only the machines differ is preferred.
    """
    rows = [row for row in machines.rows if row.allows_a_sentence]
    if not rows:
        return ""
    row = min(rows, key=_preference)
    varying = {axis for axis in WORKLOAD_AXES if len({r.first[axis] for r in machines.rows}) > 1}
    place = name_place(row.first, varying)
    where = f"{place[:1].upper()}{place[1:]} with {row.series}"
    but = f" ({'; '.join(map(say_apart, row.apart))})" if row.apart else ""
    if not row.fastest:
        return (
            f"{where}, the runtimes of {join_words(list(row.cells))} differ by less than 1 %{but}."
        )
    times = f"{format_factor(row.ratio)} times as many images per second as"
    if len(row.cells) == 2:
        return f"{where}, {row.fastest} makes {times} {row.slowest}{but}."
    return (
        f"{where}, {row.fastest} is the fastest of {len(row.cells)} machines and makes {times} the "
        f"slowest, {row.slowest}{but}."
    )


def list_notes(machines: Machines) -> list[str]:
    """What a reader has to know of this table and of no other."""
    notes = [NO_VERDICT_NOTE, RATES_NOTE]
    if shared := list_shared(machines):
        notes.append(f"In every row: {'; '.join(shared)}.")
    if machines.chose:
        notes.append(_CHOSEN_NOTE)
    if left_out := list(_say_left_out(machines)):
        notes.append(f"Left out: {' and '.join(left_out)}.")
    return notes


def list_shared(machines: Machines) -> list[str]:
    """What differs between the machines in every row alike."""
    first, *others = (list(map(say_apart, row.apart)) for row in machines.rows)
    return [text for text in first if all(text in other for other in others)]


def say_row(row: MachinesRow) -> list[str]:
    """What differs between the machines of a row beside themselves, each in a few words."""
    outputs = (
        f"output of {machine} differs from that of {next(iter(row.cells))} by {distance:.1e}"
        for machine, distance in row.outputs.items()
    )
    return [*map(say_apart, row.apart), *outputs]


def say_ratio(row: MachinesRow) -> str:
    """``3.10x``."""
    return factor(row.ratio)


def say_apart(apart: Apart) -> str:
    """``PyTorch 2.11.0 on A100 and T4, 2.15.0 on H100``; ``PyTorch 2.11.0 and 2.15.0`` if the
    machines are called after it."""
    if all(f"{apart.what} {value}" in machine for machine, value in apart.on.items()):
        return f"{apart.what} {join_words(list(dict.fromkeys(apart.on.values())))}"
    machines: dict[str, list[str]] = defaultdict(list)
    for machine, value in apart.on.items():
        machines[value].append(machine)
    told = ", ".join(f"{value} on {join_words(names)}" for value, names in machines.items())
    return f"{apart.what} {told}"


def _preference(row: MachinesRow) -> tuple[Any, ...]:
    fastest_s = min(cell.typical_s for cell in row.cells.values())
    work = tuple(rank(axis, row.first[axis]) for axis in (*WORKLOAD_AXES, "batch_size"))
    return (row.is_doubtful, -len(row.cells), *work, fastest_s)


def _say_left_out(machines: Machines) -> Iterator[str]:
    for count, why in (
        (machines.num_missed, "whose attention kernels are not the ones named"),
        (machines.num_other_output, "whose output differs from the baseline's"),
    ):
        if count:
            yield f"{count} {'cell' if count == 1 else 'cells'} {why}"
