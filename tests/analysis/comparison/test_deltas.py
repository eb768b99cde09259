"""Baselines: which one is chosen, which cell it is for each cell, and the results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import (
    AnalysisError,
    choose_baseline,
    compare,
    improvement_percent,
    load_records,
    speedup,
    summarise,
)
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)


def cells_of(root: Path) -> pd.DataFrame:
    return summarise(load_records(root))


def chosen(root: Path, name: str | None = None) -> str:
    return str(choose_baseline(cells_of(root), name))


def compared(root: Path, name: str | None = None) -> list[dict[Any, Any]]:
    return compare(cells_of(root), name).to_dict("records")


def write_presets(root: Path, *names: str, **choices: Any) -> None:
    write_sweep(
        root,
        {(name,): [10.0 - number] for number, name in enumerate(names)},
        axes=("preset",),
        **choices,
    )


def test_improvement_and_speedup_are_the_published_measures() -> None:
    assert improvement_percent(10.0, 8.0) == pytest.approx(20.0)
    assert improvement_percent(10.0, 12.0) == pytest.approx(-20.0)
    assert speedup(10.0, 8.0) == 1.25


def test_original_is_the_usual_baseline_of_presets(tmp_path: Path) -> None:
    write_presets(tmp_path, *PRESETS)
    assert chosen(tmp_path) == "original_xformers"


def test_a_preset_without_a_measured_round_is_not_the_usual_baseline(
    tmp_path: Path,
) -> None:
    write_presets(tmp_path, "original_no_xformers", "optimized")
    bundle = PRESETS["original_xformers"]
    record = sample_record(
        status="unsupported", reason="needs CUDA", preset="original_xformers", **bundle
    )
    write_sample(tmp_path, record)
    assert chosen(tmp_path) == "original_no_xformers"


def test_without_the_original_its_twin_is_the_usual_baseline(tmp_path: Path) -> None:
    write_presets(tmp_path, "original_no_xformers", "original_xformers_pt2", "optimized")
    assert chosen(tmp_path) == "original_xformers_pt2"


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("attention", ("flash", "math"), "attention=math"),
        ("attention", ("flash", "math", "original"), "attention=original"),
        ("attention", ("flash", "cudnn"), "attention=flash"),
        ("compile", ("default", "off"), "compile=off"),
        ("precision", ("fp16", "autocast"), "precision=autocast"),
        ("precision", ("autocast", "fp32"), "precision=fp32"),
        ("torch_env", ("optimized", "original"), "torch_env=original"),
        ("sampler", ("ddim", "plms"), "sampler=plms"),
        ("steps", (50, 25), "steps=25"),
    ],
)
def test_the_usual_baseline_of_an_axis(
    tmp_path: Path, axis: str, values: tuple[Any, ...], expected: str
) -> None:
    write_sweep(tmp_path, {(value,): [1.0] for value in values}, axes=(axis,))
    assert chosen(tmp_path) == expected


def test_attention_comes_before_compile_and_batch_size_never(tmp_path: Path) -> None:
    cells = [(b, a, c) for b in (1, 2) for a in ("flash", "math") for c in ("off", "default")]
    write_sweep(
        tmp_path, {cell: [1.0] for cell in cells}, axes=("batch_size", "attention", "compile")
    )
    assert chosen(tmp_path) == "attention=math"


def test_with_batch_sizes_only_there_is_no_baseline(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1,): [1.0], (2,): [2.0]}, axes=("batch_size",))
    assert choose_baseline(cells_of(tmp_path)) is None
    rows = compared(tmp_path)
    assert all(math.isnan(row["improvement_percent"]) for row in rows)
    assert rows[0]["no_delta_reason"] == "no baseline: nothing varies"


def test_a_baseline_can_be_named(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    assert chosen(tmp_path, "attention=flash") == "attention=flash"
    assert chosen(tmp_path, "steps=4") == "steps=4"


def test_a_preset_is_named_without_its_axis(tmp_path: Path) -> None:
    write_presets(tmp_path, *PRESETS)
    assert chosen(tmp_path, "optimized_math") == "optimized_math"
    assert chosen(tmp_path, "preset=optimized_math") == "optimized_math"


@pytest.mark.parametrize("name", ["original", "attention=cudnn", "colour=red", "", "=", "a=b=c"])
def test_an_unknown_baseline_lists_those_there_are(tmp_path: Path, name: str) -> None:
    write_main_sweep(tmp_path)
    with pytest.raises(AnalysisError, match=r"there are: attention=math, attention=flash,"):
        choose_baseline(cells_of(tmp_path), name)


def test_the_list_of_baselines_has_every_gpu(tmp_path: Path) -> None:
    for gpu in ("t4", "h100"):
        write_sample(tmp_path, sample_record(1.0, gpu=gpu, environment=sample_environment(gpu)))
    with pytest.raises(AnalysisError, match=r"gpu=t4, gpu=h100$"):
        choose_baseline(cells_of(tmp_path), "gpu=a100")
    assert chosen(tmp_path, "gpu=t4") == "gpu=t4"


@pytest.mark.parametrize("name", ["batch_size=1", "batch_size=9", "n_iter=1"])
def test_another_amount_of_work_is_not_a_baseline(tmp_path: Path, name: str) -> None:
    write_main_sweep(tmp_path)
    with pytest.raises(AnalysisError, match=r"cannot be .* images/s .* attention=math,"):
        choose_baseline(cells_of(tmp_path), name)


def test_without_a_measured_cell_there_is_no_baseline(tmp_path: Path) -> None:
    for attention in ("math", "flash"):
        record = sample_record(status="oom", reason="12 GiB", attention=attention)
        write_sample(tmp_path, record)
    reasons = {row["no_delta_reason"] for row in compared(tmp_path)}
    assert reasons == {"no baseline: no cell was measured"}


def test_each_cell_is_compared_to_its_own_batch_size(tmp_path: Path) -> None:
    seconds = {(1, "math"): [10.0], (1, "flash"): [8.0], (4, "math"): [40.0], (4, "flash"): [50.0]}
    write_sweep(tmp_path, seconds)
    rows = {(row["batch_size"], row["attention"]): row for row in compared(tmp_path)}
    assert rows[1, "flash"]["improvement_percent"] == pytest.approx(20.0)
    assert rows[1, "flash"]["speedup"] == pytest.approx(1.25)
    assert rows[4, "flash"]["improvement_percent"] == pytest.approx(-25.0)
    assert rows[4, "flash"]["baseline_s"] == 40.0
    assert rows[4, "math"]["is_baseline"]
    assert rows[4, "math"]["speedup"] == 1.0


def test_with_one_round_on_a_side_the_speedup_is_of_that_pair(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [10.0, 30.0], (1, "flash"): [5.0]})
    flash = next(row for row in compared(tmp_path) if row["attention"] == "flash")
    assert (flash["baseline_s"], flash["speedup"]) == pytest.approx((10.0, 2.0))
    assert (flash["method"], flash["verdict"]) == ("paired", "too few rounds")
    assert math.isnan(flash["speedup_low"])


def test_runtime_speedup_and_improvement_are_of_one_estimate(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [10.0, 20.0, 40.0], (1, "flash"): [5.0, 5.0]})
    flash = next(row for row in compared(tmp_path) if row["attention"] == "flash")
    assert flash["speedup"] == pytest.approx(math.sqrt(2.0 * 4.0))
    assert flash["improvement_percent"] == pytest.approx(100 * (1 - 1 / math.sqrt(8.0)))
    assert flash["baseline_s"] == pytest.approx(math.sqrt(10.0 * 20.0))
    assert flash["baseline_s"] / flash["cell_s"] == pytest.approx(flash["speedup"])
    assert flash["pairing"] == "2 of 3 rounds paired"


def write_two_days(root: Path, **second: Any) -> None:
    """Two sweeps of one name, eight rounds of math and flash each; flash is slower in one."""
    eight = [10.0, 10.1, 9.9, 10.0, 10.2, 9.8, 10.1, 10.0]
    for day, runtimes, more in (("mon", eight, {}), ("tue", [s * 1.3 for s in eight], second)):
        for at in range(8):
            started_at = f"{day} {at}"
            same = {"round_index": at, "sweep": "out/sweep", "started_at": started_at, **more}
            write_sample(root / day, sample_record(eight[at], attention="math", **same))
            write_sample(root / day, sample_record(runtimes[at], attention="flash", **same))


def test_rounds_of_two_sweeps_of_one_name_are_all_kept(tmp_path: Path) -> None:
    write_two_days(tmp_path)
    rows = {row["attention"]: row for row in compared(tmp_path)}
    assert rows["flash"]["sweeps"] == ("out/sweep",)
    assert len(rows["flash"]["runs"]) == 16
    assert (rows["flash"]["method"], rows["flash"]["pairs"]) == ("paired", 16)
    assert rows["flash"]["speedup"] == pytest.approx(1.3**-0.5)


def test_rounds_of_two_machines_with_sweeps_of_one_name_are_not_paired(tmp_path: Path) -> None:
    write_two_days(tmp_path, environment=sample_environment("another", device="EPYC 2"))
    rows = compared(tmp_path, "env=EPYC")
    assert {row["method"] for row in rows if row["env"] == "EPYC 2"} == {"unpaired"}


def test_a_cell_that_two_jobs_of_a_sweep_measured_loses_no_round(tmp_path: Path) -> None:
    for job, runtime_s in (("0", 1.0), ("1", 4.0)):
        write_sample(tmp_path, sample_record(runtime_s, extra={"job": job}, started_at=job))
    (row,) = compared(tmp_path)
    assert sorted(row["runs"].values()) == [1.0, 4.0]


def test_a_cell_of_another_environment_is_not_a_baseline(tmp_path: Path) -> None:
    for sweep, attention in (("s1", "math"), ("s2", "flash")):
        environment = sample_environment(fingerprint=attention)
        record = sample_record(1.0, attention=attention, environment=environment, sweep=sweep)
        write_sample(tmp_path, record)
    rows = compared(tmp_path, "attention=math")
    flash = next(row for row in rows if row["attention"] == "flash")
    assert math.isnan(flash["improvement_percent"])
    assert flash["no_delta_reason"] == "no cell with attention=math and the rest equal"
    assert flash["parity_reason"] == "no baseline"


def test_environments_that_met_in_a_sweep_are_not_compared_either(tmp_path: Path) -> None:
    for attention in ("math", "flash"):
        environment = sample_environment(fingerprint=attention)
        write_sample(tmp_path, sample_record(1.0, attention=attention, environment=environment))
    cells = cells_of(tmp_path).assign(machine="cpu")
    rows = compare(cells, "attention=math").to_dict("records")
    flash = next(row for row in rows if row["attention"] == "flash")
    assert flash["no_delta_reason"] == "no cell with attention=math and the rest equal"


def test_torch_environments_are_compared_across_fingerprints(tmp_path: Path) -> None:
    for torch_env, runtime_s in (("original", 10.0), ("optimized", 5.0)):
        environment = sample_environment(fingerprint=torch_env)
        write_sample(
            tmp_path, sample_record(runtime_s, torch_env=torch_env, environment=environment)
        )
    rows = {row["torch_env"]: row for row in compared(tmp_path)}
    assert rows["optimized"]["speedup"] == pytest.approx(2.0)


def test_presets_are_compared_across_what_they_bundle(tmp_path: Path) -> None:
    for number, (name, bundle) in enumerate(PRESETS.items()):
        environment = sample_environment(fingerprint=bundle["torch_env"])
        record = sample_record(10.0 - number, preset=name, environment=environment, **bundle)
        write_sample(tmp_path, record)
    rows = {row["preset"]: row for row in compared(tmp_path)}
    assert all(row["baseline_s"] == pytest.approx(9.0) for row in rows.values())
    assert rows["optimized_compile"]["improvement_percent"] == pytest.approx(100 / 3)


def test_presets_are_compared_whatever_their_attention_computes_in(tmp_path: Path) -> None:
    seconds = {("original_no_xformers", "true"): [8.0], ("optimized", "false"): [4.0]}
    write_sweep(tmp_path, seconds, axes=("preset", "upcast"))
    rows = {row["preset"]: row for row in compared(tmp_path, "original_no_xformers")}
    assert rows["optimized"]["speedup"] == pytest.approx(2.0)


def test_upcast_is_offered_where_it_was_chosen(tmp_path: Path) -> None:
    write_sweep(tmp_path / "one", {("true",): [1.0]}, ("upcast",))
    write_sweep(tmp_path / "two", {("true",): [1.0], ("false",): [1.0]}, ("upcast",))
    for name, offered in (("one", False), ("two", True)):
        with pytest.raises(AnalysisError) as caught:
            choose_baseline(cells_of(tmp_path / name), "nothing")
        assert ("upcast=true" in str(caught.value)) is offered


def test_a_preset_is_compared_at_equal_precision(tmp_path: Path) -> None:
    seconds = {
        ("original_xformers", "fp32"): [20.0],
        ("original_xformers", "bf16"): [10.0],
        ("optimized", "fp32"): [10.0],
        ("optimized", "bf16"): [8.0],
    }
    write_sweep(tmp_path, seconds, axes=("preset", "precision"))
    rows = {(row["preset"], row["precision"]): row for row in compared(tmp_path)}
    assert rows["optimized", "fp32"]["speedup"] == pytest.approx(2.0)
    assert rows["optimized", "bf16"]["speedup"] == pytest.approx(1.25)
    assert rows["original_xformers", "fp32"]["is_baseline"]


def test_two_machines_have_their_own_baselines(tmp_path: Path) -> None:
    for sweep, factor in (("s1", 1.0), ("s2", 3.0)):
        environment = sample_environment(fingerprint=sweep)
        for name, runtime_s in (("original_xformers", 10.0), ("optimized", 5.0)):
            record = sample_record(
                runtime_s * factor, preset=name, sweep=sweep, environment=environment
            )
            write_sample(tmp_path, record)
    rows = compared(tmp_path)
    found = sorted(row["baseline_s"] for row in rows)
    assert found == pytest.approx([10.0, 10.0, 30.0, 30.0])


def test_two_baselines_that_fit_equally_well_are_reported_not_guessed(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(8.0, attention="flash"))
    for cell_hash in ("aaa", "bbb"):
        started_at = f"2026-11-23T{cell_hash}"
        record = sample_record(10.0, attention="math", cell_hash=cell_hash, started_at=started_at)
        write_sample(tmp_path / cell_hash, record)
    flash = next(row for row in compared(tmp_path) if row["attention"] == "flash")
    assert math.isnan(flash["speedup"])
    assert flash["no_delta_reason"] == "2 cells with attention=math fit"


def test_a_failed_baseline_says_why_there_is_no_delta(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "flash"): [8.0]})
    write_sample(tmp_path, sample_record(status="oom", reason="12 GiB", attention="math"))
    rows = {row["attention"]: row for row in compared(tmp_path, "attention=math")}
    assert rows["flash"]["no_delta_reason"] == "baseline oom: 12 GiB"
    assert math.isnan(rows["math"]["speedup"])


def test_each_machine_has_its_usual_baseline(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    for name in ("original_xformers", "optimized"):
        environment = sample_environment("another")
        write_sample(tmp_path, sample_record(5.0, preset=name, environment=environment, gpu="h100"))
    rows = compared(tmp_path)
    assert {(row["machine"], row["baseline"]) for row in rows} == {
        ("EPYC", "attention=math"),
        ("H100", "original_xformers"),
    }
    assert not any(math.isnan(row["speedup"]) for row in rows)


def test_each_workload_has_its_usual_baseline(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    write_presets(tmp_path, "original_xformers", "optimized", model_version="sd1")
    rows = compared(tmp_path)
    assert {(row["model_version"], row["baseline"]) for row in rows} == {
        ("sd2", "attention=math"),
        ("sd1", "original_xformers"),
    }


def test_workloads_are_compared_where_nothing_else_varies(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(25,): [1.0], (50,): [2.0]}, axes=("steps",))
    assert [(row["baseline"], row["speedup"]) for row in compared(tmp_path)] == [
        ("steps=25", 1.0),
        ("steps=25", 0.5),
    ]


def test_a_named_baseline_holds_for_all_machines(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    write_presets(tmp_path, "original_xformers", "optimized", model_version="sd1")
    assert {row["baseline"] for row in compared(tmp_path, "original_xformers")} == {
        "original_xformers"
    }


def test_rows_stay_in_the_order_of_the_cells(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    write_presets(tmp_path, "original_xformers", "optimized", steps=50)
    cells = cells_of(tmp_path)
    assert list(compare(cells)["cell_hash"]) == list(cells["cell_hash"])


def test_parity_is_taken_against_the_baseline_cell(tmp_path: Path) -> None:
    seconds = {(2, "math"): [10.0], (2, "flash"): [8.0], (2, "cudnn"): [7.0]}
    changes = {(2, "flash"): 5e-4, (2, "cudnn"): 0.02}
    write_sweep(tmp_path, seconds, changes=changes)
    rows = {row["attention"]: row for row in compared(tmp_path)}
    assert rows["math"]["parity_reason"] == "reference"
    assert rows["flash"]["parity"] == pytest.approx(5e-4, rel=1e-3)
    assert rows["flash"]["parity_ok"] is True
    assert rows["cudnn"]["parity"] == pytest.approx(0.02, rel=1e-3)
    assert rows["cudnn"]["parity_ok"] is False
    assert rows["cudnn"]["flags"] == "‡"
