"""A real Ray of several nodes on this machine, which may lose its head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RayCluster:
    """Its nodes are raylets of this machine that say which GPU they have."""

    def __init__(self, *gpus: str) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        for gpu in gpus:
            self.add(gpu)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, gpu: str) -> Any:
        """Another node, with one GPU of this type."""
        return self._cluster.add_node(
            num_cpus=1, num_gpus=1, resources={f"accelerator_type:{gpu}": 1}
        )

    def kill_head(self) -> None:
        self._cluster.remove_node(self._cluster.head_node, allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


@contextmanager
def started(*gpus: str) -> Iterator[RayCluster]:
    """A cluster with a node for each of these types, ended with the context."""
    cluster = RayCluster(*gpus)
    try:
        yield cluster
    finally:
        cluster.stop()
