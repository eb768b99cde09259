"""Sample records: real Record objects, and whole sweeps of them on disk, for the tests.

The times are exact, so that a test can state results worked out by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from sd_bench.records import (
    SCHEMA_VERSION,
    Iteration,
    KernelProof,
    Memory,
    Output,
    Record,
    Status,
    Times,
    record_path,
    write_record,
)

#: The choices of the sample cell; pass others by name to `sample_record`.
CHOICES: dict[str, Any] = {
    "gpu": "cpu",
    "torch_env": "current",
    "model_version": "sd2",
    "attention": "flash",
    "compile": "off",
    "precision": "fp32",
    "batch_size": 1,
    "sampler": "plms",
    "steps": 4,
    "height": 128,
    "width": 128,
    "n_iter": 1,
    "preset": None,
    "weights": "random",
    "upcast": "default",
}

#: The choices that the published presets bundle.
PRESETS: dict[str, dict[str, Any]] = {
    "original_no_xformers": {"attention": "original", "torch_env": "original"},
    "original_xformers": {"attention": "xformers", "torch_env": "original"},
    "optimized_math": {"attention": "math", "torch_env": "optimized"},
    "optimized": {"attention": "auto", "torch_env": "optimized"},
    "optimized_compile": {
        "attention": "auto",
        "torch_env": "optimized",
        "compile": "default",
    },
}

SCALED = ("image 128x128 instead of 512x512 pixels", "4 sampler steps instead of 50")

LATENT_SHAPE = (4, 16, 16)


def sample_environment(
    fingerprint: str = "f00d", device: str = "AMD EPYC", torch: str = "2.15.0"
) -> dict[str, Any]:
    """An environment with everything that ``analysis`` reads."""
    return {
        "fingerprint": fingerprint,
        "torch": torch,
        "python": "3.11.7",
        "device": {"name": device, "kind": "cpu"},
        "project": {"git_commit": "0123456789abcdef", "dirty": False},
    }


def sample_times(*iterations_s: float) -> Times:
    """Times whose timed iterations take these numbers of seconds."""
    return Times(
        import_s=2.0,
        build_s=1.0,
        prepare_s=0.5,
        first_call_s=3.0,
        warmup=[_iteration(9.0)],
        warmup_unet_calls_s=[],
        iterations=[_iteration(seconds) for seconds in iterations_s],
    )


def sample_record(
    *iterations_s: float,
    status: Status = "ok",
    reason: str | None = None,
    round_index: int = 0,
    sweep: str = "2026-11-23/10-00-00",
    environment: Mapping[str, Any] | None = None,
    proven: bool | None = True,
    unprovable: str | None = None,
    stage_sketches: Mapping[str, list[float]] | None = None,
    latents_file: str | None = "latents-0.npy",
    scaled: Sequence[str] = (),
    started_at: str | None = None,
    cell_hash: str | None = None,
    config: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    **choices: Any,
) -> Record:
    """A record of one round; ``choices`` replace those of `CHOICES`.

    ``proven=None``: no proof; ``unprovable`` is a reason why its kernels cannot be observed.
    ``extra`` are further fields of the record, or replacements.
    """
    chosen = CHOICES | choices
    ok = status == "ok"
    record = Record(
        schema_version=SCHEMA_VERSION,
        status=status,
        reason=reason,
        cell_hash=cell_hash or sample_hash(chosen),
        choices=chosen,
        round=round_index,
        position=0,
        sweep=sweep,
        job=sample_job(chosen),
        started_at=started_at or f"2026-11-23T10:00:{round_index:02d}+00:00",
        config=dict(config or {}),
        scaled=list(scaled),
        environment=dict(sample_environment() if environment is None else environment),
        times=sample_times(*iterations_s) if ok else None,
        memory=Memory(
            process_peak_bytes=2_400_000_000,
            device_peak_allocated_bytes=None,
            device_peak_reserved_bytes=None,
        ),
        kernel_proof=_proof(str(chosen["attention"]), proven, unprovable) if ok else None,
        output=_output(latents_file, stage_sketches or {}) if ok else None,
    )
    return structs.replace(record, **(extra or {}))


def sample_hash(choices: Mapping[str, Any]) -> str:
    """A cell hash that follows the choices; the preset's name does not change a result."""
    parts = (f"{axis}-{value}" for axis, value in sorted(choices.items()))
    return "_".join(part for part in parts if not part.startswith("preset-"))


def sample_job(choices: Mapping[str, Any]) -> str:
    """A folder name for the cell of these choices."""
    return "-".join(str(value) for value in choices.values()).replace("/", "_")


def write_sample(root: Path, record: Record, latents: np.ndarray[Any, Any] | None = None) -> Path:
    """Write a record to its sweep's folder below ``root``, with its latents beside it."""
    job_dir = root / record.sweep / record.job
    job_dir.mkdir(parents=True, exist_ok=True)
    path = record_path(job_dir, record.round)
    write_record(path, record)
    if latents is not None and record.output is not None and record.output.latents_file:
        np.save(job_dir / record.output.latents_file, latents)
    return path


def sample_latents(batch_size: int = 1, change: float = 0.0) -> np.ndarray[Any, Any]:
    """Latents whose relative L2 distance from those with ``change=0`` is ``change``."""
    values = np.random.default_rng(1).standard_normal((batch_size, *LATENT_SHAPE))
    scaled: np.ndarray[Any, Any] = (values * (1 + change)).astype(np.float32)
    return scaled


def write_sweep(
    root: Path,
    seconds: Mapping[tuple[Any, ...], Sequence[float]],
    axes: Sequence[str] = ("batch_size", "attention"),
    changes: Mapping[tuple[Any, ...], float] | None = None,
    **fixed: Any,
) -> Path:
    """Write a sweep: for each cell (values of ``axes``) the runtime in seconds of each round.

    A value of the axis ``preset`` includes the choices of the preset. ``changes`` are the distances
    of a cell's latents from those of the others. Everything else goes to `sample_record`.
    """
    for cell, runtimes in seconds.items():
        values = dict(zip(axes, cell, strict=True))
        bundle = PRESETS.get(str(values.get("preset")), {})
        for round_index, runtime_s in enumerate(runtimes):
            record = sample_record(
                runtime_s, round_index=round_index, **{**fixed, **bundle, **values}
            )
            batch_size = record.choices["batch_size"]
            latents = sample_latents(batch_size, (changes or {}).get(cell, 0.0))
            write_sample(root, record, latents if round_index == 0 else None)
    return root


def write_main_sweep(root: Path) -> Path:
    """The main job's sweep on a CPU: batch sizes 1, 2, 4, flash and math, two rounds each."""
    seconds = {
        (batch_size, attention): [first * batch_size, (first + 0.2) * batch_size]
        for batch_size in (1, 2, 4)
        for attention, first in (("flash", 2.0), ("math", 2.5))
    }
    return write_sweep(root, seconds, scaled=SCALED)


def _iteration(total_s: float) -> Iteration:
    return Iteration(
        total_s=total_s,
        text_encode_s=0.1 * total_s,
        denoise_s=0.8 * total_s,
        vae_decode_s=0.1 * total_s,
        steps_s=[0.2 * total_s] * 4,
    )


def _proof(attention: str, proven: bool | None, unprovable: str | None) -> KernelProof | None:
    if unprovable is not None:
        return KernelProof(
            expected=attention,
            proven=False,
            detail=unprovable,
            num_attention_modules=0,
            operators={},
            kernels={},
            unprovable=unprovable,
        )
    if proven is None:
        return None
    return KernelProof(
        expected=attention,
        proven=proven,
        detail="32 of 32 attention modules" if proven else "found 0 of 32",
        num_attention_modules=32,
        operators={},
        kernels={},
    )


def _output(latents_file: str | None, stage_sketches: Mapping[str, list[float]]) -> Output:
    return Output(
        latents_file=latents_file,
        latents_sha256="",
        image_files=[],
        image_seeds=[1],
        prompts=["A photo"],
        latents_mean=0.0,
        latents_std=1.0,
        stage_sketches=dict(stage_sketches),
    )
