"""Printed command lines: each runs in a shell like the one that started us."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sd_bench.command_lines import as_operand

REPOSITORY = Path(__file__).parents[1]
#: The program prints how to call both modules, like any program of ours.
SAYING = """\
#!{python}
import sys
sys.path.insert(0, {repository!r})
from sd_bench.command_lines import shown
print(shown("sd_bench", "--version"), shown("analysis", "my folder"), sep="\\n")
"""


@pytest.fixture
def interpreters(tmp_path: Path) -> Path:
    """A virtual environment of this interpreter, with ``python`` and ``python3``."""
    made = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages"]
    subprocess.run([*made, str(tmp_path / "a venv")], check=True)
    return tmp_path / "a venv" / "bin"


def say(*words: str, path: Path | str, cwd: Path) -> list[str]:
    """The output of ``words``, run with ``PATH`` set to ``path``."""
    done = subprocess.run(
        words, env={**os.environ, "PATH": str(path)}, cwd=cwd, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def saying(folder: Path, name: str, python: Path) -> Path:
    program = folder / name
    program.write_text(SAYING.format(python=python, repository=str(REPOSITORY)))
    program.chmod(0o755)
    return program


def test_an_interpreter_is_named_as_this_shell_finds_it(interpreters: Path, tmp_path: Path) -> None:
    program = str(saying(tmp_path, "program.py", interpreters / "python"))
    own, none = interpreters / "python", tmp_path / "nothing"
    none.mkdir()
    both = ["python -m sd_bench --version", "python -m analysis 'my folder'"]
    assert say(str(own), program, path=interpreters, cwd=tmp_path) == both
    real = os.path.realpath(own)  # which of the names are links to which differs by version
    for name in ("python", "python3"):
        (interpreters / name).unlink()
    (interpreters / "python3").symlink_to(real)
    only_3 = [line.replace("python", "python3", 1) for line in both]
    assert say(str(interpreters / "python3"), program, path=interpreters, cwd=tmp_path) == only_3
    begin = shlex.quote(str(interpreters / "python3"))
    whole = [line.replace("python", begin, 1) for line in both]
    assert say(str(interpreters / "python3"), program, path=none, cwd=tmp_path) == whole


def test_another_interpreter_of_that_name_is_not_this_one(
    interpreters: Path, tmp_path: Path
) -> None:
    """Both are links to one file, but only one has the installed packages."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "python").symlink_to(os.path.realpath(sys.executable))
    program = str(saying(tmp_path, "program.py", interpreters / "python"))
    (first, _) = say(str(interpreters / "python"), program, path=other, cwd=tmp_path)
    assert first == f"{shlex.quote(str(interpreters / 'python'))} -m sd_bench --version"


def test_a_console_script_names_itself_and_the_one_beside_it(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    python = Path(sys.executable)
    sweep, analysis = (saying(scripts, name, python) for name in ("sd-bench", "sd-bench-analysis"))
    named = ["sd-bench --version", "sd-bench-analysis 'my folder'"]
    for program in (sweep, analysis):
        assert say(str(program), path=scripts, cwd=tmp_path) == named
    whole = [f"{sweep} --version", f"{analysis} 'my folder'"]
    for typed in (str(sweep), "scripts/sd-bench"):
        assert say(typed, path=os.environ["PATH"], cwd=tmp_path) == whole


def test_a_folder_that_begins_with_a_dash_is_not_taken_for_an_option() -> None:
    assert as_operand(Path("-x/y")) == ["./-x/y"]
    assert as_operand(Path("x")) == ["x"]
