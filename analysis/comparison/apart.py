"""What is not the same on all machines of a row, and may explain a ratio beside the machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analysis.comparison.rows import DeltaRow
from sd_bench.verdicts.environments import UNKNOWN

#: What a commit ends with whose files were changed: two of one name may differ.
_CHANGED = "(changed)"

#: What is told too where all machines have the same word for it that may stand for several things.
_NAMED = ("PyTorch", "commit")

_OURS = "sd_bench"


class Apart(NamedTuple):
    """``what`` is not known to be the same on all machines of a row, and what it is on each."""

    what: str
    on: dict[str, str]


def list_apart(cells: Mapping[str, DeltaRow], commits: Mapping[str, str]) -> Iterator[Apart]:
    """What is not known to be the same, of versions, code, warm-up and attention's precision."""
    first = next(iter(cells.values()))
    facts = {
        "PyTorch": _versions(cells),
        "commit": {machine: commits.get(cell.env, UNKNOWN) for machine, cell in cells.items()},
        "warm-up calls": {machine: _warmup(cell) for machine, cell in cells.items()},
        "attention inside": {m: cell.attention_dtype or UNKNOWN for m, cell in cells.items()},
    }
    if first.implementation != _OURS:
        facts |= _peers(cells)
    if not any(cell.attention_dtype for cell in cells.values()):
        del facts["attention inside"]
    for what, on in facts.items():
        values = set(on.values())
        if len(values) > 1 or (what in _NAMED and any(map(_may_hide, values))):
            yield Apart(what, on)


def _versions(cells: Mapping[str, DeltaRow]) -> dict[str, str]:
    """PyTorch on each machine, with its build where only that differs."""
    full = {machine: cell.torch for machine, cell in cells.items()}
    short = {machine: short_version(torch) for machine, torch in full.items()}
    return short if len(set(short.values())) == len(set(full.values())) else full


def _peers(cells: Mapping[str, DeltaRow]) -> dict[str, dict[str, str]]:
    """Each package behind an implementation, with its version on each machine."""
    versions = {
        machine: dict(text.partition(" ")[::2] for text in cell.peer_versions.split(", ") if text)
        for machine, cell in cells.items()
    }
    packages = dict.fromkeys(package for found in versions.values() for package in found)
    return {
        package: {machine: found.get(package, "none") for machine, found in versions.items()}
        for package in packages
    }


def _warmup(cell: DeltaRow) -> str:
    return UNKNOWN if cell.num_warmup is None else str(cell.num_warmup)


def _may_hide(value: str) -> bool:
    """Whether two of this value may still differ."""
    return UNKNOWN in value or _CHANGED in value


def short_version(torch: str) -> str:
    """A version of PyTorch without its build."""
    return torch.partition("+")[0]
