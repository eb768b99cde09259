"""The name and the colour of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import compare, load_records, summarise
from analysis.charts.colours import colour_series
from analysis.comparison.rows import DeltaRow
from analysis.ingest.rows import CellRow
from analysis.rows import list_rows
from analysis.series import order_series
from analysis.wording.cell_names import name_choices
from analysis.wording.findings import state_findings
from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.verdicts.axes import PUBLISHED_PRESETS
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_latents,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)


def series(root: Path) -> list[str]:
    return order_series(summarise(load_records(root)))


def sweep(root: Path, axes: tuple[str, ...], cells: list[tuple[Any, ...]]) -> list[str]:
    write_sweep(root, {cell: [1.0] for cell in cells}, axes=axes)
    return series(root)


def test_the_value_of_the_axis_that_varies_names_the_series(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    assert series(tmp_path) == ["math", "flash"]


def test_compile_is_named_where_it_is_on(tmp_path: Path) -> None:
    cells = [("math", "off"), ("math", "default"), ("flash", "off")]
    assert sweep(tmp_path, ("attention", "compile"), cells) == [
        "math",
        "math, compile default",
        "flash",
    ]


def test_compile_off_is_named_where_nothing_else_is(tmp_path: Path) -> None:
    cells = [("off",), ("default",)]
    assert sweep(tmp_path, ("compile",), cells) == ["compile off", "compile default"]


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("precision", ("bf16", "fp32"), ["fp32", "bf16"]),
        ("sampler", ("ddim", "plms"), ["plms", "ddim"]),
        ("torch_env", ("optimized", "original"), ["torch_env original", "torch_env optimized"]),
    ],
)
def test_other_axes_name_series_too(
    tmp_path: Path, axis: str, values: tuple[str, ...], expected: list[str]
) -> None:
    assert sweep(tmp_path, (axis,), [(value,) for value in values]) == expected


def test_what_attention_computes_in_is_named_where_one_attention_has_several(
    tmp_path: Path,
) -> None:
    cells = [("math", "true"), ("math", "false"), ("flash", "false")]
    assert sweep(tmp_path, ("attention", "upcast"), cells) == [
        "math, upcast true",
        "math, upcast false",
        "flash",
    ]


def test_what_follows_from_the_attention_is_not_named(tmp_path: Path) -> None:
    cells = [("original", "true"), ("math", "default"), ("flash", "false")]
    assert sweep(tmp_path, ("attention", "upcast"), cells) == [
        "attention original",
        "math",
        "flash",
    ]


def test_presets_name_series_in_the_published_order(tmp_path: Path) -> None:
    cells = [(name,) for name in sorted(PRESETS)]
    assert sweep(tmp_path, ("preset",), cells) == list(PUBLISHED_PRESETS)


def test_a_preset_that_varies_says_how(tmp_path: Path) -> None:
    cells = [("original_xformers", "fp32"), ("original_xformers", "bf16"), ("optimized", "bf16")]
    assert sweep(tmp_path, ("preset", "precision"), cells) == [
        "original_xformers, fp32",
        "original_xformers, bf16",
        "optimized",
    ]


def test_implementations_are_named_with_what_is_on(tmp_path: Path) -> None:
    cells = [
        ("openvino", "off", None),
        ("diffusers", "default", "channels_last+freezing"),
        ("diffusers", "off", None),
        ("sd_bench", "off", "channels_last"),
    ]
    assert sweep(tmp_path, ("implementation", "compile", "optimizations"), cells) == [
        "sd_bench, channels_last",
        "diffusers",
        "diffusers, compile default, channels_last + freezing",
        "openvino",
    ]


def test_no_optimizations_are_named_where_nothing_else_is(tmp_path: Path) -> None:
    cells = [(None,), ("channels_last",)]
    assert sweep(tmp_path, ("optimizations",), cells) == ["no optimizations", "channels_last"]


def test_records_older_than_implementations_keep_their_names(tmp_path: Path) -> None:
    write_sweep(tmp_path / "old", {("math",): [1.0], ("flash",): [1.0]}, axes=("attention",))
    assert series(tmp_path) == ["math", "flash"]
    (row, _) = list_rows(summarise(load_records(tmp_path)), CellRow)
    assert (row["implementation"], row["optimizations"]) == ("sd_bench", "none")


def test_the_attention_original_is_not_taken_for_the_preset(tmp_path: Path) -> None:
    cells = [("original",), ("flash",)]
    assert sweep(tmp_path, ("attention",), cells) == ["attention original", "flash"]


def test_what_differs_between_machines_only_is_not_in_the_name(tmp_path: Path) -> None:
    for gpu, precision in (("cpu", "bf16"), ("h100", "autocast")):
        environment = sample_environment(gpu)
        record = sample_record(1.0, environment=environment, gpu=gpu, precision=precision)
        write_sample(tmp_path, record)
    assert series(tmp_path) == ["flash"]


def test_cells_at_the_same_place_of_a_chart_are_distinguished_by_hash(tmp_path: Path) -> None:
    for cell_hash in ("aaaaaaaaaa", "bbbbbbbbbb"):
        write_sample(tmp_path, sample_record(1.0, sweep=cell_hash, cell_hash=cell_hash))
    assert series(tmp_path) == ["flash #aaaaaaa", "flash #bbbbbbb"]


def test_environments_at_the_same_place_of_a_chart_are_distinguished(tmp_path: Path) -> None:
    for fingerprint in ("aaa", "bbb"):
        environment = sample_environment(fingerprint)
        attention = f"of {fingerprint}"  # the two met in one sweep, so they share a machine
        write_sample(tmp_path, sample_record(1.0, environment=environment, attention=attention))
        started_at = f"2026-11-2{len(fingerprint)}T{fingerprint}"
        record = sample_record(1.0, environment=environment, started_at=started_at)
        write_sample(tmp_path / fingerprint, record)
    assert series(tmp_path) == [
        "flash, environment 1",
        "flash, environment 2",
        "of aaa",
        "of bbb",
    ]


def test_math_is_named_with_what_it_computes_in_everywhere(tmp_path: Path) -> None:
    cells: dict[tuple[Any, ...], list[float]] = {("math",): [2.0, 2.1], ("flash",): [1.0, 1.1]}
    write_sweep(tmp_path, cells, axes=("attention",), precision="bf16")
    deltas = compare(summarise(load_records(tmp_path)))
    math, flash = "math (fp32 inside)", "flash"
    assert order_series(deltas) == [math, flash]
    assert set(deltas["baseline"]) == {f"attention={math}"}
    assert f"No verdict on flash against {math} at" in " ".join(state_findings(deltas))
    colours = colour_series([math, flash])
    assert colours[math] == BACKENDS_BY_NAME["math"].colour
    (row, _) = list_rows(deltas, DeltaRow)
    assert name_choices(row)["attention"] == math


def test_what_math_computes_in_is_named_where_the_precision_varies(tmp_path: Path) -> None:
    cells = [("math", "fp32"), ("math", "bf16")]
    assert sweep(tmp_path, ("attention", "precision"), cells) == [
        "math, fp32",
        "math (fp32 inside), bf16",
    ]


def with_picture(root: Path, **picture: Any) -> None:
    """A cell with this seed and prompt, whose hash depends only on them."""
    config = {
        "workload": {"seed": picture.get("seed", 1)},
        "prompt": picture.get("prompt", "A cat"),
    }
    for attention in ("math", "flash"):
        record = sample_record(
            1.0,
            config=config,
            attention=attention,
            cell_hash=f"{attention} {picture}",
            extra={"job": f"{attention} {picture}"},
        )
        write_sample(root, record)


def test_seeds_name_series_and_are_held_equal(tmp_path: Path) -> None:
    for seed in (1, 2):
        with_picture(tmp_path, seed=seed)
    assert series(tmp_path) == ["math, seed 1", "math, seed 2", "flash, seed 1", "flash, seed 2"]
    deltas = compare(summarise(load_records(tmp_path)))
    assert set(deltas["baseline"]) == {"attention=math"}
    assert not deltas["speedup"].isna().any()


def test_prompts_name_series_as_short_as_they_differ(tmp_path: Path) -> None:
    begin = "a photograph of an astronaut riding a"
    for prompt in (f"{begin} horse", f"{begin} bicycle", ["a cat", "a dog"]):
        with_picture(tmp_path, prompt=prompt)
    assert [name for name in series(tmp_path) if "flash" in name] == [
        'flash, prompt "a cat | a dog"',
        'flash, prompt "…bicycle"',
        'flash, prompt "…horse"',
    ]


def test_a_seed_is_a_baseline_only_if_it_is_asked_for(tmp_path: Path) -> None:
    for seed in (1, 2):
        record = sample_record(1.0, config={"workload": {"seed": seed}}, cell_hash=f"of {seed}")
        write_sample(tmp_path / str(seed), record, sample_latents(change=0.1 * seed))
    cells = summarise(load_records(tmp_path))
    reason = "no baseline: only seed varies; --baseline seed=1 compares"
    assert set(compare(cells)["no_delta_reason"]) == {reason}
    (_, second) = list_rows(compare(cells, "seed=1"), DeltaRow)
    assert second["speedup"] == 1.0
    assert (second["parity_ok"], second["parity_reason"]) == (None, "another seed")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"workload": {"guidance_scale": 5.0}}, "guidance_scale 5"),
        ({"sampler": {"eta": 0.5}}, "eta 0.5"),
        ({"weights_seed": 3}, "weights_seed 3"),
    ],
)
def test_other_settings_of_the_picture_name_series_and_are_held_equal(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    usual = {"workload": {"guidance_scale": 9.0}, "sampler": {"eta": 0.0}, "weights_seed": 0}
    for at, config in enumerate((usual, {**usual, **changed})):
        for attention, seconds in (("math", 2.0), ("flash", 1.0)):
            record = sample_record(
                seconds, attention=attention, config=config, cell_hash=f"{attention} {at}"
            )
            write_sample(tmp_path / f"{attention}-{at}", record)
    deltas = compare(summarise(load_records(tmp_path)))
    names = set(deltas["series"])
    assert f"flash, {named}" in names
    assert not any("#" in name for name in names)
    of_flash = [row for row in list_rows(deltas, DeltaRow) if row["attention"] == "flash"]
    assert [row["speedup"] for row in of_flash] == [2.0, 2.0]
