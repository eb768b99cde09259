"""Profile one sampler step after everything is timed and proven (``profile=true``)."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from sd_bench.implementations.protocol import Implementation
from sd_bench.measurement.clock import synchronise
from sd_bench.measurement.kernel_classes import Step, read_step
from sd_bench.measurement.trace_events import ATTENTION_SCOPE, STEP_SCOPE
from sd_bench.records import Profile
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import guided

_NUM_KERNELS_KEPT = 10
#: The pause between the first kernels of a profiler session, which may get lost, and the step.
_LEAD_IN_S = 0.05
#: How often a step is profiled on a device before one with lost kernels is accepted.
_MOST_TRIES = 3
_COMPILED_NOTE = (
    "compiled: attention is recognised only by the names of operators and kernels; code that "
    "torch.compile generates for a CPU counts as other, and an attention's matrix product that a "
    "CUDA graph replays counts as a matrix product"
)
_IDLE_NOTE = (
    "the profiler slows each launch: where launches limit a step, idle is longer than when the "
    "step was timed (compare step_s with times.iterations.steps_s)"
)


def profile_step(implementation: Implementation, trace_file: Path) -> Profile:
    """Profile one step by class of work and save its trace, gzipped, as ``trace_file``.

    For use within ``implementation.running()``. The step is the second one, which makes one guided
    UNet call, or the first if there is no other. Raises OSError if the file cannot be written.
    """
    config = implementation.config
    compiled = config.compile.mode != "off"
    has_scopes = not compiled and not config.optimizations.cuda_graph
    on_device = implementation.device.type == "cuda"
    with attention_scopes(implementation.attention_modules if has_scopes else ()):
        step, trace, note = _profile_until_whole(
            lambda: _trace_step(implementation),
            lambda trace: read_step(json.loads(trace), on_device, not has_scopes),
        )
    trace_file.write_bytes(gzip.compress(trace, compresslevel=6))
    return Profile(
        trace_file=trace_file.name,
        step_s=step.seconds,
        seconds_by_class=step.by_class,
        kernels=dict(Counter(step.by_kernel).most_common(_NUM_KERNELS_KEPT)),
        notes={**notes_on(step, on_device, compiled), **note},
    )


def _profile_until_whole(
    profile_once: Callable[[], bytes], read: Callable[[bytes], Step]
) -> tuple[Step, bytes, dict[str, str]]:
    """Of up to ``_MOST_TRIES`` steps, the one that lost the fewest kernels, its trace, and notes.

    The trace does not say how many kernels a CUDA graph should replay, so a step with a graph
    counts as complete if a second try saw as many kernels and none saw more.
    """
    tries: list[tuple[Step, bytes]] = []
    for _ in range(_MOST_TRIES):
        trace = profile_once()
        tries.append((read(trace), trace))
        best = max(tries, key=lambda each: each[0].num_replayed - each[0].num_lost)
        replayed = [step.num_replayed for step, _ in tries]
        is_confirmed = not max(replayed) or replayed.count(max(replayed)) > 1
        if is_confirmed and not best[0].num_lost:
            break
    if is_confirmed:
        return *best, {}
    counts = ", ".join(map(str, replayed))
    note = f"the profiles saw different numbers of the graph's kernels ({counts}): some may be lost"
    return *best, {"graph_kernels": note}


def notes_on(step: Step, on_device: bool, compiled: bool) -> dict[str, str]:
    """Sentences that a reader of the step's classes must know, by subject."""
    notes = {}
    if compiled:
        notes["classes"] = _COMPILED_NOTE
    if on_device:
        notes["idle"] = _IDLE_NOTE
    if step.num_waits:
        notes["waits"] = (
            f"the host waited for a value {step.num_waits} times during the step: on a GPU it "
            "cannot launch kernels ahead while it waits"
        )
    if step.num_lost:
        notes["kernels"] = (
            f"the profiler lost {step.num_lost} of {step.num_launched} launched kernels: "
            "their time counts as idle"
        )
    if step.num_unjoined and on_device:
        notes["operators"] = (
            f"the trace does not say which operator launched {step.num_unjoined} of "
            f"{step.num_kernels} kernels: only their names give their class"
        )
    if step.num_replayed:
        notes["graph"] = (
            f"a CUDA graph replayed {step.num_replayed} of {step.num_kernels} kernels: "
            "only their names give their class"
        )
    return notes


@contextmanager
def attention_scopes(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put a scope into the profiler's trace around each call of these attention modules.

    Only for networks that are not compiled, because the hooks would cause recompilation.
    """
    scopes: list[Any] = []

    def enter(*_: object) -> None:
        scopes.append(record_function(ATTENTION_SCOPE))
        scopes[-1].__enter__()

    def leave(*_: object) -> None:
        scopes.pop().__exit__(None, None, None)

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_pre_hook(enter).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        yield


def _trace_step(implementation: Implementation) -> bytes:
    """The trace of one step, in Chrome's format."""
    activities = [ProfilerActivity.CPU]
    if implementation.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    profiler = profile(activities=activities)
    with ExitStack() as window:

        def begin(call: Callable[[], object]) -> None:
            synchronise(implementation.device)
            window.enter_context(profiler)
            if implementation.device.type == "cuda":
                call()
                synchronise(implementation.device)
                time.sleep(_LEAD_IN_S)
            window.enter_context(record_function(STEP_SCOPE))

        def end() -> None:
            synchronise(implementation.device)
            window.close()

        _run_one_step(implementation, begin, end)
    with tempfile.TemporaryDirectory(prefix="sd_bench-") as folder:
        file = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(file))
        return file.read_bytes()


def _run_one_step(
    implementation: Implementation,
    begin: Callable[[Callable[[], object]], None],
    end: Callable[[], None],
) -> None:
    """Run the sampler with its second step between ``begin`` and ``end``, and no UNet elsewhere.

    The first step is avoided because PLMS calls the UNet twice in it. ``begin`` is passed a
    function that makes one UNet call.
    """
    config, sampler = implementation.config, implementation.config.sampler
    batch = make_batch(config, 0, implementation.device, sampler.steps if sampler.eta > 0 else 0)
    context = implementation.encode_text(torch.cat([batch.negative_tokens, batch.tokens]))
    model = guided(implementation, context, config.workload.guidance_scale)
    chosen = min(1, sampler.steps - 1)
    step = 0

    def predict(x: Tensor, t: float) -> Tensor:
        return model(x, t) if step == chosen else x

    def on_step() -> None:
        nonlocal step
        if step == chosen:
            end()
        step += 1
        if step == chosen:
            begin(lead_in)

    def lead_in() -> Tensor:
        return model(batch.latents, max(implementation.sampler.timesteps))

    if chosen == 0:
        begin(lead_in)
    implementation.sampler(predict, batch.latents, on_step, iter(batch.noises).__next__)
