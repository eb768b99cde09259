"""What only a GPU can show: kernels, numbers, clock and memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sd_bench.config.schema import Config
from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import make_plan
from sd_bench.implementations.our_networks import build_networks
from sd_bench.implementations.ours import Ours
from sd_bench.implementations.precision import compute_dtype
from sd_bench.measurement.clock import timed_call, timed_iteration
from sd_bench.measurement.kernel_proof import CallCounts, FirstRun, judge, profile_call
from sd_bench.measurement.round import measure_round
from sd_bench.networks.attention import is_unet_attention
from sd_bench.networks.attention_probe import why_backend_fails
from sd_bench.paths import PACKAGE_DIR
from sd_bench.records import find_records, read_record
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import StageTimer
from tests.support.composition import Compose
from tests.support.runnable import why_no_second_process

pytestmark = pytest.mark.gpu

BACKENDS = ("original", "xformers", "math", "mem_efficient", "flash", "cudnn")
MODELS = ("sd1_tiny", "sd2_tiny")
#: The largest relative distance of outputs, by precision.
TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "autocast": 2e-2}


def skip_if_unsupported(config: Config, device: torch.device) -> None:
    """Skip with the reason that a record would give."""
    (planned,) = make_plan(
        [Cell(config=config, index=0, label="", folder=Path(), sweep_folder=Path())]
    )
    reason = planned.reason or why_backend_fails(
        config.attention, config.model_version.unet, device, compute_dtype(config, device)
    )
    if reason is not None:
        pytest.skip(f"unsupported: {reason}")


def unet_call(pipeline: Ours) -> Callable[[], Tensor]:
    """A call of only the UNet, with the cell's own first input; for ``pipeline.running()``."""
    batch = make_batch(pipeline.config, 0, pipeline.device)
    context = pipeline.encode_text(torch.cat([batch.negative_tokens, batch.tokens]))
    x = torch.cat([batch.latents, batch.latents])
    timesteps = torch.full((2,), 981, device=pipeline.device)
    return lambda: pipeline.predict(x, timesteps, context)


def output_of(config: Config, device: torch.device) -> Tensor:
    pipeline = Ours(config, device)
    with pipeline.running():
        return unet_call(pipeline)()


def profile_of(config: Config, device: torch.device) -> tuple[CallCounts, int]:
    """What ran in the UNet's second call, and how many attention modules it has."""
    pipeline = Ours(config, device)
    with pipeline.running():
        call = unet_call(pipeline)
        call()
        profile = profile_call(device, call)
    return profile, sum(map(is_unet_attention, pipeline.unet.modules()))


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("backend", [*BACKENDS[1:], "auto"])
def test_a_backend_computes_what_the_original_code_does(
    on_gpu: Compose,
    device: torch.device,
    backend: str,
    model: str,
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without TF32, which PyTorch uses for fp32 convolutions: its rounding hides differences."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    common = (f"model_version={model}", f"precision={precision}")
    config = on_gpu(*common, f"attention={backend}")
    skip_if_unsupported(config, device)
    output = output_of(config, device)
    reference = output_of(on_gpu(*common, "attention=original"), device)
    assert torch.isfinite(output).all()
    distance = (output - reference).norm() / reference.norm()
    assert distance < TOLERANCES[precision]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ran", BACKENDS)
def test_a_backend_proves_its_own_label_and_no_other(
    on_gpu: Compose, device: torch.device, ran: str, model: str
) -> None:
    common = (f"model_version={model}", "precision=fp16")
    config = on_gpu(*common, f"attention={ran}")
    skip_if_unsupported(config, device)
    profile, num_modules = profile_of(config, device)
    proofs = {
        label: judge(
            profile, on_gpu(*common, f"attention={label}").attention, num_modules, False, True
        )
        for label in BACKENDS
    }
    details = "; ".join(f"as {label}: {proof.detail}" for label, proof in proofs.items())
    assert {label for label, proof in proofs.items() if proof.proven} == {ran}, details
    assert proofs[ran].kernels, "the profiler has seen no kernel on the device"


def test_auto_is_proven_by_whatever_it_chose(on_gpu: Compose, device: torch.device) -> None:
    config = on_gpu("model_version=sd2_tiny", "precision=fp16", "attention=auto")
    profile, num_modules = profile_of(config, device)
    proof = judge(profile, config.attention, num_modules, compiled=False, has_sdpa=True)
    assert proof.proven, proof.detail


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("model", MODELS)
def test_random_weights_are_the_same_bits_as_on_the_cpu(
    on_gpu: Compose, device: torch.device, model: str, precision: str
) -> None:
    config = on_gpu(f"model_version={model}", f"precision={precision}", "attention=math")
    there = build_networks(config, device)
    here = build_networks(config, torch.device("cpu"))
    for network_there, network_here in zip(there, here, strict=True):
        expected = network_here.state_dict()
        for key, value in network_there.state_dict().items():
            assert value.is_cuda
            assert torch.equal(value.cpu(), expected[key]), key


def busy(device: torch.device) -> None:
    """Keep the device, not the CPU, busy: for 10 ms at 2 GHz."""
    with torch.cuda.device(device):
        torch.cuda._sleep(20_000_000)


def test_both_clocks_agree_and_the_parts_add_up(device: torch.device) -> None:
    def call(timer: StageTimer) -> None:
        busy(device)
        timer.stage("text_encode")
        for _ in range(3):
            busy(device)
            timer.step()
        timer.stage("denoise")
        busy(device)
        timer.stage("vae_decode")

    timed_iteration(device, call)  # the first one loads the kernel
    iteration, _ = timed_iteration(device, call)
    assert iteration.total_s > 0.02
    assert iteration.device_total_s == pytest.approx(iteration.total_s, rel=0.02, abs=1e-3)
    assert len(iteration.steps_s) == 3
    assert all(step_s > 0.004 for step_s in iteration.steps_s)
    assert sum(iteration.steps_s) == pytest.approx(iteration.denoise_s, abs=1e-4)
    assert iteration.stages_s is not None
    assert sum(iteration.stages_s) == pytest.approx(iteration.device_total_s, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.005, 0.05, 0.5])
def test_a_kernel_of_known_length_is_timed_to_one_percent(
    device: torch.device, seconds: float
) -> None:
    """The kernel spins for a number of device ticks; two events beside it give its length."""

    def spin() -> None:
        begin.record()
        torch.cuda._sleep(int(seconds * 2e9))
        end.record()

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    timed_call(device, spin)
    errors, lengths = [], []
    for _ in range(20):
        measured, _ = timed_call(device, spin)
        lengths.append(begin.elapsed_time(end) / 1e3)
        errors.append(measured - lengths[-1])
    length = statistics.median(lengths)
    assert statistics.median(errors) < (0.01 * length if length >= 0.05 else 2e-4)


def test_a_call_is_timed_until_the_device_has_done_it(device: torch.device) -> None:
    """Without waiting for the device the time would be microseconds."""
    timed_call(device, lambda: busy(device))
    seconds, _ = timed_call(device, lambda: busy(device))
    assert seconds > 0.004


def test_a_round_records_the_devices_memory_and_clock(
    on_gpu: Compose, device: torch.device
) -> None:
    config = on_gpu("model_version=sd2_tiny", "attention=math", "sampler.steps=4", "protocol=quick")
    measured = measure_round(config, device, 0.0, None, lambda phase: None)
    unet = build_networks(config, device)[1]
    least = sum(p.numel() * p.element_size() for p in unet.parameters())
    memory = measured.memory
    assert memory.device_peak_allocated_bytes is not None
    assert memory.device_peak_reserved_bytes is not None
    assert least < memory.device_peak_allocated_bytes <= memory.device_peak_reserved_bytes
    assert memory.notes == {}
    for iteration in measured.times.iterations:
        assert iteration.device_total_s == pytest.approx(iteration.total_s, rel=0.02, abs=1e-3)
        assert len(iteration.steps_s) == 4


def test_the_command_line_measures_a_cell_in_a_fresh_process(tmp_path: Path) -> None:
    if why := why_no_second_process():
        pytest.skip(why)
    command = [
        sys.executable, "-m", "sd_bench", "gpu=auto", "model_version=sd2_tiny", "attention=flash",
        "workload.height=128", "workload.width=128", "sampler.steps=4", "protocol=smoke",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    ]  # fmt: skip
    answer = subprocess.run(command, cwd=PACKAGE_DIR.parent, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (file,) = find_records(tmp_path)
    record = read_record(file)
    assert (record.status, record.reason) == ("ok", None)
    assert record.environment["device"]["kind"] == "cuda"
    assert record.environment["device"]["driver"]
    assert record.choices["precision"] == "autocast"
    assert record.kernel_proof is not None
    assert record.kernel_proof.proven
    assert record.times is not None
    assert record.times.iterations[0].device_total_s is not None
    assert record.output is not None
    assert len(record.output.image_files) == 1


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["math", "flash"])
def test_a_compiled_backend_is_proven_too(
    on_gpu: Compose, device: torch.device, backend: str
) -> None:
    """math goes first: a process reads once what its compiler may fuse, and flash allows it."""
    config = on_gpu("model_version=sd2_tiny", "compile=default", f"attention={backend}")
    profile, num_modules = profile_of(config, device)
    proof = judge(profile, config.attention, num_modules, compiled=True, has_sdpa=True)
    assert proof.proven, proof.detail
    assert proof.kernels


@pytest.mark.parametrize("precision", ["fp16", "autocast"])
def test_a_cuda_graph_computes_what_its_calls_do_and_is_proven(
    on_gpu: Compose, device: torch.device, precision: str
) -> None:
    common = ("model_version=sd2_tiny", f"precision={precision}", "attention=flash")
    plain = Ours(on_gpu(*common), device)
    first_run = FirstRun()
    graphed = Ours(on_gpu(*common, "optimizations.cuda_graph=true"), device, first_run)
    with plain.running(), graphed.running():
        call, replayed = unet_call(plain), unet_call(graphed)
        expected = call()
        assert torch.equal(replayed(), expected)
        counted = profile_call(device, replayed)
        assert torch.equal(replayed(), expected)
    assert not counted.fused, "a replay runs no operators"
    config = on_gpu(*common)
    num_modules = sum(map(is_unet_attention, plain.unet.modules()))
    proof = judge(first_run.profile, config.attention, num_modules, False, True)
    assert proof.proven, proof.detail
    with graphed.running():  # the casts of weights of the first time are gone
        assert torch.equal(unet_call(graphed)(), expected)
