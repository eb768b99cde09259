"""The results of a call of run.py: one page of Markdown and a small archive."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook import Outcome
from steps import PRESET

from sd_bench.records import Record, find_records, read_record

_COLUMNS = (
    "sweep", "model", "batch", "implementation", "attention", "compile", PRESET, "status",
    "rounds", "runtime (s)", "images/s", "kernel proof", "detail", "reason",
)  # fmt: skip
_CHOICES = ("model_version", "batch_size", "implementation", "attention", "compile", PRESET)
#: Other files are kept too if they are no larger than this.
_BESIDE = ("*.log", "*-trace.json.gz", ".sd_bench")
_OF_A_SWEEP = ("sweep.json",)
_LARGEST_BYTES = 4 * 2**20


def summarise(folder: Path, facts: Mapping[str, str], outcomes: Mapping[str, Outcome]) -> str:
    """One page: machine and versions, the outcome of each step, failures, and a row per cell."""
    cells = [(sweep, cell) for sweep in outcomes for cell in _cells(folder / sweep)]
    environments = (record.environment for _, cell in cells for record in cell)
    measured_in = next(filter(None, environments), None)
    failures = [name for outcome in outcomes.values() for name in outcome.failures]
    parts = [
        "# A GPU measured",
        _table(("", ""), {**facts, **_describe(measured_in)}.items()),
        _table(("step", "outcome"), ((name, str(outcome)) for name, outcome in outcomes.items())),
        *(
            ["Failed tests:\n\n" + "\n".join(f"- `{name}`" for name in failures)]
            if failures
            else []
        ),
        "Runtime is the sum of a round's timed iterations, here the mean over its ok rounds; "
        "images/s is the batch size times the number of iterations over the runtime.",
        _table(_COLUMNS, (_row(sweep, cell) for sweep, cell in cells)),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(sweep: Path) -> Iterator[list[Record]]:
    """The records of each cell of a sweep."""
    for _, files in groupby(find_records(sweep), key=lambda file: file.parent):
        yield [read_record(file) for file in files]


def _describe(environment: Mapping[str, Any] | None) -> dict[str, str]:
    """Facts that only a worker knows: how PyTorch was built, and the commit that ran."""
    if environment is None:
        return {}
    return {
        "PyTorch": "{torch}, CUDA {cuda}, cuDNN {cudnn}".format(**environment),
        "commit": "{git_commit}, changed: {dirty}".format(**environment["project"]),
    }


def _row(sweep: str, records: list[Record]) -> list[str]:
    choices = records[0].choices
    runtimes = [r.runtime_s for r in records if r.runtime_s is not None]
    worst = next((r for r in records if r.status != "ok"), records[0])
    proofs = [r.kernel_proof for r in records if r.kernel_proof is not None]
    missed = next((p for p in proofs if not p.proven), None)
    proof = missed or (proofs[0] if proofs else None)
    images = choices["batch_size"] * choices["n_iter"]
    return [
        sweep,
        *(str(choices[name] or "") for name in _CHOICES),
        worst.status,
        str(len(runtimes)),
        f"{fmean(runtimes):.3f}" if runtimes else "",
        f"{images / fmean(runtimes):.3f}" if runtimes else "",
        "" if proof is None else "proven" if proof.proven else "MISSED",
        "" if proof is None else proof.detail,
        worst.reason or "",
    ]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escape, line))} |" for line in lines)


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pack(folder: Path, archive: Path, top: str) -> None:
    """Pack the files of ``folder`` worth keeping into ``archive``, below the folder ``top``."""
    temporary = archive.with_name(f".{archive.name}.tmp")
    with tarfile.open(temporary, "w:gz") as stream:
        for file in worth_keeping(folder):
            stream.add(file, arcname=f"{top}/{file.relative_to(folder)}")
    temporary.replace(archive)


def worth_keeping(folder: Path) -> Iterator[Path]:
    """Records, and small files that are useful or needed to continue.

    These are charts, tables, summary, logs, traces, and one latent tensor per cell.
    """
    yield from sorted(file for file in folder.glob("*") if file.is_file())
    yield from sorted(file for file in (folder / "analysis").rglob("*") if file.is_file())
    patterns = [f"*/{name}" for name in _OF_A_SWEEP] + [f"*/*/{name}" for name in _BESIDE]
    beside = {file for pattern in patterns for file in folder.glob(pattern)}
    yield from sorted(file for file in beside if file.stat().st_size <= _LARGEST_BYTES)
    for cell, files in groupby(find_records(folder), key=lambda file: file.parent):
        records = {file: read_record(file) for file in files}
        yield from records
        outputs = (record.output for record in records.values() if record.status == "ok")
        latents = (cell / o.latents_file for o in outputs if o and o.latents_file)
        yield from list(latents)[:1]
