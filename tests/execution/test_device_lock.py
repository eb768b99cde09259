"""Two measured rounds never share a device, whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sd_bench.errors import ConfigError
from sd_bench.execution.device_lock import Claim, DeviceLock, claims_on, lock_folder
from tests.support.commands import REPOSITORY, SMOKE, records

BOTH, FIRST, SECOND = ([Claim(f"cpu-{n}") for n in numbers] for numbers in ((0, 1), (0,), (1,)))
GPU_A, GPU_B = ([Claim("cpu-0", is_shared=True), Claim(name)] for name in ("GPU-a", "GPU-b"))


def test_overlapping_processors_exclude_each_other_and_others_do_not(tmp_path: Path) -> None:
    both, first, second = (DeviceLock(claims, tmp_path) for claims in (BOTH, FIRST, SECOND))
    assert first.try_to_take()
    assert second.try_to_take()
    assert not both.try_to_take()
    first.release()
    assert not both.try_to_take()
    second.release()
    assert both.try_to_take()
    assert both.waited_s > 0
    assert first.waited_s == 0


def test_gpus_share_the_processors_with_each_other_and_not_with_a_cpu(tmp_path: Path) -> None:
    a, b, again, cpu = (DeviceLock(c, tmp_path) for c in (GPU_A, GPU_B, GPU_A, FIRST))
    assert a.try_to_take()
    assert b.try_to_take()
    assert not again.try_to_take()
    assert not cpu.try_to_take()
    for lock in (a, b, again):
        lock.release()
    assert cpu.try_to_take()
    assert not a.try_to_take()


def test_two_who_want_the_same_take_turns(tmp_path: Path) -> None:
    one, other = DeviceLock(BOTH, tmp_path), DeviceLock(BOTH, tmp_path)
    for _ in range(3):
        assert one.try_to_take()
        assert not other.try_to_take()
        one.release()
        assert not one.try_to_take()  # the other has waited for longer
        assert other.try_to_take()
        other.release()
        assert one.try_to_take()
        one.release()


HOLD = """
import sys, time
from pathlib import Path
from sd_bench.execution.device_lock import DeviceLock, claims_on
lock = DeviceLock(claims_on(None), Path(sys.argv[1]))
print(lock.try_to_take(), flush=True)
time.sleep(600)
"""


@contextmanager
def another_holds(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds this machine's processors."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True,
        cwd=REPOSITORY,
    ) as holder:  # fmt: skip
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            yield holder
        finally:
            holder.kill()


@contextmanager
def a_command(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The real command, up to the point where it reports that it waits."""
    with subprocess.Popen(
        [sys.executable, "-m", "sd_bench", *SMOKE, "attention=original",
         f"hydra.sweep.dir={folder / 'sweep'}"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SD_BENCH_LOCK_DIR": str(folder)},
    ) as command:  # fmt: skip
        try:
            assert command.stdout is not None
            assert any("another command measures on the same device" in s for s in command.stdout)
            yield command
        finally:
            command.kill()


@pytest.mark.slow
def test_a_round_waits_for_another_commands_says_so_and_goes_on_when_that_is_killed(
    tmp_path: Path,
) -> None:
    with another_holds(tmp_path) as holder, a_command(tmp_path) as command:
        assert records(tmp_path) == []
        holder.kill()
        command.communicate(timeout=100)
    assert command.returncode == 0
    (record,) = records(tmp_path)
    assert record.status == "ok"
    assert any("late: another command measured" in warning for warning in record.warnings)
    assert record.environment["host"]["lock_folder"] == str(tmp_path)


@pytest.mark.slow
def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    with another_holds(tmp_path), a_command(tmp_path) as command:
        command.send_signal(signal.SIGINT)
        said, _ = command.communicate(timeout=100)
    assert command.returncode == 130
    assert "continue with" in said
    assert DeviceLock(claims_on(None), tmp_path).try_to_take()


def test_the_folder_is_everybodys_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SD_BENCH_LOCK_DIR")
    folder = lock_folder()
    assert folder.parent == Path("/tmp")
    assert folder.stat().st_mode & 0o1000
    monkeypatch.setenv("SD_BENCH_LOCK_DIR", str(tmp_path / "node"))
    assert lock_folder() == tmp_path / "node"
    (tmp_path / "file").touch()
    monkeypatch.setenv("SD_BENCH_LOCK_DIR", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"SD_BENCH_LOCK_DIR=.*name a writable folder"):
        lock_folder()


def test_a_lock_file_that_is_removed_meanwhile_locks_nothing_and_is_made_again(
    tmp_path: Path,
) -> None:
    first, second = DeviceLock(FIRST, tmp_path), DeviceLock(FIRST, tmp_path)
    assert first.try_to_take()
    first.release()
    (tmp_path / "cpu-0").unlink()
    assert first.try_to_take()
    assert not second.try_to_take()
