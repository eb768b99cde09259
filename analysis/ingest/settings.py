"""Facts on machine, versions and protocol from an environment's records, for a methods section.

Only what a record contains is a fact, and only what all records of an environment agree on is
reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.ingest.rows import RoundRow
from analysis.rows import make_rows
from sd_bench.records import RECORD_GLOB, Record, RecordError, read_record
from sd_bench.verdicts.axes import to_one_line

#: A fact's values over all records of an environment; ``None`` is the value of a record without it.
Values = frozenset[Any]
Settings = Mapping[str, Values]


def read_settings(rounds: pd.DataFrame) -> dict[str, Settings]:
    """The facts of each environment's measured rounds, by the environment's name.

    Runs of the published scripts have no records, so no facts. Neither do records that can no
    longer be read.
    """
    found: dict[str, dict[str, set[Any]]] = {}
    for row in make_rows(rounds, RoundRow):
        facts = found.setdefault(row.env, defaultdict(set))
        if row.status == "ok":
            for name, value in _facts(Path(row.path)):
                facts[name].add(value)
    return {env: {n: frozenset(v) for n, v in facts.items()} for env, facts in found.items()}


def only(settings: Settings, name: str) -> Any:
    """The value that all records of an environment share; ``None`` if there is none."""
    values = settings.get(name, frozenset())
    return next(iter(values)) if len(values) == 1 else None


def _facts(path: Path) -> Iterator[tuple[str, Any]]:
    if not fnmatch(path.name, RECORD_GLOB):
        return
    try:
        record = read_record(path)
    except RecordError:
        return
    for name, place in _IN_ENVIRONMENT.items():
        yield name, _plain(_inside(record.environment, place))
    for name, get in _OF_RECORD.items():
        yield name, get(record)


_IN_ENVIRONMENT = {
    "device": ("device", "name"),
    "device_kind": ("device", "kind"),
    "device_memory_bytes": ("device", "memory_bytes"),
    "driver": ("device", "driver"),
    "processor": ("processor", "name"),
    "cores": ("processor", "cores"),
    "memory_bytes": ("host", "memory_bytes"),
    "kernel": ("host", "kernel"),
    "threads": ("threads", "intra_op"),
    "python": ("python",),
    "torch": ("torch",),
    "cuda": ("cuda",),
    "sd_bench": ("packages", "sd_bench"),
    "commit": ("project", "git_commit"),
    "is_changed": ("project", "dirty"),
    "worker": ("worker", "kind"),
}

_OF_RECORD: dict[str, Callable[[Record], Any]] = {
    "num_iterations": lambda record: len(record.times.iterations) if record.times else None,
    "num_warmup": lambda record: len(record.times.warmup) if record.times else None,
    "num_warmup_calls": (
        lambda record: len(record.times.warmup_unet_calls_s) if record.times else None
    ),
    "order_seed": lambda record: _plain(_inside(record.config, ("protocol", "order_seed"))),
    "is_second_attempt": lambda record: record.first_attempt is not None,
}


def _inside(data: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _plain(value: Any) -> str | int | float | None:
    """A hashable value; anything else that a foreign record contains counts as unknown."""
    if isinstance(value, str):
        return to_one_line(value) or None
    return value if isinstance(value, int | float) else None
