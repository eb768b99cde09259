"""The launcher, end to end with real processes: records, order, failures of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.support_rules import unsupported_reason
from sd_bench.capabilities.torch_compat import HAS_FLOP_COUNTER
from sd_bench.command_lines import shown
from sd_bench.environments.interpreter import find_interpreter, host_of
from sd_bench.paths import folder_argument
from sd_bench.records import find_records
from tests.support.commands import REPOSITORY, TINY, Command, records
from tests.support.composition import QUICK_TO_COMPILE


@pytest.mark.slow
def test_a_matrix_leaves_one_record_a_cell_and_round(command: Command, tmp_path: Path) -> None:
    time_file = tmp_path / "times.txt"
    done = command(
        "-m", *TINY, "batch_size=1,2", "attention=original,math", f"time_file={time_file}",
        "protocol.n_iter=2", "protocol.rounds=2", "verbose=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = records(tmp_path)
    keys = [(r.choices["batch_size"], r.choices["attention"], r.round) for r in found]
    expected = {(b, a, r) for b in (1, 2) for a in ("original", "math") for r in (0, 1)}
    assert len(keys) == 8
    assert set(keys) == expected
    assert sorted(r.position for r in found) == list(range(8))
    assert all(r.status == "ok" and r.kernel_proof and r.kernel_proof.proven for r in found)
    assert len({r.cell_hash for r in found}) == 4
    assert len({r.environment["fingerprint"] for r in found}) == 1
    runtimes = sorted(r.runtime_s for r in found if r.runtime_s is not None)
    assert sorted(float(line) for line in time_file.read_text().split()) == runtimes
    for record in found:
        times = record.times
        assert times is not None
        assert times.worker_s is not None
        assert times.worker_s > times.import_s + times.build_s + times.runtime_s
        assert record.telemetry is not None
        assert all(i.counters for i in times.iterations)
        assert (record.flops is not None) == (record.round == 0 and HAS_FLOP_COUNTER)
        folder = tmp_path / "sweep" / record.job
        assert record.output is not None
        assert len(record.output.image_files) == record.choices["batch_size"]
        assert all((folder / name).exists() for name in record.output.image_files)
    # the same seed: every attention gives the same picture, every round the same bits
    digests = {(r.cell_hash, r.output.latents_sha256) for r in found if r.output is not None}
    assert len(digests) == 4
    assert "proven" in done.stdout
    assert "s per round)" in done.stdout.splitlines()[-1]  # what the launcher itself cost
    assert done.stdout.count("scaled down:") == 1
    assert "4 sampler steps instead of 50" in done.stdout
    images = next(line for line in done.stdout.splitlines() if line.startswith("Images ("))
    assert "the first:" in images
    assert "round-0-image-0.png" in done.stdout
    assert done.stdout.count("round 0 ") == done.stdout.count("round 1 ") == 4


def test_rounds_are_interleaved_and_shuffled_by_the_recorded_seed(tmp_path: Path) -> None:
    from sd_bench.config.schema import Config
    from sd_bench.execution.cell import Cell
    from sd_bench.execution.plan import PlannedCell
    from sd_bench.execution.schedule import shuffle_round

    def order(plan: list[PlannedCell]) -> list[list[int]]:
        return [shuffle_round(plan, r, range(6 if r == 0 else 5)) for r in range(3)]

    def planned(seed: int) -> list[PlannedCell]:
        config = Config()
        config.protocol.rounds, config.protocol.order_seed = 3, seed
        cells = [
            Cell(config=config, index=i, label="", folder=tmp_path, sweep_folder=tmp_path)
            for i in range(6)
        ]
        unsupported = PlannedCell(cell=cells[5], interpreter=None, reason="cannot")
        return [
            *(PlannedCell(cell=c, interpreter=None, reason=None) for c in cells[:5]),
            unsupported,
        ]

    first = order(planned(0))
    assert [sorted(of_round) for of_round in first] == [list(range(n)) for n in (6, 5, 5)]
    assert first == order(planned(0))
    assert first != order(planned(1))
    assert first[1] != first[2]


@pytest.mark.slow
def test_unsupported_cells_are_records_with_a_reason_and_no_failure(
    command: Command, tmp_path: Path
) -> None:
    done = command("-m", *TINY, "attention=xformers,cudnn,original", "protocol=smoke")
    assert done.returncode == 0, done.stderr
    by_attention = {r.choices["attention"]: r for r in records(tmp_path)}
    assert by_attention["original"].status == "ok"
    for attention in ("xformers", "cudnn"):
        assert by_attention[attention].status == "unsupported"
        assert by_attention[attention].times is None
        assert by_attention[attention].reason
        assert f"{by_attention[attention].reason}" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_failing_cell_is_a_record_and_stops_no_other(command: Command, tmp_path: Path) -> None:
    """A latent of this size asks for far more memory than there is."""
    done = command(
        "-m", *TINY, "attention=original", "protocol=smoke",
        "workload.height=64,1099511627776", "sampler.steps=1",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    by_height = {r.choices["height"]: r for r in records(tmp_path)}
    assert by_height[64].status == "ok"
    failed = by_height[1099511627776]
    assert failed.status == "oom"
    assert failed.failure is not None
    assert failed.times is None


def processes_that_inherited(mark: str) -> list[str]:
    """The processes whose environment holds ``mark``."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it may have ended, or be another user's
            if mark.encode() in environment.read_bytes():
                found.append(environment.parent.name)
    return found


def running_sweep(tmp_path: Path, worker: str) -> subprocess.Popen[str]:
    """A sweep in tmp_path/sweep that has begun its second round; its path marks its processes."""
    sweep = tmp_path / "sweep"
    process = subprocess.Popen(
        [sys.executable, "-m", "sd_bench", *TINY, worker, "attention=original", "protocol=smoke",
         "protocol.rounds=50", f"hydra.sweep.dir={sweep}"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "SD_BENCH_TEST": str(tmp_path)},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (sweep / "0" / "round-0.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    assert len(processes_that_inherited(str(tmp_path))) >= 2  # the launcher and its worker
    return process


@pytest.mark.slow
def test_a_terminated_sweep_ends_its_worker_and_keeps_what_is_done(
    worker: str, tmp_path: Path
) -> None:
    process = running_sweep(tmp_path, worker)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "records of finished rounds are kept" in said
    assert said.count("\n") == 1
    going_on = shown("sd_bench", "resume=true", folder_argument(tmp_path / "sweep"))
    assert said.endswith(f"{going_on}\n")
    assert "Traceback" not in said
    kept = records(tmp_path)
    assert kept
    assert all(record.status == "ok" for record in kept)
    assert processes_that_inherited(str(tmp_path)) == []


@pytest.mark.slow
def test_nothing_outlives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    """Not the server, not its forks, and not the telemetry."""
    process = running_sweep(tmp_path, "protocol.worker=fork")
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while processes_that_inherited(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_that_inherited(str(tmp_path)) == []


@pytest.mark.slow
def test_a_plan_runs_nothing_and_leaves_nothing(command: Command, tmp_path: Path) -> None:
    done = command(
        "-m", "dry_run=true", "gpu=cpu", "attention=original,mem_efficient", "batch_size=1,2"
    )
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert words.count("unsupported: ") == 2
    assert "attention=original batch_size=2" in words
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_a_folder_that_holds_records_is_never_written_over(
    command: Command, tmp_path: Path
) -> None:
    arguments = (*TINY, "attention=original", "protocol=smoke")
    assert command(*arguments).returncode == 0
    before = {p: p.read_bytes() for p in find_records(tmp_path / "sweep")}
    again = command(*arguments)
    assert again.returncode == 2
    assert "already holds another sweep; name another folder" in again.stderr
    assert {p: p.read_bytes() for p in find_records(tmp_path / "sweep")} == before


def _expected(torch_env: str) -> str:
    """``ok`` if this machine has such an environment that can autocast on a CPU."""
    found = find_interpreter(compose_config(f"torch_env={torch_env}").torch_env)
    if isinstance(found, str):
        return "unsupported"
    config = compose_config("gpu=cpu", "attention=math", "precision=autocast")
    return "ok" if unsupported_reason(config, host_of(config, found)) is None else "unsupported"


@pytest.mark.slow
def test_the_five_published_commands_run(command: Command, tmp_path: Path) -> None:
    """Each as docs/published_commands.md maps it, on tiny networks. What this PyTorch or this
    device cannot run is declared; the original code's twin runs on PyTorch 2.

    They run in a folder whose name a C++ compiler and a shell want quoted: the compiled one too.
    """
    folder, temporary = tmp_path / "sweep" / "it's a $weep é", tmp_path / "temporary"
    temporary.mkdir()
    names = "original_no_xformers,original,optimized_math,optimized,optimized_compile"
    done = command(
        "-m", f"preset={names},original_no_xformers_pt2", "gpu=cpu", "protocol=smoke",
        "model_version=sd2_tiny", "workload.height=64", "workload.width=64", "sampler.steps=2",
        *QUICK_TO_COMPILE, f'hydra.sweep.dir="{folder}"', TMPDIR=str(temporary),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{shown('analysis', str(folder))}\n" in done.stdout
    status = {r.choices["preset"]: r.status for r in records(tmp_path)}
    on_1, on_2 = _expected("original"), _expected("optimized")
    assert status == {
        "original_no_xformers": on_1,
        "original_xformers": "unsupported",  # xFormers needs CUDA
        "optimized_math": on_2,
        "optimized": on_2,
        "optimized_compile": on_2,
        "original_no_xformers_pt2": on_2,
    }
    configs = {r.choices["preset"]: r.config for r in records(tmp_path)}
    assert configs["original_no_xformers"]["attention"]["upcast"] is True
    assert configs["original_no_xformers"]["model_version"]["unet"]["use_checkpoint"] is True
    assert configs["optimized"]["model_version"]["unet"]["use_checkpoint"] is False
    compiled = next(r for r in records(tmp_path) if r.choices["preset"] == "optimized_compile")
    if compiled.status == "ok":
        assert compiled.times is not None
        assert compiled.compilation is not None
        assert compiled.compilation.eager_calls == 0
        assert compiled.times.first_call_s is not None
        assert compiled.times.compile_cache == "cold"
    assert not (folder / compiled.job / ".compile_cache").exists()
    assert list(temporary.iterdir()) == []  # where it was, its precompiled headers with it
