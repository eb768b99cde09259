"""The ladder is data: a new switch is one line of conf/tune.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.tuning import ladder as ladder_module
from sd_bench.tuning.candidates import Candidates
from sd_bench.tuning.ladder import Rung, put_on_top, read_ladder
from tests.support.tuning import WORKLOAD


def test_a_line_is_for_its_kind_of_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tune.yaml").write_text(
        "workload: [{set: scale=large, device: cpu}]\n"
        "ladder:\n"
        "  - {set: optimizations.cuda_graph=true, device: cuda}\n"
        "  - {set: compile=default optimizations.freezing=true, device: cpu}\n"
        "  - {set: implementation=*, alone: true}\n"
        "not_raced: [sd_bench, diffusers_pipeline, diffusers_documented]\n"
    )
    monkeypatch.setattr(ladder_module, "CONF_DIR", tmp_path)
    on_cpu, on_cuda = read_ladder("cpu"), read_ladder("cuda")
    assert on_cpu.rungs[0] == Rung(("compile=default", "optimizations.freezing=true"))
    assert on_cuda.rungs[0] == Rung(("optimizations.cuda_graph=true",))
    raced = [name for name in list_implementations() if not name.startswith(("sd_", "diffusers_"))]
    assert [rung.overrides for rung in on_cpu.rungs[1:]] == [
        (f"implementation={name}",) for name in raced
    ]
    assert all(rung.is_alone for rung in on_cpu.rungs[1:])
    assert (on_cpu.workload, on_cuda.workload) == (("scale=large",), ())


def test_what_is_put_on_top_wins() -> None:
    base = ("compile=default", "optimizations.freezing=true")
    assert put_on_top(base, ("compile=max_autotune", "attention=math")) == (
        "compile=max_autotune", "optimizations.freezing=true", "attention=math",
    )  # fmt: skip


@pytest.mark.slow
def test_every_line_names_choices_that_there_are(tmp_path: Path) -> None:
    """One that cannot run here has a reason; a name that nobody knows would be an error."""
    candidates = Candidates(WORKLOAD, tmp_path)
    rungs = read_ladder("cpu").rungs
    assert len(rungs) > 5
    made = [candidates.make(rung.overrides) for rung in rungs]
    assert all(candidate.planned is not None for candidate in made)
    hashes = [candidate.hash for candidate in made if candidate.reason is None]
    assert len(set(hashes)) > 2
