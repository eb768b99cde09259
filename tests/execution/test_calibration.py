"""The calibration: the time of a round at each scale, and which scale fits the budget."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from sd_bench.command_lines import shown
from sd_bench.config.scaling import Size
from sd_bench.config.schema import Config
from sd_bench.execution.calibration import (
    Calibration,
    CalibrationError,
    Costs,
    Line,
    _fit,
    _group,
    _sizes_to_measure,
    calibrate,
    choose,
)
from sd_bench.execution.cell import Cell
from sd_bench.execution.plan import PlannedCell, make_plan
from sd_bench.execution.slots import Slot
from tests.support.commands import REPOSITORY, Command, records
from tests.support.composition import Compose

PIXELS = {"small": 64 * 64, "medium": 128 * 128, "large": 256 * 256}


def plan_at(compose: Compose, scale: str, *overrides: str) -> list[PlannedCell]:
    return make_plan(
        [
            Cell(
                config=compose(
                    "gpu=cpu", "model_version=sd2_tiny", f"scale={scale}", f"batch_size={batch}",
                    "attention=math", *overrides,
                ),
                index=index, label="", folder=Path(str(index)), sweep_folder=Path(),
            )
            for index, batch in enumerate((1, 2))
        ]
    )  # fmt: skip


def test_a_line_goes_through_two_points_and_is_never_negative() -> None:
    line = _fit([(100, 1.0), (300, 2.0)])
    assert (line.at(100), line.at(300), line.at(200)) == pytest.approx((1.0, 2.0, 1.5))
    falling = _fit([(100, 2.0), (300, 1.0)])
    assert falling.per_pixel_s == 0
    assert 1.0 < falling.constant_s < 2.0
    assert _fit([(100, 1.0)]).at(100) == pytest.approx(1.0)


@pytest.mark.slow
def test_the_largest_scale_is_taken_of_which_six_rounds_of_every_cell_fit(
    compose_config: Compose,
) -> None:
    plans: dict[str | None, list[PlannedCell]] = {
        scale: plan_at(compose_config, scale) for scale in PIXELS
    }
    (group,) = {_group(planned) for plan in plans.values() for planned in plan}
    nothing, linear = Line(0.0, 0.0), Line(0.0, 1 / PIXELS["medium"])
    costs = Costs(1.0, 1.0, text_encode=nothing, unet_call=linear, vae_decode=nothing)
    calibration = Calibration({group: costs}, took_s=5.0)
    # one call to warm up and three for two steps: 4 s and 8 s at batches 1 and 2, 2.6 s around each
    assert calibration.rounds_s(plans["medium"]) == pytest.approx(1.08 * (12 + 5.2))
    needed_s = 6 * 1.08 * (12 + 5.2) + 3  # a kernel proof each
    chosen = choose(plans, calibration, left_s=needed_s + 0.1, at_once=1)
    assert (chosen.scale, chosen.rounds) == ("medium", 6)
    assert chosen.needed_s == pytest.approx(needed_s)
    assert choose(plans, calibration, needed_s - 0.1, at_once=1).scale == "small"
    assert choose(plans, calibration, needed_s / 2 + 0.1, at_once=2).scale == "medium"
    assert choose(plans, calibration, 10_000, at_once=1).scale == "large"
    too_short = choose(plans, calibration, left_s=30.0, at_once=1)
    assert (too_short.scale, too_short.rounds) == ("small", 3)


def test_sizes_are_measured_from_the_smallest_to_the_largest_cell_of_each_scale() -> None:
    small, large = [Size(1, 64, 64), Size(4, 64, 64)], [Size(1, 128, 128), Size(4, 128, 128)]
    assert _sizes_to_measure([small, large]) == [small[0], small[1], large[1]]
    assert _sizes_to_measure([[Size(1, 64, 64)]]) == [Size(1, 64, 64)]


@pytest.mark.slow
def test_a_real_calibration_tells_the_time_of_each_scale(compose_config: Compose) -> None:
    plans = [plan_at(compose_config, scale) for scale in PIXELS]
    calibration = calibrate(plans, lambda config: nullcontext(Slot()))
    (costs,) = calibration.costs.values()
    assert 0 < costs.build_s < costs.start_s < calibration.took_s
    small, large = plans[0][0].cell.config, plans[2][1].cell.config
    assert 0 < costs.unet_call.at(PIXELS["small"]) < costs.unet_call.at(2 * PIXELS["large"])
    assert costs.start_s < costs.round_s(small) < costs.round_s(large)


@pytest.mark.slow
def test_a_calibration_that_fails_says_why(compose_config: Compose) -> None:
    plan = plan_at(compose_config, "small", "weights=/nowhere/at.all")
    with pytest.raises(CalibrationError, match="nowhere"):
        calibrate([plan], lambda config: nullcontext(Slot()))


@pytest.mark.slow
def test_a_sweep_within_a_budget_keeps_its_scale_and_its_looks(
    command: Command, tmp_path: Path
) -> None:
    """Two cells of one comparison, and a budget with room for one round of each."""
    matrix = ("-m", "gpu=cpu", "model_version=sd2_tiny", "attention=math,original")
    done = command(*matrix, "protocol.budget=12s")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    same = shown("sd_bench", "-m", "gpu=cpu", "model_version=sd2_tiny", "attention=math,original")
    assert f"scale=small, of small, medium, large; to run the same again: {same} " in words
    assert "but verdicts need 6: the costliest may rest after two rounds; protocol.bu" in words
    assert "a verdict needs at least 6" in words
    assert "no further round fits into protocol.budget=12s" in done.stdout
    found = records(tmp_path)
    assert found
    assert len(found) % 2 == 0  # a round that has begun is finished for every cell
    assert {r.config["scale"] for r in found} == {"small"}
    for record in found:
        assert record.looks is not None
        assert (record.looks.looks, record.looks.family) == ([6], 1)
        assert (record.looks.baseline, record.looks.asked_by) == ("attention=original", 0)
    stored = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert stored["arguments"][-1] == "scale=small"
    again = command("resume=true", "dry_run=true")
    assert "scaled down: image 64" not in again.stdout  # the tiny model's own size
    assert f"{12 - len(found)} round(s) to run" in again.stdout
    added = command("resume=true", "more_rounds=1")
    assert added.returncode == 0, added.stderr
    assert len(records(tmp_path)) == len(found) + 2
    assert {r.looks and tuple(r.looks.looks) for r in records(tmp_path)} == {(6,)}
    refused = command("resume=true", "more_rounds=90")
    assert refused.returncode == 2
    assert "planned to end after 12" in refused.stderr


@pytest.mark.slow
def test_an_interrupted_calibration_names_no_sweep_to_go_on_with(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sd_bench", "-m", f"hydra.sweep.dir={tmp_path / 'sweep'}",
               "gpu=cpu", "model_version=sd2_tiny", "attention=math,original"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert "a short measurement first" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, "interrupted")


def test_scale_is_no_part_of_a_cell(compose_config: Compose) -> None:
    def hash_of(config: Config) -> str:
        return Cell(
            config=config, index=0, label="", folder=Path(), sweep_folder=Path()
        ).hash  # fmt: skip

    by_name = compose_config("gpu=cpu", "scale=medium")
    by_hand = compose_config(
        "gpu=cpu", "workload.height=128", "workload.width=128", "sampler.steps=2"
    )
    assert hash_of(by_name) == hash_of(by_hand)
