"""Cells are grouped by what they need: a GPU, and a PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sd_bench.cluster.groups import group_cells
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import cell_hash
from tests.support.composition import Compose

BOTH = ("gpu", "torch_env")


@pytest.mark.slow
def test_cells_of_one_gpu_and_one_pytorch_are_one_group(compose_config: Compose) -> None:
    cells = [
        compose_config(f"gpu={gpu}", f"batch_size={size}")
        for size in (1, 2)
        for gpu in ("t4", "a100")
    ]
    groups = group_cells(cells, BOTH, nodes=1)
    assert [(g.name, g.indices) for g in groups] == [
        ("t4-current", (0, 2)), ("a100-current", (1, 3)),
    ]  # fmt: skip
    assert [g.scheduling.gres for g in groups] == ["gpu:t4:1", "gpu:a100:1"]
    assert [g.scheduling.accelerator_type for g in groups] == ["T4", "A100"]


@pytest.mark.parametrize(
    ("group_by", "names"),
    [(BOTH, ["t4-original", "t4-optimized"]), (("gpu",), ["t4-original-optimized"])],
)
def test_pytorches_are_apart_unless_they_are_to_be_on_one_node(
    group_by: tuple[str, ...], names: list[str], compose_config: Compose
) -> None:
    cells = [compose_config("gpu=t4", f"torch_env={env}") for env in ("original", "optimized")]
    assert [group.name for group in group_cells(cells, group_by, nodes=1)] == names


def test_cells_that_ask_for_another_node_are_another_group(compose_config: Compose) -> None:
    cells = [
        compose_config("gpu=t4", *more)
        for more in ((), ("gpu.scheduling.constraint=fast",), ("gpu.scheduling.gres=gpu:tesla:1",))
    ]
    assert [group.name for group in group_cells(cells, BOTH, nodes=1)] == [
        "t4-current", "t4-current-2", "t4-current-3",
    ]  # fmt: skip


@pytest.mark.parametrize(("group_by", "nodes"), [(("torch_env",), 1), (("gpu", "x"), 1), (BOTH, 0)])
def test_what_cannot_be_is_refused(
    group_by: tuple[str, ...], nodes: int, compose_config: Compose
) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher\."):
        group_cells([compose_config("gpu=t4")], group_by, nodes)


def test_where_a_cell_runs_does_not_change_its_identity(compose_config: Compose) -> None:
    cell = compose_config("gpu=t4")
    elsewhere = replace(cell.gpu.scheduling, gres="gpu:tesla:1", constraint="x")
    assert cell_hash(cell) == cell_hash(replace(cell, gpu=replace(cell.gpu, scheduling=elsewhere)))
    assert cell.gpu.scheduling != elsewhere
