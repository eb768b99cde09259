"""sd_bench: a benchmark of Stable Diffusion.

The public interface is the command ``python -m sd_bench``, the records that it writes, and the
names in ``__all__``: measuring and drawing, reading and comparing records, and the entry by which
another package adds an implementation. Everything else may change with any version. Each name is
imported when it is first used.

>>> import sd_bench
>>> images = sd_bench.generate("a cat", "model_version=sd2_tiny")
>>> rounds = sd_bench.run("batch_size=1,2", "attention=flash,math")

>>> from pathlib import Path
>>> from sd_bench import compare_cells, find_records, pool_records, read_record
>>> records = [read_record(path) for path in find_records(Path("multirun_outputs"))]
>>> comparisons = compare_cells(pool_records(records), "attention=math")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sd_bench.api.generate import generate
    from sd_bench.api.run import run
    from sd_bench.capabilities.implementations import Entry
    from sd_bench.errors import ConfigError
    from sd_bench.execution.sweep import SweepInterrupted
    from sd_bench.records import Record, RecordError, find_records, read_record
    from sd_bench.verdicts.cells import pool_records
    from sd_bench.verdicts.comparisons import Comparison, compare_cells
else:
    #: The module of each name, imported on first use: the command needs few of them.
    _PLACES = {
        "ConfigError": "sd_bench.errors",
        "Comparison": "sd_bench.verdicts.comparisons",
        "Entry": "sd_bench.capabilities.implementations",
        "Record": "sd_bench.records",
        "RecordError": "sd_bench.records",
        "SweepInterrupted": "sd_bench.execution.sweep",
        "compare_cells": "sd_bench.verdicts.comparisons",
        "find_records": "sd_bench.records",
        "generate": "sd_bench.api.generate",
        "pool_records": "sd_bench.verdicts.cells",
        "read_record": "sd_bench.records",
        "run": "sd_bench.api.run",
    }

    def __getattr__(name):
        from importlib import import_module

        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_PLACES[name]), name)


__all__ = [
    "Comparison", "ConfigError", "Entry", "Record", "RecordError", "SweepInterrupted",
    "compare_cells", "find_records", "generate", "pool_records", "read_record", "run",
]  # fmt: skip
