"""Where compiled kernels are stored, and that none of them is left behind."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from sd_bench.execution.cell import Cell
from sd_bench.execution.compile_cache import (
    cache_dir,
    make_cache,
    mark_filled,
    remove_cache,
    remove_orphans,
    state_of_cache,
    unused_caches,
    why_no_cache,
)
from sd_bench.execution.slots import Slot
from sd_bench.execution.sweep_folder import locked
from sd_bench.execution.worker_process import worker_environment
from tests.support.composition import Compose


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, for this test only."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    return folder


def test_a_plain_folder_holds_its_own_cache(tmp_path: Path) -> None:
    assert cache_dir(tmp_path / "sweep" / "0") == tmp_path / "sweep" / "0" / ".compile_cache"


@pytest.mark.parametrize("name", ["my sweep", "it's", 'a"b', "$HOME", "é", "a;b", "a,b", "a\\b"])
def test_what_a_compiler_would_want_quoted_is_not_named_to_it(
    tmp_path: Path, temporary: Path, name: str
) -> None:
    folders = [tmp_path / name / "0", tmp_path / name / "1"]
    caches = [cache_dir(folder) for folder in folders]
    assert {cache.parent for cache in caches} == {temporary}
    assert caches[0] != caches[1]
    assert why_no_cache(folders[0]) is None
    variables = make_cache(folders[0], tmp_path / name)
    assert all(value.startswith(str(caches[0])) for value in variables.values())
    assert Path(variables["TMPDIR"]).is_dir()
    assert state_of_cache(folders[0]) == "cold"
    mark_filled(folders[0])
    assert state_of_cache(folders[0]) == "warm"
    remove_cache(folders[0])
    assert list(temporary.iterdir()) == []


@pytest.fixture
def noexec(tmp_path: Path) -> Iterator[Path]:
    """A folder on a mount from which nothing can be executed."""
    folder = tmp_path / "noexec"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a noexec mount needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_may_not_be_executed_is_not_compiled_there(noexec: Path, temporary: Path) -> None:
    assert cache_dir(noexec / "sweep" / "0").parent == temporary
    assert list(noexec.iterdir()) == []


def test_a_users_cache_that_may_not_be_executed_is_not_the_place(
    noexec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(noexec))
    folder = tmp_path / "sweep" / "0"
    assert cache_dir(folder) == folder / ".compile_cache"


def test_what_the_kernel_refuses_to_load_as_code_is_not_the_place(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the mount options do not show it, as under a security module."""
    executable, real = [temporary], mmap.mmap

    def loaded(descriptor: int, *how: Any, **named: Any) -> Any:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if named.get("prot", 0) & mmap.PROT_EXEC and not place.is_relative_to(executable[0]):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(descriptor, *how, **named)

    monkeypatch.setattr("mmap.mmap", loaded)
    assert cache_dir(tmp_path / "sweep" / "0").parent == temporary
    assert why_no_cache(tmp_path / "sweep" / "0") is None


def test_a_full_disk_is_not_taken_for_one_that_executes_nothing(tmp_path: Path) -> None:
    with mock.patch("tempfile.TemporaryFile", side_effect=OSError(errno.ENOSPC, "full")):
        assert cache_dir(tmp_path / "0") == tmp_path / "0" / ".compile_cache"


def test_where_no_place_fits_the_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sd_bench.execution.compile_cache._bases", lambda: [tmp_path / "a b"])
    reason = why_no_cache(tmp_path / "my sweep" / "0")
    assert reason is not None
    assert "TORCHINDUCTOR_CACHE_DIR" in reason


def test_a_users_cache_is_the_place_but_not_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(unused_caches()) == []
    own = tmp_path / "own"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(own))
    cache = cache_dir(tmp_path / "sweep" / "0")
    assert cache.parent == own
    assert cache != cache_dir(tmp_path / "sweep" / "1")
    (sentence,) = unused_caches()
    assert "TORCHINDUCTOR_CACHE_DIR may hold are not used" in sentence
    own.mkdir()
    (own / "kernel").touch()
    make_cache(tmp_path / "sweep" / "0", tmp_path / "sweep")
    remove_cache(tmp_path / "sweep" / "0")
    assert [path.name for path in own.iterdir()] == ["kernel"]


def test_the_cache_of_a_killed_sweep_is_removed_by_the_next_command(
    tmp_path: Path, temporary: Path
) -> None:
    sweep = tmp_path / "my sweep"
    with locked(sweep):
        make_cache(sweep / "0", sweep)
        remove_orphans()
        assert len(list(temporary.iterdir())) == 1  # the sweep runs
    remove_orphans()
    assert list(temporary.iterdir()) == []
    make_cache(sweep / "0", sweep)
    (sweep / ".lock").unlink()  # with the sweep's folder
    (temporary / f"sd_bench-{os.getuid()}-other").mkdir()
    remove_orphans()
    assert [path.name for path in temporary.iterdir()] == [f"sd_bench-{os.getuid()}-other"]


def test_a_compiled_workers_kernels_have_names_and_its_graphs_outlive_a_profiler(
    compose_config: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch guards graphs only if its own option, not ``mode``, requests them."""
    for name in ("TORCHINDUCTOR_UNIQUE_KERNEL_NAMES", "TEARDOWN_CUPTI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISABLE_CUPTI_LAZY_REINIT", "0")  # who says otherwise is heard
    config = compose_config("compile=reduce_overhead")
    cell = Cell(config=config, index=0, label="", folder=tmp_path / "0", sweep_folder=tmp_path)
    compiled = worker_environment(config, Slot(), cell)
    assert compiled["TORCHINDUCTOR_UNIQUE_KERNEL_NAMES"] == "1"
    assert compiled["TEARDOWN_CUPTI"] == "0"
    assert compiled["DISABLE_CUPTI_LAZY_REINIT"] == "0"
    assert "TEARDOWN_CUPTI" not in worker_environment(config, Slot())
    remove_cache(cell.folder)
