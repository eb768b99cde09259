"""The rooms of both packages: imports only go down, as drawn in ``pyproject.toml``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
ROOMS = [
    file.parent
    for package in ("sd_bench", "analysis")
    for file in sorted((REPOSITORY / package).rglob("*/__init__.py"))
]


def test_every_arrow_goes_down() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed: sd_bench[test]")
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: f"{room.parent.name}-{room.name}")
def test_every_room_says_what_it_is_for_and_what_it_may_import(room: Path) -> None:
    module = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
    words = " ".join((ast.get_docstring(module) or "").split())
    assert "May import " in words
