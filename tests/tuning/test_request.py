"""The command line of ``tune``: what is its own, what is the workload's, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.errors import ConfigError
from sd_bench.tuning.request import Request, read_request


def test_own_options_are_told_from_the_workload(tmp_path: Path) -> None:
    file = tmp_path / "lines.py"
    found = read_request(
        ["batch_size=2", "budget=90s", "--write", str(file), "images=20", "start_from=a.json",
         "attention_backend=math"]
    )  # fmt: skip
    assert found == Request(
        overrides=("batch_size=2", "attention_backend=math"),
        budget_s=90,
        images=20,
        start_from=Path("a.json"),
        write_to=file,
    )
    assert read_request([]) == Request(overrides=(), budget_s=600, images=1000)
    assert read_request([f"--write={file}"]).write_to == file


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("budget=soon", "budget=soon: write 270s, 10min or 2h"),
        ("budget=0", "write 270s"),
        ("images=false", "number of images within which compiling must pay off"),
        ("images=0", "number of images"),
        ("images=", "images=: has no value"),
        ("budget=", "budget=: has no value"),
        ("start_from=", "start_from=: has no value"),
        ("--frobnicate", "one flag, --write FILE"),
        ("-m", "one flag, --write FILE"),
        ("--write", "name a file"),
        ("--write=/no/such/folder/x.py", "in an existing folder"),
        ("batch_size", "write NAME=VALUE"),
        ("batch_size=1,2", "one workload; name one value"),
        ("attention=choice(math,flash)", "one workload; name one value"),
        ("preset=tuned", "is what a tune finds"),
        ("experiment=peers", "makes its own cells"),
        ("resume=last", "run the same tune again to continue it"),
        ("protocol.budget=5min", "write budget=10min"),
        ("hydra.sweep.dir=x", "multirun_outputs/tune"),
        ("dry_run=true", "the table of a tune"),
    ],
)
def test_what_cannot_be_is_one_line(argument: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_request([argument])
