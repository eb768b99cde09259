"""The waterfall of one change at a time: its chain, its sums, its words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from analysis import compare, load_records, summarise
from analysis.charts.kinds.waterfall import Waterfall
from analysis.charts.select.waterfalls import select_ablations
from analysis.comparison.ablation import STEPS
from tests.support.composition import Compose
from tests.support.records import sample_environment, sample_record, write_sample

SECONDS = dict(zip((name for name, _ in STEPS), (10, 9, 8.5, 7, 7.25, 5, 4), strict=True))


def chain(root: Path, *left_out: str, batch_sizes: tuple[int, ...] = (1,)) -> dict[str, Waterfall]:
    for name, runtime in SECONDS.items():
        for batch_size in batch_sizes:
            record = sample_record(float(runtime), preset=name, batch_size=batch_size)
            if name not in left_out:
                write_sample(root, record)
    return select_ablations(compare(summarise(load_records(root))))


def test_every_step_has_its_share_and_they_add_up(tmp_path: Path) -> None:
    (chart,) = chain(tmp_path).values()
    assert list(chart.changes.values()) == pytest.approx([-1, -0.5, -1.5, 0.25, -2.25, -1])
    assert list(chart.changes) == [change for _, change in STEPS[1:]]
    assert chart.begin == ("original_no_xformers", 10)
    assert chart.end[1] == pytest.approx(10 + sum(chart.changes.values())) == 4
    assert "PyTorch 2 saves 1.00 s" in chart.sentence()
    assert "nn.MultiheadAttention costs 0.250 s" in chart.sentence()
    assert "All together saves 6.00 s" in chart.sentence()


def test_where_the_first_cannot_run_the_chain_begins_with_the_next(tmp_path: Path) -> None:
    (chart,) = chain(tmp_path, "original_no_xformers").values()
    assert chart.begin == ("original_no_xformers_pt2", 9)


def test_a_gap_is_never_bridged(tmp_path: Path) -> None:
    (chart,) = chain(tmp_path, "original_half_attention_pt2").values()
    assert (chart.begin[0], chart.end[0]) in (
        ("original_no_xformers", "original_no_checkpointing_pt2"),
        ("optimized_math", "optimized_compile"),
    )
    assert len(chart.changes) == 2


def test_two_presets_are_not_a_chain(tmp_path: Path) -> None:
    keep = {"optimized_math", "optimized"}
    assert chain(tmp_path, *(name for name in SECONDS if name not in keep)) == {}


def test_each_batch_size_has_its_own_and_is_drawn(tmp_path: Path) -> None:
    charts = chain(tmp_path, batch_sizes=(1, 2))
    assert len(charts) == 2
    (axes,) = next(iter(charts.values())).draw().axes
    assert axes.get_ylabel() == "Runtime [s]"
    assert axes.get_ylim()[1] > 10


def write_chain(root: Path, factor: float, *names: str, within: str = "", **fixed: Any) -> None:
    """``within`` is the part of the sweep's folder that contains the jobs."""
    for name in names:
        record = sample_record(factor * SECONDS[name], preset=name, **fixed)
        write_sample(root, structs.replace(record, job=f"{within}{record.job}"))


def ablations_of(root: Path) -> dict[str, Waterfall]:
    return select_ablations(compare(summarise(load_records(root))))


@pytest.mark.parametrize(
    ("axis", "values", "words"),
    [
        ("precision", ("fp32", "autocast"), ("fp32", "autocast")),
        ("sampler", ("plms", "ddim"), ("plms", "ddim")),
        ("weights", ("random", "sd2"), ("weights random", "weights sd2")),
        ("steps", (20, 50), ("20 steps", "50 steps")),
    ],
)
def test_cells_that_differ_in_more_than_the_step_are_never_joined(
    tmp_path: Path, axis: str, values: tuple[Any, Any], words: tuple[str, str]
) -> None:
    """The last preset was measured with the first value only."""
    *before, last = list(SECONDS)[-4:]
    write_chain(tmp_path, 1.0, *before, last, **{axis: values[0]})
    write_chain(tmp_path, 2.0, *before, **{axis: values[1]})
    first, second = ablations_of(tmp_path).values()
    assert first.title.endswith(f"on EPYC, {words[0]}")
    assert list(first.changes.values()) == pytest.approx([0.25, -2.25, -1])
    assert second.title.endswith(f"on EPYC, {words[1]}")
    assert list(second.changes.values()) == pytest.approx([0.5, -4.5])


def test_a_chain_stays_in_one_environment_per_torch_env(tmp_path: Path) -> None:
    originals, optimized = list(SECONDS)[:3], list(SECONDS)[3:]
    for day, factor in (("monday", 1.0), ("tuesday", 2.0)):
        fixed: dict[str, Any] = {"sweep": day, "started_at": day}
        old: dict[str, Any] = {
            **fixed,
            "torch_env": "original",
            "environment": sample_environment(f"old {day}"),
        }
        write_chain(tmp_path, factor, *originals, **old)
        new: dict[str, Any] = {
            **fixed,
            "torch_env": "optimized",
            "environment": sample_environment(f"new {day}"),
        }
        write_chain(tmp_path, factor, *optimized, **new)
    on_one_machine: dict[str, Any] = {
        "sweep": "tuesday",
        "environment": sample_environment("old monday"),
    }
    write_chain(tmp_path, 1.0, originals[0], steps=9, torch_env="original", **on_one_machine)
    charts = ablations_of(tmp_path)
    named = [chart.title.partition("steps, ")[2].split(", ") for chart in charts.values()]
    assert [sorted(names) for names in named] == [
        ["environment 1", "environment 2"],
        ["environment 3", "environment 4"],
    ]
    for chart in charts.values():
        changes = [-1, -0.5, -1.5, 0.25, -2.25, -1]
        factor = chart.begin[1] / 10
        assert list(chart.changes.values()) == pytest.approx([factor * c for c in changes])


def test_environments_of_one_sweep_have_a_chain_each(tmp_path: Path) -> None:
    for number, environment in enumerate(("a", "b")):
        fixed: dict[str, Any] = {
            "environment": sample_environment(environment),
            "started_at": environment,
        }
        chain = list(SECONDS)[-3:]
        write_chain(tmp_path, 1.0 + number, *chain, within=f"{environment}-", **fixed)
    charts = ablations_of(tmp_path)
    assert [chart.title.rpartition(", ")[2] for chart in charts.values()] == [
        "environment 1",
        "environment 2",
    ]
    assert [chart.begin[1] for chart in charts.values()] == [7.25, 14.5]


def test_a_preset_with_two_cells_is_a_gap(tmp_path: Path) -> None:
    write_chain(tmp_path, 1.0, *list(SECONDS)[-3:])
    write_chain(
        tmp_path, 2.0, list(SECONDS)[-1], cell_hash="other", started_at="later", round_index=1
    )
    assert ablations_of(tmp_path) == {}


def test_an_unproven_beginning_is_marked(tmp_path: Path) -> None:
    write_chain(tmp_path, 1.0, *list(SECONDS)[-3:], proven=False)
    (chart,) = ablations_of(tmp_path).values()
    assert chart.begin[0] == "optimized_math†"


@pytest.mark.slow
def test_the_steps_are_the_experiments(compose_config: Compose) -> None:
    """Each preset exists, and differs from the previous one by what the step states."""
    facts = []
    for name, _ in STEPS:
        config = compose_config(f"preset={name}", "model_version=sd2")
        facts.append(
            {
                "torch_env": config.torch_env.name,
                "checkpointing": config.model_version.unet.use_checkpoint,
                "upcast": config.attention.upcast,
                "multihead": config.attention.uses_multihead_attention,
                "backends": len(config.attention.allowed_sdpa_backends),
                "compile": config.compile.mode,
            }
        )
    changed = [
        {key for key in before if before[key] != after[key]} for before, after in pairwise(facts)
    ]
    assert changed == [
        {"torch_env"}, {"checkpointing"}, {"upcast"}, {"multihead", "backends"}, {"backends"},
        {"compile"},
    ]  # fmt: skip
