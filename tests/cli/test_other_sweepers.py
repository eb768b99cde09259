"""Hydra's other sweepers are refused in one line, before anything is measured or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import SMOKE, Command

pytestmark = pytest.mark.slow

#: Requests an objective from each job in turn, like a search for the best one.
SEARCH = """
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


class SearchSweeper(Sweeper):
    def __init__(self, **settings):
        self.settings = settings

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        found = []
        for number in range(2):
            for job in self.launcher.launch([arguments], initial_job_idx=number):
                found.append(float(job.return_value))
        return min(found)


ConfigStore.instance().store(
    group="hydra/sweeper", name="search",
    node={"_target_": "hydra_plugins.search.SearchSweeper"},
)
"""
CHOSEN_BY_A_FILE = """
# @package _global_
hydra:
  sweeper:
    _target_: hydra_plugins.search.SearchSweeper
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where Python finds another sweeper, as if it were installed."""
    plugin = tmp_path / "path" / "hydra_plugins" / "search" / "__init__.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(SEARCH)
    return os.pathsep.join(filter(None, (str(tmp_path / "path"), os.environ.get("PYTHONPATH"))))


@pytest.mark.parametrize("name", ["search", "basic", "not_installed"])
def test_a_sweeper_that_is_typed_is_refused_before_anything_begins(
    command: Command, path: str, tmp_path: Path, name: str
) -> None:
    done = command("-m", *SMOKE, "attention=math", f"hydra/sweeper={name}", PYTHONPATH=path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"sd_bench: hydra/sweeper={name}: only hydra/sweeper=matrix")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("launcher", ["fresh_process", "basic"])
def test_a_sweeper_that_a_configuration_chooses_is_refused_before_a_round(
    command: Command, path: str, tmp_path: Path, launcher: str
) -> None:
    (tmp_path / "my" / "experiment").mkdir(parents=True)
    (tmp_path / "my" / "experiment" / "mine.yaml").write_text(CHOSEN_BY_A_FILE.lstrip())
    done = command(
        *SMOKE, "attention=math", "experiment=mine", f"hydra/launcher={launcher}",
        f"--config-dir={tmp_path / 'my'}", PYTHONPATH=path,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("sd_bench: hydra.sweeper._target_=hydra_plugins.search.SearchSweeper: ")
    assert "only hydra/sweeper=matrix is supported here" in line
    assert not list(tmp_path.rglob("round-*"))
