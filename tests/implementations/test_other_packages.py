"""Implementations in other packages: the example of the docs, and broken ones."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.errors import ConfigError
from tests.support.commands import REPOSITORY, SMOKE, Command, final_latents, records
from tests.support.composition import QUICK_TO_COMPILE

PAGE = REPOSITORY / "docs" / "your_own_implementation.md"
EXAMPLE = REPOSITORY / "docs" / "examples" / "sd_bench_onnxruntime"
NEEDED = ("onnxruntime", "onnx", "onnxscript")

needs_onnxruntime = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in NEEDED),
    reason="onnxruntime, onnx and onnxscript are not installed: sd_bench[test]",
)


def test_the_page_shows_the_example_as_it_is() -> None:
    shown = re.findall(
        r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    files = {
        file.relative_to(EXAMPLE).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(EXAMPLE.rglob("*"))
        if file.suffix in (".py", ".toml", ".yaml") and "build" not in file.parts
    }
    assert dict(shown) == files


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the example, built from a copy."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    where = ["--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run([*pip, *where], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@needs_onnxruntime
@pytest.mark.slow
def test_the_example_is_installed_and_measured_beside_ours(
    installed: Path, command: Command, tmp_path: Path
) -> None:
    variables = {"PYTHONPATH": str(installed), "SD_BENCH_CACHE_DIR": str(tmp_path / "cache")}
    cells = (*SMOKE, *QUICK_TO_COMPILE, "precision=fp32", "implementation=sd_bench,onnxruntime")
    done = command("-m", *cells, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    by_name = {r.choices["implementation"]: r for r in records(tmp_path)}
    ours, theirs = by_name["sd_bench"], by_name["onnxruntime"]
    assert (ours.status, theirs.status) == ("ok", "ok")
    assert theirs.kernel_proof is not None
    assert theirs.kernel_proof.unprovable == "ONNX Runtime runs its own kernels, not PyTorch's"
    assert theirs.conversion is not None
    assert theirs.conversion.cache == "cold"
    assert theirs.environment["packages"]["sd_bench_onnxruntime"] == "0.1.0"
    reference = final_latents(tmp_path, ours)
    assert float((final_latents(tmp_path, theirs) - reference).norm() / reference.norm()) < 1e-4


@pytest.mark.slow
@needs_onnxruntime
def test_its_option_is_listed_where_options_are(installed: Path, command: Command) -> None:
    there = {"PYTHONPATH": str(installed)}
    assert re.search(r"implementation .*\bonnxruntime\b", command("--help", **there).stdout)
    planned = command(
        *SMOKE, "implementation=onnxruntime", "precision=bf16", "dry_run=true", **there
    )
    reason = "onnxruntime runs the exported fp32 networks: needs precision=fp32"
    assert reason in " ".join(planned.stdout.split())
    unknown = command("implementation=onyx", **there)
    assert unknown.returncode == 2
    assert re.search(r"Available options in 'implementation': .*\bonnxruntime\b", unknown.stderr)
    assert unknown.stderr.count("\n") == 1


#: The fault of a package, by the text of its module.
BROKEN = {
    "import no_such_module": "cannot be loaded (ModuleNotFoundError: No module named 'no_such_",
    "ENTRY = 'text'": "is a str, not an Entry",
    "{entry}(name='openvino', factory='x:y')": "names openvino, which already exists",
    "{entry}(name='mine', factory='x:y')": "has conf=None, which must be pkg:// and "
    "implementation/mine.yaml in a package",
    "{entry}(name='mine', factory='x:y', "
    "conf='pkg://broken_package.conf')": "has conf=pkg://broken",
}


def put_broken(folder: Path, source: str) -> None:
    entry = "from sd_bench.capabilities.implementations import Entry\nENTRY = Entry"
    (folder / "broken_package.py").write_text(source.format(entry=entry))
    facts = folder / "broken_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken_package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[sd_bench.implementations]\nmine = broken_package:ENTRY\n"
    )


@pytest.mark.parametrize("source", BROKEN)
def test_an_entry_point_that_cannot_be_used_is_one_line(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_broken(tmp_path, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_package", raising=False)
    with pytest.raises(ConfigError) as refused:
        list_implementations.__wrapped__()
    message = str(refused.value)
    begins = "sd_bench.implementations: the entry point mine of broken_package "
    assert message.startswith(begins + BROKEN[source])
    assert message.endswith("; fix or uninstall that package")


@pytest.mark.slow
def test_every_command_says_so_with_exit_code_2(tmp_path: Path, command: Command) -> None:
    put_broken(tmp_path, "import no_such_module")
    for arguments in (["--help"], ["gpu=cpu", "dry_run=true"]):
        done = command(*arguments, PYTHONPATH=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr.startswith("sd_bench: sd_bench.implementations: the entry point mine")
        assert done.stderr.count("\n") == 1


def test_other_programs_of_hydra_are_left_alone(tmp_path: Path) -> None:
    put_broken(tmp_path, "import no_such_module")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.yaml").write_text("a: 1\n")
    program = (
        "from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(tmp_path / 'theirs')!r}, version_base='1.3'):\n"
        "    print(compose('config'))\n"
    )
    paths = os.pathsep.join([str(REPOSITORY), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.stdout == "{'a': 1}\n", done.stderr
