"""A real Ray of several nodes on this machine, which may be killed as a whole.

It is held by a separate process, ``python -m tests.support.ray_cluster T4``, which answers each
line on its standard input with one: ``add A100``, ``kill`` (all nodes at once), ``stop``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.commands import REPOSITORY

_LIMIT_S = 60


class RayCluster:
    """Its nodes are raylets on this machine that declare a type of GPU."""

    def __init__(self, *gpus: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ray_cluster", *gpus],
            cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        )  # fmt: skip
        self.address = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("answer:"):
                return line.partition(":")[2].strip()
        raise RuntimeError("Ray did not start")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def add(self, gpu: str) -> None:
        """Add a node with one GPU of this type."""
        self._ask(f"add {gpu}")

    def kill(self) -> None:
        """Kill all of it, as a restart of its machine would."""
        self._ask("kill")

    def stop(self) -> None:
        self._process.communicate("stop\n", timeout=_LIMIT_S)


@contextmanager
def started(*gpus: str) -> Iterator[RayCluster]:
    """A cluster with one node for each of these types, which ends with the context."""
    cluster = RayCluster(*gpus)
    try:
        yield cluster
    finally:
        cluster.stop()


def hold(gpus: list[str]) -> None:
    """Hold a cluster until ``stop``, or the end of standard input."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )

    def add(gpu: str) -> object:
        resources = {f"accelerator_type:{gpu}": 1}
        return cluster.add_node(num_cpus=1, num_gpus=1, resources=resources)

    nodes = [add(gpu) for gpu in gpus]
    print(f"answer:{cluster.address}", flush=True)
    for line in sys.stdin:
        word, _, gpu = line.strip().partition(" ")
        if word == "add":
            nodes.append(add(gpu))
        elif word == "kill":
            for node in [*nodes, cluster.head_node]:
                cluster.remove_node(node, allow_graceful=False)
            nodes.clear()
        else:
            break
        print("answer:done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    hold(sys.argv[1:])
