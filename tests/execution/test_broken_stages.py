"""A cell that computes something else is reported with the stage, and without a speed-up."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from analysis.__main__ import main
from sd_bench.verdicts.parity import STAGES
from tests.support.commands import TINY, Command, Inject, records

pytestmark = pytest.mark.slow

#: In cells with attention=math another stage is wrong at each batch size.
_BROKEN = """\
from sd_bench.implementations.torch_networks import TorchImplementation as Networks

def breaks(self, batch_size):
    config = self.config
    return config.attention.backend == "math" and config.workload.batch_size == batch_size

def scaled(stage, batch_size, is_hit=lambda self, *_: True):
    real = getattr(Networks, stage)
    def run(self, *inputs):
        output = real(self, *inputs)
        wrong = breaks(self, batch_size) and is_hit(self, *inputs)
        return output * 0.8 if wrong else output
    setattr(Networks, stage, run)

scaled("encode_text", 1)
scaled("predict", 2)
scaled("predict", 4, lambda self, x, t, context: float(t[0]) < max(self.sampler.timesteps))
scaled("decode", 8)
"""


def test_each_broken_stage_is_named_on_the_screen_in_the_report_and_in_the_table(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(_BROKEN)
    done = command(
        "-m", *TINY, "precision=fp32", "protocol=smoke", "protocol.worker=fork",
        "protocol.warmup_unet_calls=1", "sampler.steps=2", "attention=math,original",
        "batch_size=1,2,4,8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r.status for r in records(tmp_path)} == {"ok"}
    screen = " ".join(done.stdout.split())
    told = {
        1: "it differs from the text encoder on, by ",
        2: "the UNet's first call already differs by 20 %",
        4: "it differs from a later UNet call on, or by the sampler",
        8: "(only the decoder differs, by ",
    }
    for batch_size, words in told.items():
        begin = f"No claim on math against attention original at batch size {batch_size}: "
        (_, _, after) = screen.partition(begin)
        sentence = after.partition("No claim")[0]
        assert sentence.startswith("they draw different pictures ("), screen
        assert words in sentence
        assert "times as" not in sentence
    assert main([str(tmp_path / "sweep"), "--out", str(tmp_path / "out")]) == 0
    report = (tmp_path / "out" / "report.md").read_text()
    assert all(words.strip("(") in report for words in told.values())
    with (tmp_path / "out" / "delta_full.csv").open() as lines:
        found = {
            int(row["batch_size"]): row["parity_stage"]
            for row in csv.DictReader(lines)
            if row["attention"] == "math"
        }
    assert found == dict(zip((1, 2, 4, 8), STAGES, strict=True))


_UNSEEN = """\
from sd_bench.implementations.torch_networks import TorchImplementation as Networks
def why(self):
    return "it runs none of PyTorch's" if self.config.attention.backend == "auto" else None
Networks.unprovable = property(why)
"""


def test_a_cell_whose_kernels_nobody_can_see_is_measured_and_unproven(
    command: Command, inject: Inject, tmp_path: Path
) -> None:
    inject(_UNSEEN)
    done = command(
        "-m", *TINY, "precision=fp32", "protocol=smoke", "protocol.worker=fork",
        "sampler.steps=1", "attention=math,auto", "verbose=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    screen = " ".join(done.stdout.split())
    why = "it runs none of PyTorch's"
    assert f"; unproven: the attention kernels of auto ({why}) cannot be seen." in screen
    _, begin, sentence = screen.partition("No verdict on auto against ")
    assert begin, screen
    assert "times as fast after 1 round; " in sentence.partition("unproven")[0]
    assert f"unproven: {why}" in screen
    folder = str(tmp_path / "sweep")
    assert main([folder, "--out", str(tmp_path / "out")]) == 0
    assert f"unproven ({why})" in (tmp_path / "out" / "summary.md").read_text()
    assert main(["compare", folder, folder, "--fail-if", "unproven"]) == 1
