"""Hydra's other launchers, which run jobs elsewhere: the exit code comes from the records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import SMOKE, Command, records

#: Runs every job in a separate process and returns Hydra's result, as joblib does.
LAUNCHER = """
import os, pickle
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf, open_dict


class ElsewhereLauncher(Launcher):
    def setup(self, *, hydra_context, task_function, config):
        self.parts = hydra_context, task_function, config

    def launch(self, job_overrides, initial_job_idx):
        return [self.run(i, list(o)) for i, o in enumerate(job_overrides, initial_job_idx)]

    def run(self, index, overrides):
        context, task, config = self.parts
        read, write = os.pipe()
        if os.fork() == 0:
            job = context.config_loader.load_sweep_config(config, overrides)
            with open_dict(job):
                job.hydra.job.id = job.hydra.job.num = index
            done = run_job(task, job, "hydra.sweep.dir", "hydra.sweep.subdir", context)
            os.write(write, pickle.dumps(done))
            os._exit(0)
        os.close(write)
        with open(read, "rb") as answer:
            done = pickle.loads(answer.read())
        os.wait()
        return done


ConfigStore.instance().store(
    group="hydra/launcher", name="elsewhere",
    node={"_target_": "hydra_plugins.elsewhere.ElsewhereLauncher"},
)
"""


@pytest.mark.parametrize(("limit", "code"), [("0.2", 1), ("null", 0)])
@pytest.mark.slow
def test_the_exit_code_is_that_of_the_records_where_jobs_run_in_other_processes(
    limit: str, code: int, command: Command, tmp_path: Path
) -> None:
    plugin = tmp_path / "path" / "hydra_plugins" / "elsewhere" / "__init__.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(LAUNCHER)
    path = os.pathsep.join(filter(None, (str(tmp_path / "path"), os.environ.get("PYTHONPATH"))))
    done = command(
        "-m", *SMOKE, "attention=math", "hydra/launcher=elsewhere",
        f"protocol.time_limit_s={limit}", PYTHONPATH=path,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert [r.status for r in records(tmp_path)] == (["timeout"] if code else ["ok"])
