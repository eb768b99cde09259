"""Allocators of host memory: what a process starts with, and whether it got what it should."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sd_bench.capabilities import allocators
from sd_bench.capabilities.allocators import (
    variables_of,
    why_no_allocator,
    why_not_had,
    without_allocator,
)
from sd_bench.config.schema import AllocatorConfig
from tests.support.commands import Command, records
from tests.support.composition import Compose

#: Repeatedly allocates and frees 64 MiB, and prints the page faults.
_TOUCH = """\
import mmap, resource
for _ in range(20):
    memory = bytearray(64 << 20)
    del memory
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.slow
def test_every_choice_is_there_or_says_what_to_install(compose_config: Compose) -> None:
    for name in ("default", "keep", "huge_pages", "jemalloc", "tcmalloc"):
        config = compose_config("gpu=cpu", f"allocator={name}").allocator
        assert config.name == name
        reason = why_no_allocator(config)
        assert reason is None or "not installed: apt install lib" in reason or "glibc" in reason
    missing = AllocatorConfig(name="mine", library="nobody_has_this")
    assert why_no_allocator(missing) == (
        "allocator=mine: the library nobody_has_this is not installed"
    )


@pytest.mark.parametrize(
    ("glibc", "enabled", "reason"),
    [
        ("2.36", "always [madvise] never", None),
        ("2.35", "[always] madvise never", None),
        ("2.36", "always madvise [never]", "huge pages are off"),
        ("2.36", None, "huge pages are off"),
        ("2.31", "[always] madvise never", "needs glibc 2.35 or newer, this is 2.31"),
    ],
)
def test_huge_pages_are_refused_where_nothing_would_report_that_there_are_none(
    compose_config: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    glibc: str, enabled: str | None, reason: str | None,
) -> None:  # fmt: skip
    file = tmp_path / "enabled"
    if enabled is not None:
        file.write_text(enabled)
    monkeypatch.setattr(allocators, "_HUGE_PAGES", file)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", glibc))
    refusal = why_no_allocator(compose_config("gpu=cpu", "allocator=huge_pages").allocator)
    if reason is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.startswith(f"allocator=huge_pages: {reason}")


def test_what_the_choice_adds_is_not_a_fact_of_the_environment(tmp_path: Path) -> None:
    library = tmp_path / "libhoard.so"
    library.touch()
    present = {"LD_PRELOAD": "/usr/lib/other.so", "MALLOC_ARENA_MAX": "2", "PATH": "/bin"}
    config = AllocatorConfig(name="x", library=str(library), variables={"MALLOC_TOP_PAD_": "9"})
    added = {**present, **variables_of(config, present)}
    assert added["LD_PRELOAD"] == f"{library}:/usr/lib/other.so"
    assert added["MALLOC_TOP_PAD_"] == "9"
    assert without_allocator(config, added) == present
    alone = {**variables_of(config, {})}
    assert alone["LD_PRELOAD"] == str(library)
    assert without_allocator(config, alone) == {}


def test_a_process_without_it_is_distinguished_from_one_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = AllocatorConfig(name="keep", variables={"MALLOC_TRIM_THRESHOLD_": "-1"})
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    assert "MALLOC_TRIM_THRESHOLD_ is None" in str(why_not_had(keep))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "-1")
    assert why_not_had(keep) is None
    assert "has none mapped" in str(why_not_had(AllocatorConfig(name="x", library="hoard")))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
def test_keep_keeps(compose_config: Compose) -> None:
    config = compose_config("gpu=cpu", "allocator=keep").allocator
    if why_no_allocator(config):
        pytest.skip("settings of glibc")
    faults = [
        int(subprocess.run([sys.executable, "-c", _TOUCH], env=env, text=True, check=True,
                           capture_output=True).stdout)
        for env in ({}, variables_of(config, {}))
    ]  # fmt: skip
    assert faults[0] > 4 * faults[1]


@pytest.mark.slow
def test_a_sweep_over_allocators_is_one_environment(
    command: Command, tmp_path: Path, worker: str
) -> None:
    """Libraries that are present are preloaded; cells of missing ones are unsupported."""
    done = command(
        "-m", "gpu=cpu", "model_version=sd2_tiny", "protocol=smoke", "attention=math", worker,
        "allocator=default,keep,jemalloc,tcmalloc",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = {str(r.choices["allocator"]): r for r in records(tmp_path)}
    assert set(found) == {"default", "keep", "jemalloc", "tcmalloc"}
    measured = {name: r for name, r in found.items() if r.status == "ok"}
    assert {"default", "keep"} <= measured.keys()
    assert len({r.environment["fingerprint"] for r in measured.values()}) == 1
    assert len({r.cell_hash for r in measured.values()}) == len(measured)
    assert len({r.output.latents_sha256 for r in measured.values() if r.output}) == 1
    for name in ("jemalloc", "tcmalloc"):
        record = found[name]
        if record.status == "ok":
            assert name in record.environment["allocator"]
        else:
            assert record.status == "unsupported"
            assert "not installed: apt install lib" in str(record.reason)
    iterations = [r.times.iterations[0] for r in measured.values() if r.times]
    wanted = {"minor_page_faults", "major_page_faults", "system_s", "full_collections"}
    assert all(wanted <= i.counters.keys() for i in iterations)
