"""The lock files are complete, agree with each other, and match what is installed."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sd_bench.environments import locks
from sd_bench.environments.__main__ import main
from sd_bench.environments.definition import NAMES, definition
from sd_bench.environments.locks import read_lock

#: The only packages that may differ between the two: PyTorch and its own dependencies.
COMPARED = {"torch", "torchvision"}
HERE = next((n for n in NAMES if definition(n).folder == Path(sys.prefix)), None)


def requirements(name: str) -> list[Requirement]:
    """The requirements of the project and of the yml file itself, for that Python."""
    own = metadata.requires("sd_bench") or []
    asked = [line for line in definition(name).pip if not line.startswith("-")]
    found = map(Requirement, [*own, *asked])
    environment = {"python_version": definition(name).python, "extra": ""}
    return [r for r in found if r.marker is None or r.marker.evaluate(environment)]


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_all_that_the_project_and_the_yml_ask_for(name: str) -> None:
    locked = read_lock(definition(name).lock)
    assert len(requirements(name)) > 15
    for requirement in requirements(name):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
    assert f"-c {definition(name).lock.name}" in definition(name).pip


def test_the_locks_differ_in_pytorch_and_in_nothing_else() -> None:
    original, optimized = (read_lock(definition(name).lock) for name in NAMES)
    differing = {n for n in original.keys() & optimized.keys() if original[n] != optimized[n]}
    assert differing == COMPARED


@pytest.mark.skipif(HERE is None, reason="runs where `sd_bench.environments create` has made it")
def test_what_is_installed_is_what_is_locked() -> None:
    assert HERE is not None
    wanted = definition(HERE)
    assert ".".join(map(str, sys.version_info[:2])) == wanted.python
    installed = {n: metadata.version(n) for n in read_lock(wanted.lock)}
    plain = {n: re.sub(r"\+.*", "", version) for n, version in installed.items()}
    assert plain == read_lock(wanted.lock)


def test_without_uv_lock_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    before = [definition(name).lock.read_bytes() for name in NAMES]
    assert main(["lock"]) == 2
    assert capsys.readouterr().err.strip().endswith("pip install uv")
    assert before == [definition(name).lock.read_bytes() for name in NAMES]


def test_an_earlier_lock_is_preferred_to_a_later_one(tmp_path: Path) -> None:
    first, second, none = (tmp_path / name for name in ("first", "second", "none"))
    first.write_text("# said\na==1  # via b\nb==2\n")
    second.write_text("b==3\nc==4\n")
    assert locks._pins([first, second, none]) == {"a": "1", "b": "2", "c": "4"}
