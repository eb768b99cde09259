"""The row types of rounds, cells and environments: a field is a column of the table.

Seconds are floats, sizes are bytes; an unknown number is NaN.
"""

from __future__ import annotations

import math
from collections import Counter

from msgspec import field

from analysis.ingest.pictures import Picture
from analysis.rows import Row
from sd_bench.verdicts.axes import Choice
from sd_bench.verdicts.parity import Sketches
from sd_bench.verdicts.planned_looks import PlannedLooks
from sd_bench.verdicts.rounds import RoundKey


class Chosen(Row, kw_only=True):
    """The machine, the environment and the choices: one field per axis of `sd_bench`."""

    machine: str = ""
    env: str = ""
    gpu: str
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
    upcast: Choice
    seed: Choice
    prompt: Choice
    negative_prompt: Choice
    guidance_scale: Choice
    eta: Choice
    weights_seed: Choice


class Named(Chosen, kw_only=True):
    """The part of a row that its name needs, with the ``attention_dtype`` that it computed in."""

    attention_dtype: str = ""


class RoundRow(Chosen, kw_only=True):
    """A round. The measurements of an ``ok`` round are means over its timed iterations.

    ``sweep`` is the name of the sweep, ``sweep_folder`` its folder, which distinguishes it from
    others of the same name. ``planned`` are the looks planned for it. ``_flop`` are floating-point
    operations. ``ready_cold_s`` and ``ready_warm_s`` are the times for compiling and converting,
    with empty and with full caches. ``iteration_flags`` has one text per iteration, empty if
    nothing disturbed it, and is empty if nothing disturbed any iteration.
    """

    path: str
    sweep: str
    sweep_folder: str
    job: str
    cell_hash: str
    round: int
    status: str
    reason: str
    started_at: str
    runtime_s: float
    median_iteration_s: float = math.nan
    text_encode_s: float = math.nan
    denoise_s: float = math.nan
    vae_decode_s: float = math.nan
    step_s: float = math.nan
    first_call_s: float = math.nan
    peak_bytes: float = math.nan
    joules_per_image: float = math.nan
    unet_call_flop: float = math.nan
    iteration_flop: float = math.nan
    text_encode_flop: float = math.nan
    denoise_flop: float = math.nan
    vae_decode_flop: float = math.nan
    peak_flop_per_s: float = math.nan
    matmul_flop_per_s: float = math.nan
    bandwidth_byte_per_s: float = math.nan
    gpu_idle_percent: float = math.nan
    ready_cold_s: float = math.nan
    ready_warm_s: float = math.nan
    num_iterations: int = 0
    iterations_s: tuple[float, ...] = ()
    iteration_flags: tuple[str, ...] = ()
    compile_cache: str = ""
    memory_kind: str = ""
    profile: dict[str, float] | None = None
    warnings: tuple[str, ...] = ()
    num_warmup: int | None = None
    attention_dtype: str = ""
    counters: dict[str, float] | None = None
    kernel_proof: str
    proof_detail: str = ""
    latents_path: str | None = None
    sketches: Sketches = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    scaled: tuple[str, ...] = ()
    fingerprint: str
    torch: str
    python: str
    device: str
    commit: str
    worker_s: float = math.nan
    planned: PlannedLooks | None = None
    scale: str = ""
    device_name: str = ""
    env_number: int = 0
    peer_versions: str = ""


class CellRow(Chosen, kw_only=True):
    """A cell in one environment: means over its ``ok`` rounds, and what went wrong in the others.

    ``mean_s``, ``sd_s`` and the 95 % t interval ``ci_low_s`` to ``ci_high_s`` (NaN with fewer than
    two rounds) are over the ``value`` that a round counts as; ``typical_s`` is their geometric mean
    without disturbed rounds. ``runs`` has each value by (sweep's folder, round), ``stage_runs`` the
    same for each stage. ``images_per_s`` is at the mean, ``unet_calls_per_s`` in the denoising
    stage. ``drift_rounds`` and ``drift_iterations`` are the changes from first to last.
    """

    status: str
    reason: str
    full_reason: str
    rounds: int
    rounds_without_times: int
    mean_s: float
    sd_s: float
    ci_low_s: float
    ci_high_s: float
    typical_s: float = math.nan
    runs: dict[RoundKey, float]
    stage_runs: dict[str, dict[RoundKey, float]]
    planned: dict[RoundKey, PlannedLooks]
    worker_s: float
    counters: dict[RoundKey, dict[str, float]]
    images_per_s: float
    median_iteration_s: float
    text_encode_s: float
    denoise_s: float
    vae_decode_s: float
    step_s: float
    first_call_s: float
    peak_bytes: float
    joules_per_image: float
    unet_call_flop: float
    iteration_flop: float
    text_encode_flop: float
    denoise_flop: float
    vae_decode_flop: float
    peak_flop_per_s: float
    matmul_flop_per_s: float
    bandwidth_byte_per_s: float
    gpu_idle_percent: float
    ready_cold_s: float
    ready_warm_s: float
    unet_calls_per_s: float
    compile_cache: str
    memory_kind: str
    attention_dtype: str
    num_warmup: int | None
    profile: dict[str, float] | None
    drift_rounds: float
    drift_iterations: float
    throttled: int
    iteration_flags: Counter[str]
    warned: Counter[str]
    iterations: int
    disturbed_by: tuple[str, ...]
    warnings: tuple[str, ...]
    kernel_proof: str
    proof_detail: str
    latents_path: str | None
    latents_reason: str
    sketches: Sketches
    pictures: tuple[Picture, ...]
    scaled: tuple[str, ...]
    started_at: tuple[str, ...]
    sweeps: tuple[str, ...]
    scales: tuple[str, ...]
    sweep_folders: tuple[str, ...]
    device: str
    torch: str
    python: str
    fingerprint: str
    peer_versions: str
    device_name: str
    env_number: int
    cell_hash: str
    value: str
    tflop_per_s: float = math.nan
    text_encode_tflop_per_s: float = math.nan
    denoise_tflop_per_s: float = math.nan
    vae_decode_tflop_per_s: float = math.nan
    matmul_tflop_per_s: float = math.nan
    matmul_percent: float = math.nan
    peak_percent: float = math.nan
    series: str = ""

    @property
    def typical_iteration_s(self) -> float:
        """``typical_s`` for each timed iteration; for all of them if their number is unknown."""
        count = self.n_iter if isinstance(self.n_iter, int | float) else 0
        return self.typical_s / (count or 1)


class EnvironmentRow(Row, kw_only=True):
    """An environment, and its number of sweeps, cells and rounds."""

    env: str
    machine: str
    gpu: str
    device: str
    torch_env: str
    torch: str
    python: str
    commit: str
    sweeps: tuple[str, ...]
    cells: int
    rounds: int
    fingerprint: str
