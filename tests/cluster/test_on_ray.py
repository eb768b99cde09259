"""Sweeps on a real Ray of this machine: each round of each cell is measured once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sd_bench.execution.folder_claim import holder_of
from tests.support import ray_cluster
from tests.support.cluster_sweeps import ClusterSweep

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(240),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: sd_bench[ray]"),
]


def make_sweep(folder: Path, *where: str) -> ClusterSweep:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    }
    fast = ("hydra.launcher.patience_s=3", "hydra.launcher.poll_s=0.5")
    return ClusterSweep(folder, ("hydra/launcher=ray", *fast, *where), environment)


@pytest.fixture
def cluster() -> Iterator[ray_cluster.RayCluster]:
    with ray_cluster.started("T4") as started:
        yield started


@pytest.mark.slow
def test_a_group_waits_for_a_node_with_its_gpu(
    tmp_path: Path, cluster: ray_cluster.RayCluster
) -> None:
    sweep = make_sweep(tmp_path, f"hydra.launcher.address={cluster.address}")
    attached = sweep.start("gpu=node_t4,node_a100", rounds=1)
    before = sweep.wait_for_records(2)
    assert {path.parts[-3] for path in before} == {"node_t4-current"}
    waiting = next(g for g in sweep.status()["groups"] if g["gpu"] == "node_a100")
    assert (waiting["word"], waiting["done"], waiting["pending"]) == ("pending", 0, 2)
    cluster.add("A100")
    sweep.finish(attached)
    sweep.check_complete(before, machines=2, rounds=1)


@pytest.mark.slow
def test_what_a_killed_worker_and_a_lost_ray_leave_is_completed(
    tmp_path: Path, cluster: ray_cluster.RayCluster
) -> None:
    address = f"hydra.launcher.address={cluster.address}"
    sweep = make_sweep(tmp_path, address)
    attached = sweep.start("gpu=node_t4")
    before = sweep.wait_for_records()
    holder = holder_of(sweep.folder / "node_t4-current")
    assert holder is not None
    os.kill(holder.process.pid, signal.SIGKILL)
    said = sweep.finish(attached, code=1)
    assert "FAILED, WorkerCrashedError" in said  # and it was not run a second time
    assert sweep.num_records() < 8
    resumed = sweep.resume()
    before |= sweep.wait_for_records(sweep.num_records() + 1)
    cluster.kill()
    resumed.communicate(timeout=100)  # it ends, one way or another
    assert sweep.num_records() < 8
    with ray_cluster.started("T4") as another:
        again = make_sweep(tmp_path, f"hydra.launcher.address={another.address}")
        again.finish(again.resume())
        again.check_complete(before)


@pytest.mark.slow
def test_a_ray_of_its_own_ends_with_ctrl_c_and_the_line_that_goes_on_is_printed(
    tmp_path: Path,
) -> None:
    sweep = make_sweep(tmp_path)
    attached = sweep.start("gpu=cpu")
    before = sweep.wait_for_records()
    attached.send_signal(signal.SIGINT)
    said = sweep.finish(attached, code=130)
    assert "continue with:" in said
    assert "resume=true" in said
    assert "cpu-current: done (FINISHED" in sweep.finish(sweep.resume())
    sweep.check_complete(before)
