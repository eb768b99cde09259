"""How well a round used its device: achieved FLOP/s, beside the highest known rate."""

from __future__ import annotations

import statistics
from pathlib import Path

import torch
from msgspec import structs

from sd_bench.config.schema import Config
from sd_bench.implementations.precision import compute_dtype
from sd_bench.measurement.flops import count_flops
from sd_bench.measurement.matmul_rate import matmul_rate
from sd_bench.records import Efficiency, Flops, MatmulRate, Record, Times

#: Which of a GPU's peak rates each precision is compared with: autocast computes in fp16.
_PEAK_OF = {"autocast": "fp16", "fp16": "fp16", "bf16": "bf16", "fp32": "fp32"}


def with_efficiency(
    record: Record, config: Config, device: torch.device, sweep_folder: Path
) -> Record:
    """``record`` with an iteration's FLOPs, the machine's matmul rate, and the efficiency.

    Call it after everything is timed. The rate is measured once per environment, dtype and number
    of threads in a sweep, for as long as the timed iterations took, at most a second. Raises
    OSError if the folder cannot be written.
    """
    assert record.times is not None
    flops = count_flops(config, sweep_folder)
    rate = matmul_rate(
        device,
        compute_dtype(config, device),
        sweep_folder,
        "-".join([str(record.environment["fingerprint"]), *_threads(config)]),
        record.times.runtime_s,
    )
    peak_tflops = config.gpu.peak_tflops.get(_PEAK_OF[config.precision.name])
    achieved = None if flops is None else efficiency(flops, record.times, rate, peak_tflops)
    return structs.replace(record, flops=flops, matmul_rate=rate, efficiency=achieved)


def _threads(config: Config) -> list[str]:
    """The words of a chosen thread setting, because the matmul rate depends on it."""
    return [] if config.threads.name == "auto" else config.threads.name.split()


def efficiency(
    flops: Flops, times: Times, rate: MatmulRate | None, peak_tflops: float | None
) -> Efficiency:
    """FLOP/s of the iteration and of each stage, and their shares of the measured rate and peak."""
    iterations = times.iterations
    achieved = {"iteration": flops.iteration / statistics.median(i.total_s for i in iterations)}
    stages = [iteration.stages_s for iteration in iterations]
    known = [seconds for seconds in stages if seconds is not None]
    if len(known) == len(stages):
        denoise = flops.iteration - flops.text_encode - flops.vae_decode
        work = {"text_encode": flops.text_encode, "denoise": denoise}
        work["vae_decode"] = flops.vae_decode
        for (stage, flop), seconds in zip(work.items(), zip(*known, strict=True), strict=True):
            if any(seconds):  # a device's clock may be too coarse for the text encoder
                achieved[stage] = flop / statistics.fmean(seconds)
    return Efficiency(
        flop_per_s=achieved,
        share_of_matmul=_shares(achieved, None if rate is None else rate.flop_per_s),
        share_of_peak=_shares(achieved, None if peak_tflops is None else peak_tflops * 1e12),
    )


def _shares(achieved: dict[str, float], ceiling: float | None) -> dict[str, float]:
    if ceiling is None:
        return {}
    return {part: flop_per_s / ceiling for part, flop_per_s in achieved.items()}
