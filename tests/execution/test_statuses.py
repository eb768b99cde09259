"""Each way in which a round can end without a result, produced for real."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sd_bench.capabilities.support_rules import has_cpp_compiler
from sd_bench.capabilities.torch_compat import HAS_COMPILE, TORCH_VERSION
from sd_bench.capabilities.torch_features import can
from sd_bench.execution.worker import blank_record, failed_record
from sd_bench.measurement.round import holds_constant_image
from tests.support.commands import SMOKE, TINY, Command, Inject, records
from tests.support.composition import Compose
from tests.support.runnable import needs_cpu_flash


@pytest.mark.slow
def test_memory_that_runs_out_is_oom(command: Command, inject: Inject, tmp_path: Path) -> None:
    inject(
        "import resource, torch\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "limit = used + 2**30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
    )
    done = command(
        *SMOKE, "attention=original", "batch_size=32", "workload.height=512", "workload.width=512"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (record,) = records(tmp_path)
    assert record.status == "oom", record.reason
    assert record.times is None


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ],
)
def test_memory_that_runs_out_in_a_library_of_cudas_is_oom(tiny: Compose, words: str) -> None:
    record = blank_record(tiny(), "sweep", "0", 0, 0)
    assert failed_record(record, RuntimeError(words)).status == "oom"
    out_of_registers = "out of resource: shared memory, Required: 180224, Hardware limit: 101376"
    assert failed_record(record, RuntimeError(out_of_registers)).status == "failed"


@pytest.mark.slow
def test_a_gpu_that_this_pytorch_has_no_kernels_for_is_unsupported(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    """If no dry run could know it: before anything is built, and not counted as a failure."""
    inject(
        "from sd_bench.capabilities import torch_compat\n"
        "torch_compat.why_no_kernels = lambda device: f'no kernels for {device}'\n"
    )
    done = command(*SMOKE, "attention=math")
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = records(tmp_path)
    assert (record.status, record.reason) == ("unsupported", "no kernels for cpu")
    assert record.environment["device"]["kind"] == "cpu", "it is no machine of its own"


@pytest.mark.slow
def test_where_not_even_the_device_can_be_asked_the_reason_is_kept(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(
        "from sd_bench.capabilities import torch_compat\n"
        "from sd_bench.measurement import environment_facts\n"
        "torch_compat.why_no_kernels = lambda device: f'no kernels for {device}'\n"
        "def ask(*_): raise RuntimeError('the driver is too old')\n"
        "environment_facts.describe_environment = ask\n"
    )
    assert command(*SMOKE, "attention=math").returncode == 0
    (record,) = records(tmp_path)
    assert (record.status, record.reason) == ("unsupported", "no kernels for cpu")


@pytest.mark.slow
def test_a_worker_that_dies_is_a_record_with_its_signal_and_its_last_words(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject("print('about to fall', flush=True)\nimport ctypes; ctypes.string_at(0)")
    assert command(*SMOKE, "attention=original").returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "crashed"
    assert record.failure is not None
    assert record.failure.signal == "SIGSEGV"
    assert "about to fall" in record.failure.detail


@pytest.mark.slow
def test_a_worker_ended_by_a_signal_without_a_name_stops_no_other_cell(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject("import os; os.kill(os.getpid(), 40)")
    assert command("-m", *SMOKE, "attention=original,math").returncode == 1
    assert [r.status for r in records(tmp_path)] == ["crashed", "crashed"]
    assert {r.failure.signal for r in records(tmp_path) if r.failure} == {"signal 40"}


@pytest.mark.slow
def test_a_dead_worker_is_noticed_even_if_its_child_holds_the_pipe(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); time.sleep(120); os._exit(0)\n"
        "os.abort()\n"
    )
    assert command(*SMOKE, "attention=original", timeout=100).returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "crashed"
    assert record.failure is not None
    assert record.failure.signal == "SIGABRT"


@pytest.mark.slow
def test_a_hanging_worker_is_ended_at_its_time_limit(
    command: Command, inject: Inject, worker: str, tmp_path: Path
) -> None:
    inject("import time\ntime.sleep(3600)")
    done = command(*SMOKE, worker, "attention=original", "protocol.time_limit_s=2", timeout=100)
    assert done.returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "timeout"
    assert "protocol.time_limit_s=2" in (record.reason or "")


@pytest.mark.slow
def test_an_image_of_nan_is_invalid_and_keeps_its_numbers(command: Command, tmp_path: Path) -> None:
    done = command(*TINY, "attention=original", "protocol=smoke", "workload.guidance_scale=1e38")
    assert done.returncode == 1, done.stdout + done.stderr
    (record,) = records(tmp_path)
    assert record.status == "invalid"
    assert "NaN or infinity" in (record.reason or "")
    assert record.times is not None
    assert record.runtime_s is None
    assert record.output is not None
    assert record.output.latents_mean is None


@pytest.mark.slow
def test_a_black_image_is_invalid(command: Command, inject: Inject, tmp_path: Path) -> None:
    inject(
        "from sd_bench.networks.autoencoder import Autoencoder\n"
        "decode = Autoencoder.decode\n"
        "Autoencoder.decode = lambda self, latents: decode(self, latents) * 0 - 1\n"
    )
    assert command(*SMOKE, "attention=original").returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "invalid"
    assert "single colour" in (record.reason or "")
    assert record.times is not None


@pytest.mark.slow
@needs_cpu_flash
def test_another_kernel_than_the_label_says_is_invalid(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(
        "from sd_bench.implementations import torch_networks\n"
        "real = torch_networks.sdpa_backends\n"
        "torch_networks.sdpa_backends = lambda allowed, *rest: real(('math',), *rest)\n"
    )
    assert command(*SMOKE, "attention=flash").returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "invalid"
    assert "kernel proof missed" in (record.reason or "")


@pytest.mark.slow
@pytest.mark.skipif(
    not can(TORCH_VERSION, "flex attention on a CPU") or not has_cpp_compiler(),
    reason="flex_attention on a CPU needs PyTorch 2.6 and g++",
)
def test_attention_that_is_compiled_is_unsupported_where_the_compiler_is_off(
    command: Command,
) -> None:
    arguments = (*SMOKE, "attention=flex", "dry_run=true")
    assert "unsupported" not in command(*arguments, COLUMNS="300").stdout
    told = command(*arguments, COLUMNS="300", TORCH_COMPILE_DISABLE="1").stdout
    assert "unsupported: attention=flex is compiled, and TORCH_COMPILE_DISABLE=1" in told
    assert "will be invalid" not in told


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILE or not has_cpp_compiler(), reason="needs torch.compile and g++")
def test_a_compiled_cell_that_compiled_nothing_is_invalid_and_keeps_its_numbers(
    command: Command, tmp_path: Path
) -> None:
    arguments = (*SMOKE, "attention=math", "compile=default")
    planned = command(*arguments, "dry_run=true", TORCH_COMPILE_DISABLE="1")
    told = "warning: TORCH_COMPILE_DISABLE=1 switches torch.compile off"
    assert told in planned.stdout
    done = command(*arguments, TORCHDYNAMO_DISABLE="1")
    assert done.returncode == 1
    (record,) = records(tmp_path)
    assert record.status == "invalid"
    assert record.reason == (
        "compile=default: 3 call(s) ran outside every graph of torch.compile "
        "(TORCHDYNAMO_DISABLE=1 switches torch.compile off)"
    )
    assert record.times is not None
    before, _, after = " ".join(done.stdout.split()).partition("round 0 ")
    assert "warning: TORCHDYNAMO_DISABLE=1 switches torch.compile off" in before
    assert "compile=default will be invalid" in before
    assert "ran outside every graph" in after


def test_only_an_image_of_one_colour_is_constant() -> None:
    noise = torch.rand(2, 3, 8, 8)
    assert not holds_constant_image(noise)
    one_black = noise.clone()
    one_black[1] = 0.0
    assert holds_constant_image(one_black)
    one_channel = torch.zeros(1, 3, 8, 8)
    one_channel[:, 2] = noise[0, 2]
    assert not holds_constant_image(one_channel)
    colour = torch.tensor([0.2, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert holds_constant_image(colour + 0.001 * noise[:1])


#: Makes the profiler of a step do something once everything is measured.
_IN_THE_PROFILER = """\
import sd_bench.measurement.step_profile as module
def fall(*_):
    {0}
module._trace_step = fall
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("import ctypes; ctypes.string_at(0)", "the worker was ended by SIGSEGV"),
        ("raise RuntimeError('CUPTI is busy')", "RuntimeError: CUPTI is busy"),
        ("import time; time.sleep(600)", "ran longer than protocol.time_limit_s=25"),
    ],
)
def test_what_profiling_does_to_a_worker_costs_no_measurement(
    command: Command, inject: Inject, tmp_path: Path, fault: str, words: str
) -> None:
    inject(_IN_THE_PROFILER.format(fault))
    done = command(*SMOKE, "attention=math", "profile=true", "+protocol.time_limit_s=25")
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = records(tmp_path)
    assert (record.status, record.reason, record.profile) == ("ok", None, None)
    assert record.runtime_s is not None
    assert record.output is not None
    (warning,) = (w for w in record.warnings if w.startswith("profile=true: no step profiled"))
    assert words in warning
