"""benchmarks/gpu/fetch_wheels.py: what it would fetch, and which commit it notes."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from commit import FILE, read_commit, write_commit

GPU_DIR = Path(__file__).parents[2] / "benchmarks" / "gpu"


@pytest.fixture
def fetch_wheels() -> ModuleType:
    pytest.importorskip("tomllib", reason="fetch_wheels.py needs Python 3.11")
    return importlib.import_module("fetch_wheels")


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """A wheel that contains only its requirements."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
    return file


def test_what_is_there_already_or_not_for_this_machine_is_not_fetched(
    fetch_wheels: ModuleType,
) -> None:
    found = fetch_wheels.lacking(
        [
            "torch>=2", "Hydra_Core<1.4", "dataclasses; python_version < '3.7'",
            "pywin32; sys_platform == 'win32'", "ray; extra == 'all'", "ftfy",
        ],
        frozenset({"torch", "omegaconf"}),
        "3.12",
    )  # fmt: skip
    assert [str(requirement) for requirement in found] == ["Hydra_Core<1.4", "ftfy"]


def test_the_bounds_are_those_of_the_project(fetch_wheels: ModuleType) -> None:
    tomllib = importlib.import_module("tomllib")
    project = tomllib.loads(fetch_wheels.PYPROJECT.read_text())["project"]
    found = fetch_wheels.lacking(
        fetch_wheels.wanted(project, with_xformers=True, with_diffusers=True),
        fetch_wheels.PRESENT,
        "3.12",
    )
    names = {requirement.name: str(requirement.specifier) for requirement in found}
    assert set(names) == {
        "open_clip_torch", "hydra-core", "omegaconf", "xformers", "scipy", "nvidia-ml-py",
        "diffusers", "pytest-timeout", "msgspec",
    }  # fmt: skip
    assert "<1.4" in names["hydra-core"]
    least = " ".join(fetch_wheels.wanted(project, with_xformers=False, with_diffusers=False))
    assert "xformers" not in least
    assert "diffusers" not in least


def test_what_a_wheel_requires_is_fetched_too(fetch_wheels: ModuleType, tmp_path: Path) -> None:
    shelf: Mapping[str, Path] = {
        "hydra-core": make_wheel(tmp_path, "hydra_core", "1.3.8", "omegaconf<2.4", "antlr4==4.9.*"),
        "omegaconf": make_wheel(tmp_path, "omegaconf", "2.3.1", "antlr4==4.9.*", "PyYAML>=5"),
        "antlr4": make_wheel(tmp_path, "antlr4", "4.9.3"),
    }
    wheels = fetch_wheels.collect(
        ["hydra-core>=1.3"], lambda r: shelf[r.name], frozenset({"pyyaml"}), "3.12"
    )
    assert {wheel.name.partition("-")[0] for wheel in wheels} == {
        "hydra_core", "omegaconf", "antlr4",
    }  # fmt: skip


def test_one_wheel_has_to_do_for_all_that_require_it(
    fetch_wheels: ModuleType, tmp_path: Path
) -> None:
    shelf = {
        "a": make_wheel(tmp_path, "a", "1.0", "c<2"),
        "b": make_wheel(tmp_path, "b", "1.0", "c>=2"),
        "c": make_wheel(tmp_path, "c", "1.9"),
    }
    with pytest.raises(fetch_wheels.FetchError, match="c>=2"):
        fetch_wheels.collect(["a", "b"], lambda r: shelf[r.name], frozenset(), "3.12")


def test_a_wheel_for_another_torch_gives_way_to_an_older_one(
    fetch_wheels: ModuleType, tmp_path: Path
) -> None:
    pins = {"0.0.36": "torch==2.12.0", "0.0.35": "torch>=2.10", "0.0.33": "torch==2.9.1"}

    def newest(requirement: Any) -> Path:
        version = next(v for v in pins if requirement.specifier.contains(v))
        return make_wheel(tmp_path, "xformers", version, pins[version], "numpy")

    for torch, version in (("2.12", "0.0.36"), ("2.11.0+cu130", "0.0.35"), ("2.9.1", "0.0.33")):
        wheel = fetch_wheels.fitting(
            fetch_wheels.Requirement("xformers"), fetch_wheels.Version(torch), newest
        )
        assert fetch_wheels.wheel_version(wheel) == fetch_wheels.Version(version)


def test_what_cannot_be_had_is_one_line_and_leaves_the_old_wheels(
    fetch_wheels: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = make_wheel(tmp_path, "old", "1.0")
    output = "WARNING: slow\nERROR: Could not find\nERROR: No matching distribution found for it\n"
    answer = SimpleNamespace(returncode=1, stderr=output)
    monkeypatch.setattr(fetch_wheels.subprocess, "run", lambda *_, **__: answer)
    assert fetch_wheels.main(["--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fetch_wheels: ")
    assert line.endswith("No matching distribution found for it")
    assert old.exists()


def test_too_many_bytes_are_refused(
    fetch_wheels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fetch_wheels, "fetch_wheel", lambda r, _, folder: make_wheel(folder, "it", "1.4")
    )
    monkeypatch.setattr(fetch_wheels, "LIMIT_MIB", 1e-6)
    options = fetch_wheels._parser().parse_args(["--out", str(tmp_path / "wheels")])
    with pytest.raises(fetch_wheels.FetchError, match="--has scipy"):
        fetch_wheels.fill(options)
    assert not (tmp_path / "wheels").exists()


def test_what_the_machine_has_is_not_fetched(
    fetch_wheels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(requirement: Any, _: str, folder: Path) -> Path:
        asked.append(requirement.name)
        lowest = next((s.version for s in requirement.specifier if s.operator == ">="), "1")
        return make_wheel(folder, requirement.name.replace("-", "_"), lowest)

    monkeypatch.setattr(fetch_wheels, "fetch_wheel", fetch)
    has = ["--has", "SciPy", "nvidia_ml_py", "--out", str(tmp_path / "wheels")]
    wheels = fetch_wheels.fill(fetch_wheels._parser().parse_args(has))
    assert len(wheels) == len(asked)
    assert not {"scipy", "nvidia-ml-py"} & set(asked)
    assert {"xformers", "diffusers", "hydra-core"} <= set(asked)


def test_without_the_package_packaging_it_takes_that_of_pip(fetch_wheels: ModuleType) -> None:
    program = (
        "import sys; sys.modules['packaging'] = None; import fetch_wheels; "
        "print(fetch_wheels.Requirement.__module__)"
    )
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, cwd=GPU_DIR, capture_output=True, text=True)
    assert answer.stdout.strip() == "pip._vendor.packaging.requirements", answer.stderr


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_travels_with_the_tree_and_a_change_after_it_is_seen(tmp_path: Path) -> None:
    root, wheels = tmp_path / "checkout", tmp_path / "wheels"
    source = root / "sd_bench" / "module.py"
    source.parent.mkdir(parents=True)
    wheels.mkdir()
    source.write_text("x = 1\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    commit = git(root, "rev-parse", "HEAD")
    assert write_commit(root, wheels) == f"{commit} clean"
    (root / ".git").rename(tmp_path / "left behind")
    assert read_commit(root, wheels) == f"{commit} clean"
    source.write_text("x = 2\n")
    assert read_commit(root, wheels) == f"{commit} changed"
    (wheels / FILE).write_text("{")
    assert read_commit(root, wheels) is None
    assert write_commit(root, wheels) is None  # the repository is gone: no wrong commit is left
    assert not (wheels / FILE).exists()
