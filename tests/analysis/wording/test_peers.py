"""The sentences on a sweep of peers."""

from __future__ import annotations

from pathlib import Path

from analysis import load_records, summarise
from analysis.comparison.peers import Peers, find_peers
from analysis.wording.peers import describe_sweep, state_peers
from tests.support.peers import write_peers


def of(root: Path) -> Peers:
    found = find_peers(summarise(load_records(root)))
    assert found is not None
    return found


def test_losses_are_stated_as_plainly_as_wins(tmp_path: Path) -> None:
    assert state_peers(of(write_peers(tmp_path))) == [
        "Shortest time at batch size 1: diffusers, compile default, channels_last + freezing, "
        "1.00 s per iteration.",
        "At batch size 1, each at its best, sd_bench loses to diffusers and is ahead of "
        "diffusers_documented, diffusers_pipeline and openvino.",
    ]


def test_each_batch_size_has_its_own_sentences(tmp_path: Path) -> None:
    sentences = state_peers(of(write_peers(tmp_path, batch_sizes=(1, 2))))
    assert len(sentences) == 4
    assert sentences[2].startswith("Shortest time at batch size 2: diffusers, ")
    assert "2.01 s per iteration" in sentences[2]


def test_too_few_rounds_decide_nothing(tmp_path: Path) -> None:
    *_, last = state_peers(of(write_peers(tmp_path, rounds=3)))
    assert "has no verdict yet against diffusers, diffusers_documented" in last
    assert "loses" not in last


def test_what_draws_another_picture_is_neither_fastest_nor_beaten(tmp_path: Path) -> None:
    first, last = state_peers(of(write_peers(tmp_path, changes={"diffusers": 0.5})))
    assert first.startswith("Shortest time at batch size 1: sd_bench, compile default")
    assert "cannot be compared fairly with diffusers." in last
    assert "loses" not in last


def test_the_sweep_is_described_with_machine_versions_and_date(tmp_path: Path) -> None:
    assert describe_sweep(of(write_peers(tmp_path))) == (
        "Measured on AMD EPYC, PyTorch 2.15.0, diffusers 0.42.1, openvino 2026.4.1, 2026-11-23: "
        "sd2, 128x128 pixels, 4 steps, plms, fp32, 8 rounds per cell."
    )
