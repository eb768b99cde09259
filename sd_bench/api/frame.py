"""Records as a pandas DataFrame."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sd_bench.records import Memory, Record, Times, record_path
from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.proofs import name_proof
from sd_bench.verdicts.rounds import read_round

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One round: what was chosen and what was measured. Unknown numbers are NaN.

    Times are in seconds: ``runtime_s`` is the sum of the timed iterations, ``median_iteration_s``
    their median, the three stages are means per iteration and ``step_s`` is the median sampler
    step. ``peak_bytes`` is the device's peak where it has its own memory, else the process's.
    ``path`` is the record's file, ``sweep_folder`` the folder of its sweep.
    """

    path: str
    sweep_folder: str
    cell_hash: str
    round: int
    position: int
    status: str
    reason: str
    gpu: Choice
    model_version: Choice
    preset: Choice
    implementation: Choice
    attention: Choice
    compile: Choice
    optimizations: Choice
    precision: Choice
    torch_env: Choice
    allocator: Choice
    threads: Choice
    sampler: Choice
    steps: Choice
    height: Choice
    width: Choice
    n_iter: Choice
    batch_size: Choice
    weights: Choice
    seed: Choice
    prompt: Choice
    runtime_s: float
    median_iteration_s: float
    text_encode_s: float
    denoise_s: float
    vae_decode_s: float
    step_s: float
    first_call_s: float
    images_per_s: float
    peak_bytes: float
    joules_per_image: float
    kernel_proof: str
    proof_detail: str
    device: str
    torch: str
    started_at: str
    fingerprint: str


_CHOICES = [field.name for field in fields(RecordRow) if field.type == "Choice"]


def frame_of(sweep_folder: Path | None, records: Iterable[Record]) -> pd.DataFrame:
    """A DataFrame with one `RecordRow` per record, in the order in which they were measured.

    It is empty if ``sweep_folder`` is None.
    """
    import pandas as pd

    ordered = sorted(records, key=lambda record: (record.round, record.position))
    rows = [asdict(_row(sweep_folder, record)) for record in ordered if sweep_folder is not None]
    names = [field.name for field in fields(RecordRow)]
    return pd.DataFrame(rows, columns=names)


def _row(sweep_folder: Path, record: Record) -> RecordRow:
    path = record_path(sweep_folder / record.job, record.round)
    found, proof = read_round(record, path), record.kernel_proof
    times = record.times if found.status == "ok" else None
    return RecordRow(
        path=found.path,
        sweep_folder=found.place.sweep_folder,
        cell_hash=found.cell_hash,
        round=found.number,
        position=record.position,
        status=found.status,
        reason=found.reason,
        **{name: found.choices.get(name) for name in _CHOICES},  # type: ignore[arg-type]
        runtime_s=found.runtime_s,
        **_times(times),
        images_per_s=_images(record) / found.runtime_s,
        peak_bytes=_peak(record.memory),
        joules_per_image=_known(None if record.energy is None else record.energy.joules_per_image),
        kernel_proof=name_proof(proof),
        proof_detail="" if proof is None else proof.detail,
        device=found.place.device,
        torch=found.place.torch,
        started_at=record.started_at,
        fingerprint=found.place.fingerprint,
    )


def _times(times: Times | None) -> dict[str, float]:
    iterations = [] if times is None else times.iterations
    first_call_s = None if times is None else times.first_call_s
    return {
        "median_iteration_s": _median([i.total_s for i in iterations]),
        **{
            stage: _mean([getattr(i, stage) for i in iterations])
            for stage in ("text_encode_s", "denoise_s", "vae_decode_s")
        },
        "step_s": _median([step for i in iterations for step in i.steps_s]),
        "first_call_s": _known(first_call_s),
    }


def _images(record: Record) -> float:
    """The number of images that the timed iterations made."""
    workload, protocol = record.config["workload"], record.config["protocol"]
    return float(workload["batch_size"] * protocol["n_iter"])


def _peak(memory: Memory | None) -> float:
    if memory is None:
        return math.nan
    device = memory.device_peak_allocated_bytes
    return _known(memory.process_peak_bytes if device is None else device)


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else math.nan


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan
