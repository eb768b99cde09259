"""What a record measured besides its runtime, as the columns of one round.

Each value is about the round alone: means over its timed iterations, medians over their steps. A
value that the record lacks is NaN, never a guess.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

from sd_bench.records import Iteration, Profile, Record, Times
from sd_bench.verdicts.attention_dtype import attention_dtype
from sd_bench.verdicts.axes import to_one_line

#: The columns that a cell averages over its rounds: seconds, bytes, joules, FLOP, FLOP/s, byte/s,
#: percent of a step.
NUMBERS = (
    *("median_iteration_s", "text_encode_s", "denoise_s", "vae_decode_s", "step_s", "first_call_s"),
    *("peak_bytes", "joules_per_image", "unet_call_flop", "iteration_flop"),
    *("text_encode_flop", "denoise_flop", "vae_decode_flop"),
    *("peak_flop_per_s", "matmul_flop_per_s", "bandwidth_byte_per_s", "gpu_idle_percent"),
    *("ready_cold_s", "ready_warm_s"),
)

#: The flag of a throttled iteration begins with this word.
THROTTLED_WORD = "throttled"

#: Separates the flags of an iteration.
BETWEEN_FLAGS = "; "

STAGES = ("text_encode_s", "denoise_s", "vae_decode_s")

#: The peak of a GPU that a precision is compared with; autocast computes in fp16.
_PEAK_OF = {"autocast": "fp16", "fp16": "fp16", "bf16": "bf16", "fp32": "fp32"}


def read_measures(record: Record) -> dict[str, Any]:
    """The columns of a round that its record has; `RoundRow` has the defaults of the others."""
    found: dict[str, Any] = {
        "attention_dtype": attention_dtype(record),
        "warnings": tuple(to_one_line(warning) for warning in record.warnings),
    }
    if record.status != "ok" or record.times is None or not record.times.iterations:
        return found
    return {
        **found,
        **_times(record.times),
        **_ready(record),
        **_memory(record),
        **_work(record),
        **_profile(record),
    }


def _ready(record: Record) -> dict[str, Any]:
    """Seconds for compiling and converting; "warm" if all of it was found in caches, else "cold".

    For a compiler it is the first UNet call, which includes the compilation.
    """
    times, conversion = record.times, record.conversion
    assert times is not None
    parts: list[tuple[str, float]] = []
    if conversion is not None:
        parts.append((conversion.cache, conversion.convert_s + conversion.compile_s))
    if times.compile_cache and times.first_call_s is not None:
        parts.append((times.compile_cache, times.first_call_s))
    if not parts:
        return {}
    is_warm = all(cache == "warm" for cache, _ in parts)
    return {f"ready_{'warm' if is_warm else 'cold'}_s": sum(seconds for _, seconds in parts)}


def _times(times: Times) -> dict[str, Any]:
    iterations = times.iterations
    steps = [step for iteration in iterations for step in iteration.steps_s]
    return {
        "median_iteration_s": statistics.median(i.total_s for i in iterations),
        **{stage: _mean_known([getattr(i, stage) for i in iterations]) for stage in STAGES},
        "step_s": statistics.median(steps) if steps else math.nan,
        "first_call_s": math.nan if times.first_call_s is None else times.first_call_s,
        "compile_cache": to_one_line(times.compile_cache or ""),
        "num_iterations": len(iterations),
        "num_warmup": len(times.warmup) + len(times.warmup_unet_calls_s),
        "iterations_s": tuple(i.total_s for i in iterations),
        "iteration_flags": _marks(iterations),
        "counters": _summed(iterations),
    }


def _summed(iterations: list[Iteration]) -> dict[str, float]:
    """The counters summed over all timed iterations, and ``total_s``, their seconds."""
    first, *others = (iteration.counters for iteration in iterations)
    common = [name for name in first if all(name in other for other in others)]
    total_s = math.fsum(iteration.total_s for iteration in iterations)
    sums = {name: math.fsum(i.counters[name] for i in iterations) for name in common}
    return {"total_s": total_s, **sums}


def _marks(iterations: list[Iteration]) -> tuple[str, ...]:
    """One text per iteration, empty if nothing disturbed it; no texts if none was disturbed."""
    if not any(i.flags for i in iterations):
        return ()
    return tuple(BETWEEN_FLAGS.join(to_one_line(flag) for flag in i.flags) for i in iterations)


def _memory(record: Record) -> dict[str, Any]:
    """The peak memory of the device if it was measured, else that of the process."""
    memory = record.memory
    if memory is None:
        return {}
    if memory.device_peak_allocated_bytes is not None:
        peak, kind = memory.device_peak_allocated_bytes, "allocated on the device"
    elif memory.process_peak_bytes is not None:
        peak, kind = memory.process_peak_bytes, "of the process"
    else:
        return {}
    return {"peak_bytes": float(peak), "memory_kind": kind}


def _work(record: Record) -> dict[str, Any]:
    """Counted operations, energy per image, matmul rate, and the peaks in the datasheet."""
    found: dict[str, Any] = {}
    if (flops := record.flops) is not None:
        found |= {
            "unet_call_flop": flops.unet_call,
            "iteration_flop": flops.iteration,
            "text_encode_flop": flops.text_encode,
            "vae_decode_flop": flops.vae_decode,
            "denoise_flop": flops.iteration - flops.text_encode - flops.vae_decode,
        }
    if record.matmul_rate is not None:
        found |= {"matmul_flop_per_s": record.matmul_rate.flop_per_s}
    if record.energy is not None and record.energy.joules_per_image is not None:
        found |= {"joules_per_image": record.energy.joules_per_image}
    gpu = record.config.get("gpu")
    if isinstance(gpu, dict):
        peaks = gpu.get("peak_tflops")
        peak_name = _PEAK_OF.get(str(record.choices.get("precision")))
        peak = peaks.get(peak_name) if isinstance(peaks, dict) else None
        found |= {
            "peak_flop_per_s": _positive(peak) * 1e12,
            "bandwidth_byte_per_s": _positive(gpu.get("bandwidth_gb_per_s")) * 1e9,
        }
    return found


def _positive(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < 1e9 else math.nan


def _profile(record: Record) -> dict[str, Any]:
    profile = record.profile
    if profile is None:
        return {}
    seconds = {to_one_line(name): seconds for name, seconds in profile.seconds_by_class.items()}
    return {"profile": seconds or None, "gpu_idle_percent": _gpu_idle_percent(record, profile)}


def _gpu_idle_percent(record: Record, profile: Profile) -> float:
    """The share of a step in which no kernel ran on the GPU; NaN on a CPU."""
    device = record.environment.get("device")
    on_gpu = isinstance(device, dict) and device.get("kind") == "cuda"
    idle_s = profile.seconds_by_class.get("idle")
    if not on_gpu or idle_s is None or not profile.step_s > 0:
        return math.nan
    return 100 * idle_s / profile.step_s


def _mean_known(values: list[float | None]) -> float:
    """The mean; NaN where any is not known."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else math.nan
