"""One round: build, warm up, time the iterations, prove the kernel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sd_bench.capabilities.other_makers import OTHER_MAKERS, why_unprovable
from sd_bench.capabilities.torch_compat import HAS_SDPA
from sd_bench.config.schema import Config
from sd_bench.implementations.building import build
from sd_bench.implementations.protocol import Implementation
from sd_bench.measurement.clock import counted_from, timed_call, timed_iteration
from sd_bench.measurement.compilation import read_compilation
from sd_bench.measurement.kernel_proof import FirstRun, judge, profile_call, unprovable
from sd_bench.measurement.memory import read_memory, reset_device_peak
from sd_bench.measurement.printing import bytes_written, flag_printed
from sd_bench.measurement.sketches import sketch_stages
from sd_bench.measurement.step_profile import profile_step
from sd_bench.measurement.telemetry import RoundWatch, watching
from sd_bench.measurement.telemetry_summary import (
    energy_not_read,
    energy_record,
    telemetry_record,
    with_counters,
)
from sd_bench.measurement.unet_call import UNetCall
from sd_bench.records import (
    Compilation,
    Conversion,
    Energy,
    Iteration,
    KernelProof,
    Memory,
    Profile,
    Telemetry,
    Times,
)
from sd_bench.sampling.inputs import PIXELS_PER_LATENT, make_batch
from sd_bench.sampling.text_to_image import Images, StageTimer

#: Called with what the round is doing, always outside the timed region.
Report = Callable[[str], None]
#: UNet calls before a CUDA graph is replayed: one compiles and runs, one records.
_CALLS_BEFORE_REPLAY = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of one round; ``images`` are those of the first timed iteration.

    ``finite`` says whether the latents and pixels of all timed iterations are finite,
    ``constant`` whether any of their images is a single colour. ``stage_sketches`` are as in a
    record.
    """

    times: Times
    memory: Memory
    kernel_proof: KernelProof
    images: Images
    stage_sketches: dict[str, list[float]]
    finite: bool
    constant: bool
    compilation: Compilation | None
    conversion: Conversion | None
    telemetry: Telemetry | None
    energy: Energy | None
    profile: Profile | None


def measure_round(
    config: Config,
    device: torch.device,
    import_s: float,
    compile_cache: str | None,
    report: Report,
    trace_file: Path | None = None,
    keep: Callable[[Measured], None] = lambda measured: None,
    known_proof: KernelProof | None = None,
) -> Measured:
    """Measure one round of a cell in this process. ``import_s`` is passed on to the record.

    With ``known_proof``, from another round of the cell, the extra UNet call that proves the kernel
    is skipped; a proof that needs no extra call is still made. With ``trace_file`` one sampler step
    is profiled into that file after everything else. ``keep`` gets the results before the profiling
    starts, so that a failing profiler cannot lose them. No step is profiled where PyTorch's
    profiler does not see kernels.
    """
    with watching(device, config.telemetry) as watch:
        report("build")
        first_run = FirstRun() if _replays_a_graph(config) else None
        build_s, implementation = timed_call(device, lambda: build(config, device, first_run))
        reset_device_peak(device)
        with implementation.running():
            report("warm up")
            prepare_s, unet_call = timed_call(device, lambda: UNetCall(implementation))
            calls_s = [timed_call(device, unet_call)[0] for _ in range(_warmup_calls(config))]
            unet_call.keep_prediction()
            warmup = [_iterate(implementation, 0, None)[0] for _ in range(config.protocol.warmup)]
            timed = _time_iterations(implementation, watch, report)
            memory = read_memory(device)
            compiled = implementation.compiled_calls
            compilation = None if compiled is None else read_compilation(compiled)
            proof_s: float | None = None
            if known_proof is not None and first_run is None:
                proof = known_proof
            else:
                report("prove the kernel")
                proof_s, proof = _prove(implementation, unet_call, first_run)
            conversion = implementation.conversion
            if conversion is not None:
                build_s -= conversion.convert_s + conversion.compile_s
            times = Times(
                import_s=import_s,
                build_s=build_s,
                prepare_s=prepare_s,
                first_call_s=calls_s[0] if calls_s else None,
                compile_cache=compile_cache,
                warmup=counted_from(timed.begun_s, warmup),
                warmup_unet_calls_s=calls_s,
                iterations=counted_from(timed.begun_s, timed.iterations),
                proof_s=proof_s,
            )
            measured = Measured(
                times=times,
                memory=memory,
                kernel_proof=proof,
                images=timed.first_images,
                stage_sketches=_sketch_stages(unet_call, timed.first_images),
                finite=timed.finite,
                constant=timed.constant,
                compilation=compilation,
                conversion=conversion,
                telemetry=timed.telemetry,
                energy=timed.energy,
                profile=None,
            )
            if trace_file is None or implementation.unprovable is not None:
                return measured
            keep(measured)
            report("profile a step")
            return replace(measured, profile=profile_step(implementation, trace_file))


@dataclass(frozen=True, slots=True)
class _Timed:
    """The timed iterations, not yet relative to the round's start, and what was observed."""

    iterations: list[Iteration]
    first_images: Images
    finite: bool
    constant: bool
    telemetry: Telemetry | None
    energy: Energy | None

    @property
    def begun_s(self) -> float:
        begun_s = self.iterations[0].begun_s
        assert begun_s is not None
        return begun_s


def _time_iterations(implementation: Implementation, watch: RoundWatch, report: Report) -> _Timed:
    count = implementation.config.protocol.n_iter
    iterations, first_images, finite, constant = [], None, True, False
    written: list[bool] = []
    for index in range(count):
        report(f"timed iteration {index + 1} of {count}")
        iteration, images, has_written = _iterate(implementation, index, watch)
        iterations.append(iteration)
        written.append(has_written)
        first_images = first_images or images
        finite = finite and _is_finite(images)
        constant = constant or holds_constant_image(images.pixels)
    assert first_images is not None
    observed = watch.stop()
    if (maker := OTHER_MAKERS.get(implementation.config.gpu.kind)) is not None:
        notes = {**observed.notes, "joules": f"not read for {maker.gpus}"}
        observed = replace(observed, readings=[], notes=notes)
    iterations = flag_printed(with_counters(iterations, observed, implementation.device), written)
    if watch.observer is None:
        return _Timed(iterations, first_images, finite, constant, None, energy_not_read())
    energy = energy_record(
        iterations, observed, implementation.device, implementation.config.workload.batch_size
    )
    telemetry = telemetry_record(iterations, observed)
    return _Timed(iterations, first_images, finite, constant, telemetry, energy)


def _warmup_calls(config: Config) -> int:
    """The number of untimed UNet calls: enough that no timed one compiles or records a graph."""
    needed = int(config.calls_compiler)
    if _replays_a_graph(config):
        needed = _CALLS_BEFORE_REPLAY + 1
    return max(config.protocol.warmup_unet_calls, needed)


def _replays_a_graph(config: Config) -> bool:
    """Whether UNet calls replay a CUDA graph, which has kernels but no operators."""
    return config.compile.records_cuda_graphs or config.optimizations.cuda_graph


def _is_finite(images: Images) -> bool:
    return bool(images.latents.isfinite().all()) and bool(images.pixels.isfinite().all())


def holds_constant_image(pixels: torch.Tensor) -> bool:
    """Whether any image of ``pixels`` [B, 3, H, W] in 0..1 is a single colour.

    Values may differ by one of a PNG's 255 steps: rounding can do that to a constant image, and a
    real picture varies by more.
    """
    flat = pixels.float().flatten(2)  # [B, 3, HW]
    spread = (flat.amax(dim=2) - flat.amin(dim=2)).amax(dim=1)  # [B]
    return bool((spread <= 1 / 255).any())


def _iterate(
    implementation: Implementation, index: int, watch: RoundWatch | None
) -> tuple[Iteration, Images, bool]:
    """One iteration, its images, and whether its thread wrote anything, such as a log line."""
    config = implementation.config
    num_noises = config.sampler.steps if config.sampler.eta > 0 else 0
    batch = make_batch(config, index, implementation.device, num_noises)

    def call(timer: StageTimer) -> Images:
        return implementation.generate(batch, timer)

    with nullcontext() if watch is None else watch.counting():
        before = bytes_written()
        iteration, images = timed_iteration(implementation.device, call)
        has_written = bytes_written() != before
    return iteration, images, has_written


def _sketch_stages(unet_call: UNetCall, images: Images) -> dict[str, list[float]]:
    return sketch_stages(
        {
            "text_encode": unet_call.context,
            "unet_call": unet_call.prediction,
            "denoise": images.latents,
            "vae_decode": images.pixels,
        }
    )


def _prove(
    implementation: Implementation, call: Callable[[], torch.Tensor], first_run: FirstRun | None
) -> tuple[float, KernelProof]:
    """The seconds of the extra UNet call and the proof from it.

    No call is made where it would replay a graph (the proof is from the run that the graph was
    recorded from), nor where the profiler cannot see kernels.
    """
    attention = implementation.config.attention
    why = implementation.unprovable or why_unprovable(implementation.config.gpu.kind)
    if why is not None:
        return 0.0, unprovable(attention, why)
    if first_run is None:
        seconds, ran = timed_call(
            implementation.device, lambda: profile_call(implementation.device, call)
        )
    else:
        seconds, ran = 0.0, first_run.profile
    proof = judge(
        ran,
        attention,
        num_modules=len(implementation.attention_modules),
        compiled=implementation.config.compile.mode != "off",
        has_sdpa=HAS_SDPA,
        num_degenerate=_modules_with_one_query(implementation.config),
    )
    return seconds, proof


def _modules_with_one_query(config: Config) -> int:
    """The number of the middle block's attention modules if it has a single position, else 0."""
    unet = config.model_version.unet
    pixels = PIXELS_PER_LATENT * 2 ** (len(unet.channel_mult) - 1)
    positions = (config.workload.height // pixels) * (config.workload.width // pixels)
    return 2 * unet.transformer_depth if positions == 1 else 0
