"""What a reader of a round's numbers should know: sentences for ``Record.warnings``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sd_bench.measurement.disturbances import busy_host
from sd_bench.records import Record

#: The host's and the device's clock may differ by this share of an iteration; more is a fault.
_CLOCKS_AGREE = 0.02
#: How many times as long as the slowest of the others the first timed iteration or step may take;
#: docs/measurement.md says what undisturbed rounds show.
_FIRST_ITERATION, _FIRST_STEP = 1.15, 1.25
#: An SM clock whose highest value exceeds its lowest by more than this factor is not locked.
_CLOCK_MOVES = 1.02
#: How many UNet calls the first step makes, for samplers that make more than one.
_CALLS_OF_FIRST_STEP = {"plms": 2}
#: Variables that make a library write, check or wait inside the timed calls, unless set to a _NO.
_CHATTY = (
    "ONEDNN_VERBOSE", "DNNL_VERBOSE", "MKL_VERBOSE", "TORCH_LOGS", "TORCH_TRACE",
    "TORCH_COMPILE_DEBUG", "TORCH_SHOW_DISPATCH_TRACE", "TORCH_CPP_LOG_LEVEL",
    "TORCH_DISTRIBUTED_DEBUG", "CUDA_LAUNCH_BLOCKING", "CUBLAS_LOGINFO_DBG", "CUBLASLT_LOG_LEVEL",
    "CUDNN_LOGINFO_DBG", "CUDNN_LOGLEVEL_DBG", "LD_DEBUG", "MALLOC_CHECK_", "MALLOC_PERTURB_",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
)  # fmt: skip
#: The first cuDNN, in PyTorch's numbering, whose attention is correct for any number of keys.
_SOUND_CUDNN = 91501
_NO = ("", "0", "none", "off", "error", "fatal")


def remarks(record: Record) -> list[str]:
    """One sentence for each thing that disturbed the round or that its times do not show."""
    return [
        *_of_environment(record),
        *_of_numbers(record),
        *_of_iterations(record),
        *_of_warmup(record),
        *_of_compilation(record),
        *_of_telemetry(record),
        *busy_host(record),
    ]


def _of_environment(record: Record) -> Iterator[str]:
    """Settings that slow down every round."""
    variables = record.environment.get("variables", {})
    slowing = [f"{n}={variables[n]}" for n in _CHATTY if variables.get(n, "").lower() not in _NO]
    if slowing:
        yield f"{', '.join(slowing)}: this slows a library down inside the timed calls"
    if switches := record.environment.get("python_switches"):
        listed = ", ".join(n if v is True else f"{n} {v}" for n, v in switches.items())
        yield f"Python is slowed down by its switches: {listed}"


def _of_numbers(record: Record) -> Iterator[str]:
    """Computations that differ from what the choices' names say, or may be wrong."""
    device, settings = (record.environment.get(n, {}) for n in ("device", "settings"))
    if record.choices.get("precision") == "fp32" and _has_tf32(device):
        names = {"cudnn_tf32": "convolutions", "matmul_tf32": "matrix products"}
        in_tf32 = [what for name, what in names.items() if settings.get(name)]
        if in_tf32:
            yield (
                f"precision=fp32 computed {' and '.join(in_tf32)} in TF32 (10 bits of mantissa), "
                "as PyTorch does on this GPU by default: the GPU's fp32 peak is not an upper "
                "bound for them"
            )
    version, proof = record.environment.get("cudnn"), record.kernel_proof
    operators = () if proof is None else proof.operators
    if version and version < _SOUND_CUDNN and any("cudnn_attention" in name for name in operators):
        yield (
            f"cuDNN {version} computed attention over 77 keys: before 9.15.1 it may read past the "
            "last key unless their number is a multiple of 128 (pytorch/pytorch#171627), so images "
            "may be wrong"
        )


def _has_tf32(device: dict[str, Any]) -> bool:
    major = str(device.get("compute_capability", "")).partition(".")[0]
    return device.get("kind") == "cuda" and major.isdigit() and int(major) >= 8


def _of_iterations(record: Record) -> Iterator[str]:
    iterations = record.times.iterations if record.times is not None else []
    for flag, count in Counter(flag for i in iterations for flag in i.flags).items():
        yield f"{flag}, in {count} of {len(iterations)} timed iterations"
    apart = [
        abs(i.device_total_s / i.total_s - 1) for i in iterations if i.device_total_s is not None
    ]
    if apart and max(apart) > _CLOCKS_AGREE:
        yield f"the device's clock and the host's differ by {max(apart):.1%}"


def _of_warmup(record: Record) -> Iterator[str]:
    """A warning if the round was still warming up.

    Nothing is concluded from a first iteration that was flagged as disturbed.
    """
    if record.times is None or not record.times.iterations or record.times.iterations[0].flags:
        return
    first, *others = record.times.iterations
    if others:
        what, ratio = "timed iteration", first.total_s / max(each.total_s for each in others)
        is_slow = ratio > _FIRST_ITERATION
    else:
        calls = _CALLS_OF_FIRST_STEP.get(str(record.choices.get("sampler")), 1)
        # the first warm-up call is always slow
        rest = first.steps_s[1:] or record.times.warmup_unet_calls_s[1:]
        if not first.steps_s or not rest:
            return
        what, ratio = "step, by UNet call,", first.steps_s[0] / calls / max(rest)
        is_slow = ratio > _FIRST_STEP
    if is_slow:
        yield (
            f"warm-up may not have ended: the first {what} took {ratio - 1:.0%} longer than any "
            "other (protocol.warmup and protocol.warmup_unet_calls lengthen it)"
        )


def _of_compilation(record: Record) -> Iterator[str]:
    done = record.compilation
    if done is not None and done.graph_breaks:
        yield f"torch.compile broke the network into parts: {done.graph_breaks} graph breaks"
    if done is not None and done.recompilations:
        yield f"torch.compile recompiled {done.recompilations} times"
    if done is not None and done.graph_breaks and done.given_up:
        yield f"torch.compile left {done.given_up} part(s) of the network eager"
    if done is not None and record.choices.get("precision") == "autocast":
        yield (
            "torch.compile under autocast casts every weight in every UNet call, eager casts each "
            "once: compare at precision=fp16 or bf16 for what compiling alone changes"
        )


def _of_telemetry(record: Record) -> Iterator[str]:
    if record.telemetry is None:
        return
    if lost := record.telemetry.notes.get("observer"):
        yield f"no telemetry: {lost}"
    clocks = [mhz for mhz in record.telemetry.series.get("sm_clock_mhz", []) if mhz]
    if clocks and max(clocks) > _CLOCK_MOVES * min(clocks):
        steady = f"{int(sorted(clocks)[len(clocks) // 4])}"
        uuid = record.environment.get("device_instance", {}).get("uuid") or "0"
        yield (
            "the GPU's clock is not locked; an administrator can lock it: nvidia-smi "
            f"--id={uuid} --lock-gpu-clocks={steady},{steady} (undone by --reset-gpu-clocks)"
        )
