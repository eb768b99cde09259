"""Writes docs/glossary.md: words by their docstrings, columns and headings of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from analysis.comparison.flags import EXPLANATIONS
from analysis.glossary import GROUPS, HEADINGS
from benchmarks.docs.docstrings import define, find_file, read_docstring

_SCHEMA = "sd_bench.records.schema"
_CONFIG = "sd_bench.config.schema"

#: The docstring that defines each word.
WORDS: dict[str, str] = {
    "allocator": f"{_CONFIG}:AllocatorConfig",
    "answer": "sd_bench.verdicts.answers:Answer",
    "attention backend": "sd_bench.attention_backends:AttentionBackend",
    "baseline": "sd_bench.verdicts.baselines:Baseline",
    "cell": "sd_bench.execution.cell",
    "comparison": "sd_bench.verdicts.comparisons:Comparison",
    "compilation": f"{_SCHEMA}:Compilation",
    "conversion": f"{_SCHEMA}:Conversion",
    "disturbed round": "sd_bench.statistics.estimate:Disturbed",
    "drift": "sd_bench.statistics.drift",
    "efficiency": f"{_SCHEMA}:Efficiency",
    "energy": f"{_SCHEMA}:Energy",
    "environment": "sd_bench.verdicts.environments",
    "first attempt": f"{_SCHEMA}:FirstAttempt",
    "flag": "analysis.comparison.flags",
    "FLOPs": f"{_SCHEMA}:Flops",
    "history": "analysis.history",
    "implementation": "sd_bench.implementations.protocol:Implementation",
    "improvement": "sd_bench.verdicts.comparisons:improvement_percent",
    "iteration": f"{_SCHEMA}:Iteration",
    "kernel proof": f"{_SCHEMA}:KernelProof",
    "looks": f"{_SCHEMA}:Looks",
    "machine": "sd_bench.verdicts.environments",
    "matmul rate": f"{_SCHEMA}:MatmulRate",
    "optimizations": f"{_CONFIG}:OptimizationsConfig",
    "parity": "sd_bench.verdicts.parity",
    "plan": "sd_bench.execution.plan",
    "preset": f"{_CONFIG}:PresetConfig",
    "profile": f"{_SCHEMA}:Profile",
    "protocol": f"{_CONFIG}:ProtocolConfig",
    "record": "sd_bench.records",
    "robust mean": "sd_bench.statistics.robust_mean",
    "round": "sd_bench.measurement.round",
    "runtime": f"{_SCHEMA}:Times.runtime_s",
    "sampler": "sd_bench.sampling.sampler:Sampler",
    "scale": "sd_bench.config.scaling",
    "series": "analysis.series",
    "sketches": "sd_bench.measurement.sketches",
    "speed-up": "sd_bench.verdicts.comparisons:speedup",
    "stages": f"{_SCHEMA}:Iteration.stages_s",
    "step": "sd_bench.sampling.text_to_image:StageTimer.step",
    "sweep": "sd_bench.execution.sweep",
    "telemetry": f"{_SCHEMA}:Telemetry",
    "torch_env": f"{_CONFIG}:TorchEnvConfig",
    "threads": f"{_CONFIG}:ThreadsConfig",
    "UNet call": "sd_bench.sampling.text_to_image:Networks.predict",
    "verdict": "sd_bench.verdicts.judgement",
}

_HEAD = """\
# Glossary

<!-- Made by `python -m benchmarks.docs_pages` from the code's docstrings: change them there. -->

The meaning of each word here, and of each column of the tables. [How it is measured](\
measurement.md) and [the statistics](statistics.md) explain why.
"""
_COLUMNS = """\
`python -m analysis` writes tables as CSV in full precision. Without a unit a column is text, a
count or a ratio; without a formula it is as measured or as chosen; unknown values are empty. *t*
is the quantile of Student's t for a 95 % interval, with one degree of freedom fewer than rounds.
"""
_HEADINGS = """\
Tables for readers are rounded, and leave out columns that are the same for all rows. The heading
above the cells' names lists what varies (`attention, compile`).
"""


def write_glossary() -> str:
    """The text of the page."""
    words = [
        (word, define(word, read_docstring(reference)), _link(reference))
        for word, reference in sorted(WORDS.items(), key=lambda item: item[0].lower())
    ]
    headings = [
        (heading, meaning.text, ", ".join(f"`{c}`" for c in meaning.columns))
        for heading, meaning in HEADINGS.items()
    ]
    parts = [
        _HEAD,
        "## Words\n",
        *_table(("word", "meaning", "in the code"), words),
        "\n## Columns of the CSV files\n",
        _COLUMNS,
        *_columns(),
        "\n## Headings of the tables\n",
        _HEADINGS,
        *_table(("heading", "meaning", "columns of the CSV"), headings),
        "\n## Signs beside a number\n",
        *_table(("sign", "meaning"), EXPLANATIONS.items()),
    ]
    return "\n".join(parts) + "\n"


def _columns() -> Iterator[str]:
    for group, columns in GROUPS.items():
        rows = [
            (f"`{name}`", unit, text, f"`{formula}`" if formula else "")
            for name, (text, unit, formula) in columns.items()
        ]
        yield f"### {group}\n"
        yield from _table(("column", "unit", "meaning", "formula"), rows)
        yield ""


def _link(reference: str) -> str:
    path = find_file(reference).as_posix()
    name = reference.partition(":")[2] or reference.rpartition(".")[2]
    return f"[`{name}`](../{path})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield "| " + " | ".join(text.replace("|", "\\|") for text in row) + " |"
