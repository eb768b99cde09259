"""Tables and lines about a sweep's groups: before they are submitted, and while their jobs run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console

from sd_bench.cluster.groups import Group
from sd_bench.cluster.status import GroupStatus, SweepStatus
from sd_bench.config.budget import budget_s
from sd_bench.execution.plan import PlannedCell
from sd_bench.execution.time_estimate import Estimate
from sd_bench.screens.lines import print_line
from sd_bench.screens.tables import ScreenTable, print_unbroken

_HOUR_S = 3600
_MOST_PARAMETER_LINES = 20
_MOST_NAMES = 4
_STYLES = {"done": "green", "failed": "red", "running": "cyan"}


def show_groups(
    console: Console,
    groups: Sequence[Group],
    plan: Sequence[PlannedCell],
    done: Mapping[str, int],
    estimates: Sequence[Estimate | None],
    parameters: Mapping[str, Mapping[str, object]],
    what: str,
) -> None:
    """Print the groups of a dry run.

    ``done`` is the number of records so far by group, ``estimates`` has one round's time for each
    cell, ``parameters`` are those of each group's job, and ``what`` submits it, as in ``sbatch``.
    """
    rows, total = [], 0
    for group in groups:
        cells = [plan[index] for index in group.indices]
        rounds = [_least_rounds(planned) for planned in cells]
        left = max(0, sum(rounds) * group.nodes - done.get(group.name, 0))
        total += left
        is_open = any(planned.rounds is None for planned in cells)
        rows.append(
            [
                group.name,
                str(len(cells)),
                f"{sum(rounds)}{' or more' if is_open else ''}",
                str(done.get(group.name, 0)),
                str(sum(planned.reason is not None for planned in cells)),
                str(group.nodes),
                _hours(group, cells, rounds, left, [estimates[i] for i in group.indices]),
            ]
        )
    headings = ("group", "cells", "rounds", "done", "unsupported", "nodes", "GPU hours")
    numeric = frozenset(("cells", "done", "unsupported", "nodes"))
    print_unbroken(ScreenTable(headings=headings, rows=rows, numeric=numeric), console)
    for group in groups[:_MOST_PARAMETER_LINES]:
        print_line(console, f"{group.name}: {what}", _shown(parameters[group.name]))
    if len(groups) > _MOST_PARAMETER_LINES:
        print_line(console, f"and {len(groups) - _MOST_PARAMETER_LINES} more groups like these")
    for line in _unsupported(groups, plan):
        print_line(console, line)
    for line in _apart(groups):
        print_line(console, line)
    print_line(console, f"{total} round(s) to run, in {len(groups)} group(s)")


def status_table(status: SweepStatus) -> ScreenTable:
    """A table with a row per group and node, and one for the sums."""
    counted = ("cells", "done", "running", "pending", "failed")
    headings = ("group", "is", *counted, "job", "state", "node", "reason")
    rows = [_status_row(each, counted) for each in status.groups]
    if len(rows) > 1:
        sums = [str(sum(getattr(each, name) for each in status.groups)) for name in counted]
        rows.append(["all", "", *sums, "", "", "", ""])
    return ScreenTable(headings=headings, rows=rows, numeric=frozenset(counted), styles=_STYLES)


def _status_row(each: GroupStatus, counted: Sequence[str]) -> list[str]:
    numbers = [str(getattr(each, name)) for name in counted]
    return [
        each.group, each.word, *numbers, each.job or "-", each.state or "-", each.node or "-",
        each.reason,
    ]  # fmt: skip


def _least_rounds(planned: PlannedCell) -> int:
    return planned.rounds or planned.cell.config.protocol.min_rounds


def _hours(
    group: Group,
    cells: Sequence[PlannedCell],
    rounds: Sequence[int],
    left: int,
    estimates: Sequence[Estimate | None],
) -> str:
    """The GPU hours of the remaining rounds, estimated from earlier records, and their limit."""
    if group.kind == "cpu" and group.scheduling.gres is None:
        return "no GPU"
    limit_s = budget_s(cells[0].cell.config.protocol)
    is_open = any(planned.rounds is None for planned in cells)
    most = (
        f"at most {limit_s * group.nodes / _HOUR_S:.2f} (protocol.budget)"
        if limit_s is not None and is_open
        else ""
    )
    runs = [
        (count, estimate)
        for planned, count, estimate in zip(cells, rounds, estimates, strict=True)
        if planned.reason is None
    ]
    if any(estimate is None for _, estimate in runs):
        return ", ".join(filter(None, ("no estimate", most)))
    all_s = sum(count * estimate.seconds for count, estimate in runs if estimate is not None)
    share = left / max(1, sum(rounds) * group.nodes)
    hours = f"{all_s * group.nodes * share / _HOUR_S:.2f}"
    return ", ".join(filter(None, (f"{hours}{' or more' if is_open else ''}", most)))


def _shown(parameters: Mapping[str, object]) -> str:
    """The parameters as a command's flags, with shell lines after them."""
    flags = []
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flags += [_flag(str(key), inner) for key, inner in value.items()]
        elif not isinstance(value, list):
            flags.append(_flag(name, value))
    lists = [f"{name}: {'; '.join(v)}" for name, v in parameters.items() if isinstance(v, list)]
    return "  ".join([" ".join(flags), *lists])


def _flag(name: str, value: object) -> str:
    name = f"--{name.replace('_', '-')}"
    return name if value is True else f"{name}={value}"


def _unsupported(groups: Sequence[Group], plan: Sequence[PlannedCell]) -> list[str]:
    """A line per reason for unsupported cells, with the groups that it applies to."""
    names: dict[str, list[str]] = {}
    cells: Counter[str] = Counter()
    for group in groups:
        reasons = [r for index in group.indices if (r := plan[index].reason) is not None]
        cells.update(reasons)
        for reason in dict.fromkeys(reasons):
            names.setdefault(reason, []).append(group.name)
    return [
        f"unsupported on {_few(names[reason])}: {reason} ({count} cell{'' if count == 1 else 's'})"
        for reason, count in cells.items()
    ]


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _apart(groups: Sequence[Group]) -> list[str]:
    """A note if the PyTorch versions of one GPU are in separate jobs."""
    envs: dict[str, set[tuple[str, ...]]] = {}
    for group in groups:
        envs.setdefault(group.gpu, set()).add(group.torch_envs)
    names = [gpu for gpu, of_gpu in envs.items() if len(of_gpu) > 1]
    if not names:
        return []
    return [
        f"the PyTorch versions of {', '.join(names)} run in separate jobs, perhaps on different "
        "nodes: hydra.launcher.group_by=[gpu] interleaves their rounds on one node"
    ]
