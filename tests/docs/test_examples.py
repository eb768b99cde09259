"""The examples are short, and each runs unchanged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import REPOSITORY, SMOKE

EXAMPLES = REPOSITORY / "examples"
NOTEBOOK = EXAMPLES / "draw_measure_compare.ipynb"
_PATHS = filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH")))
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS), "OMP_NUM_THREADS": "1"}


def run_example(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=200, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.slow
def test_the_examples_draw_measure_and_compare(tmp_path: Path) -> None:
    output = run_example("draw.py", tmp_path, "a cat", *SMOKE)
    assert "drawn-0.png: 64x64 pixels, seed 1" in output
    assert (tmp_path / "drawn-0.png").stat().st_size > 1000
    run_example("measure.py", tmp_path, "attention=original,math", *SMOKE)
    assert len((tmp_path / "rounds.csv").read_text().splitlines()) == 3
    output = run_example("compare.py", tmp_path, "multirun_outputs", "attention=math")
    assert "too few rounds" in output
    assert (tmp_path / "speedups.png").stat().st_size > 1000


def test_the_notebook_is_kept_with_what_it_shows_and_names_no_folder_of_a_machine() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    assert all(cell["outputs"] for cell in code[1:])
    shown = [output for cell in code for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 2
    texts = ["".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in shown]
    assert not re.search(r"(?<![\w.])/\w+/", "".join(texts))


@pytest.mark.slow
def test_the_notebook_runs_and_shows_how_far_it_is(tmp_path: Path) -> None:
    """In a real kernel; skipped if none is installed, as under older versions of PyTorch."""
    reason = "no kernel of Jupyter: pip install 'sd_bench[test]' has one"
    pytest.importorskip("ipykernel", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    client = pytest.importorskip("nbclient", reason=reason)
    bars: list[str] = []

    class Client(client.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, message: Any, *others: Any) -> Any:
            if message["msg_type"] == "update_display_data":
                bars.append(message["content"]["data"]["text/plain"])
            return super().process_message(message, *others)

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    Client(notebook, resources=resources, timeout=200).execute(env=ENVIRONMENT)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [o for o in shown if "image/png" in o.get("data", {})]
    texts = "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in shown)
    assert len(pictures) == 2
    assert "did you mean flash?" in texts
    assert "round 1  attention=math" in texts
    assert "too few rounds" in texts
    assert any("rounds" in bar and "3/4 | attention=" in bar for bar in bars), bars
    assert bars[-1] == ""
    assert len(list(tmp_path.rglob("round-*.json"))) == 4
