"""The two environments: the yml files, finding interpreters, creating an environment."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sd_bench.capabilities.torch_builds import name_build
from sd_bench.capabilities.torch_compat import this_build
from sd_bench.config.schema import TorchEnvConfig
from sd_bench.environments import creation, locations
from sd_bench.environments.__main__ import main
from sd_bench.environments.creation import create
from sd_bench.environments.cuda_builds import describe_build
from sd_bench.environments.definition import CHECKOUT, NAMES, Definition, definition
from sd_bench.environments.interpreter import find_interpreter
from sd_bench.environments.locations import default_executable, find_executable
from sd_bench.errors import ConfigError


def lines(name: str) -> dict[str, str]:
    """Each dependency of a yml file, from conda and pip, with the comment after it."""
    text = (CHECKOUT / f"environment-{name}.yml").read_text(encoding="utf-8")
    entries = [line.strip() for line in text.splitlines() if line.strip().startswith("- ")]
    split = (entry.removeprefix("- ").partition("#") for entry in entries)
    return {entry.strip(): remark.strip() for entry, _, remark in split}


def test_every_line_that_differs_is_marked_and_says_why() -> None:
    original, optimized = lines("original"), lines("optimized")
    structure = {"pytorch", "xformers", "conda-forge", "nodefaults", "pip", "pip:", "-e ."}
    for here, there in ((original, optimized), (optimized, original)):
        for entry, remark in here.items():
            if entry in structure:
                continue
            assert remark.startswith("*") == (entry not in there), entry
            assert remark.strip("* ") or "torchvision" in entry, entry


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_the_yml(name: str) -> None:
    found = definition(name)
    content = yaml.safe_load((CHECKOUT / f"environment-{name}.yml").read_text())
    assert found.conda_name == content["name"] == f"sd_bench_{name}"
    assert f"python={found.python}" in content["dependencies"]
    assert found.pip == content["dependencies"][-1]["pip"]
    assert found.pip[-1] == "-e ."
    torch = {"original": "torch==1.12.1", "optimized": "torch==2."}[name]
    assert any(line.startswith(torch) for line in found.pip)


def make_venv(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def test_an_interpreter_is_found_by_path_command_and_folder(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv")
    executable = str(venv / "bin" / "python")
    assert find_executable(sys.executable) == sys.executable
    assert find_executable(str(venv)) == executable
    assert find_executable(executable) == executable
    assert find_executable(str(tmp_path)) is None
    assert find_executable("no-such-environment") is None


def test_condas_environments_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, beside = make_venv(tmp_path / "envs" / "mine"), make_venv(tmp_path / "c/envs/other")
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"/gone/mine\n{listed}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "c"))
    assert find_executable("mine") == str(listed / "bin" / "python")
    assert find_executable("other") == str(beside / "bin" / "python")


def test_what_create_has_made_is_used_without_being_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locations, "CHECKOUT", tmp_path)
    assert default_executable("original") is None
    venv = make_venv(tmp_path / ".envs" / "original")
    assert default_executable("original") == str(venv / "bin" / "python")
    assert default_executable("current") is None
    with pytest.raises(ConfigError, match="lacks omegaconf, open_clip, numpy, PIL, torch"):
        find_interpreter(TorchEnvConfig(name="original", requires_torch="0.1"))


def small(tmp_path: Path, *pip: str) -> Definition:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Definition(
        name="small", file=Path("small.yml"), conda_name="small", python=version, pip=list(pip),
        folder=tmp_path / "small", lock=tmp_path / "requirements-small.txt",
    )  # fmt: skip


@pytest.mark.slow
def test_create_installs_the_lines_of_the_pip_section(tmp_path: Path) -> None:
    """With a package of one module that is made here, so that nothing is downloaded."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'tiny_thing'\nversion = '1'\n"
    )
    (package / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(folder, *_, **__):\n"
        "    name = 'tiny_thing-1-py3-none-any.whl'\n"
        "    info = 'tiny_thing-1.dist-info/'\n"
        "    with zipfile.ZipFile(folder + '/' + name, 'w') as wheel:\n"
        "        wheel.writestr('tiny_thing.py', 'here = True')\n"
        "        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\n'\n"
        "                       'Name: tiny_thing\\nVersion: 1\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\n'\n"
        "                       'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', '')\n"
        "    return name\n"
        "build_editable = build_wheel\n"
    )
    folder = create(small(tmp_path, f"-e {package}"), None, sys.executable)
    code = "import tiny_thing; print(tiny_thing.here)"
    ran = subprocess.run([folder / "bin" / "python", "-c", code], capture_output=True, text=True)
    assert ran.stdout == "True\n", ran.stderr
    with pytest.raises(ConfigError, match="exists already"):
        create(small(tmp_path), None, sys.executable)


def commands_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: str | None, conda: str | None = None
) -> list[list[str]]:
    """What ``create original`` would run, with or without conda."""
    ran: list[list[str]] = []
    monkeypatch.setattr(creation, "_run", ran.append)
    monkeypatch.setattr(creation, "find_conda", lambda: conda)
    monkeypatch.setattr(creation, "_interpreter", lambda version: f"python{version}")
    monkeypatch.setattr(creation, "_check_version", lambda *_: None)
    creation.create(definition("original"), tmp_path / "made", None, cuda)
    return ran


def test_another_cuda_comes_from_pytorchs_own_index(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That index cannot be reached in tests, so only the commands are checked."""
    venv, pip = commands_of(monkeypatch, tmp_path, "11.3")
    assert venv == ["python3.10", "-m", "venv", str(tmp_path / "made")]
    assert pip[:6] == [
        str(tmp_path / "made" / "bin" / "python"), "-m", "pip", "install",
        "--extra-index-url", "https://download.pytorch.org/whl/cu113",
    ]  # fmt: skip
    assert "torch==1.12.1+cu113" in pip
    assert "torchvision==0.13.1+cu113" in pip
    assert not {"torch==1.12.1", "torchvision==0.13.1"} & set(pip)
    assert pip[-2:] == ["-e", "."]


def test_without_a_cuda_the_package_indexs_build_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, plain = commands_of(monkeypatch, tmp_path, None)
    assert {"torch==1.12.1", "torchvision==0.13.1"} <= set(plain)
    assert "--extra-index-url" not in plain
    _, named = commands_of(monkeypatch, tmp_path, "10.2")
    assert named == plain


def test_conda_is_used_where_its_cuda_is_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (command,) = commands_of(monkeypatch, tmp_path, "11.3", conda="conda")
    assert command[:3] == ["conda", "env", "create"]
    assert len(commands_of(monkeypatch, tmp_path, "11.6", conda="conda")) == 2


def test_a_cuda_that_no_wheel_has_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["create", "original", "--at", str(tmp_path / "made"), "--cuda", "12.6"]) == 2
    assert capsys.readouterr().err == (
        "sd_bench: --cuda 12.6: no wheel of PyTorch 1.12.1 is made with it; use one of 10.2, "
        "11.3, 11.6\n"
    )


@pytest.mark.parametrize(
    ("name", "cuda", "by_conda", "expected"),
    [
        (
            "original", None, False,
            "its PyTorch 1.12.1 is made with CUDA 10.2: it supports p100, t4, v100; for a10, a100: "
            "python -m sd_bench.environments create original --cuda 11.3; for h100: no wheel of "
            "PyTorch 1.12 has them; presets named *_pt2 run the original code on PyTorch 2",
        ),
        ("original", "11.3", False, "with CUDA 11.3: it supports p100, t4, a10, v100, a100;"),
        ("original", None, True, "is made with CUDA 11.3: it supports p100, t4, a10, v100, a100;"),
        (
            "optimized", None, False,
            "is made with CUDA 13.2: it supports t4, a10, a100, h100; for p100, v100: install 2.14",
        ),
    ],
)  # fmt: skip
def test_create_says_which_gpus_its_build_drives(
    name: str, cuda: str | None, by_conda: bool, expected: str
) -> None:
    assert expected in describe_build(definition(name), cuda, by_conda)


@pytest.mark.parametrize(
    ("python", "expected"),
    [("/no/python", "is not a working Python"), ("/bin/false", "is not a working Python")],
)
def test_an_interpreter_that_does_not_fit_is_refused(
    tmp_path: Path, python: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        create(small(tmp_path), None, python)


def test_the_wrong_version_of_python_is_refused(tmp_path: Path) -> None:
    wanted = small(tmp_path)
    other = dataclasses.replace(wanted, python="3.0")
    with pytest.raises(ConfigError, match=r"small.yml needs 3\.0"):
        create(other, None, sys.executable)


@pytest.mark.slow
def test_check_shows_what_each_environment_can_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert sys.executable[:20] in out
    for row in ("attention=math", "compile=default", "precision=bf16", "xformers"):
        assert row in out
    assert name_build(this_build()) in " ".join(out.split())
