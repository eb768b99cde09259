"""What Hydra composes once for many cells is what it would have composed for each of them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.sd_bench_launcher import distinct_labels
from sd_bench.cli.error_lines import one_line
from sd_bench.config.overrides import MOST_CELLS
from sd_bench.config.shared_composition import SharedComposition
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import cell_hash
from sd_bench.execution.jobs import compose_jobs
from tests.support.matrices import Matrix, matrix_of

TYPED = (
    "gpu=cpu attention=flash,math compile=off,default workload.seed=1,2",
    "preset=original_no_xformers,optimized attention.upcast=true,false,null",
    "gpu=a100 preset=optimized_compile batch_size=1,4 attention=math attention.disable_flash=true",
    "preset=fastest gpu=a100 compile.mode=off,max_autotune attention=auto,original",
    "experiment=compile_alone_sd2 batch_size=2 protocol.rounds=3,null",
    "experiment=cuda_graph_sd2 gpu=h100 sampler.eta=0.0,0.5 sampler=ddim",
    "experiment=peers gpu=cpu workload.seed=4,5",
    'gpu=cpu \'prompt="A cat, sitting",b,[x,y],[z],c,"x=1 (a: b)"\' negative_prompt=dark,blurry',
    "gpu=cpu sampler.steps=5 protocol.budget=30min,60,null protocol.time_limit_s=10,null",
    "gpu.kind=cpu,cuda workload.guidance_scale=1,7.5 allocator=auto",
    "gpu=cpu protocol=quick gpu.workload_defaults.height=64,128 gpu.workload_defaults.n_iter=3",
    "gpu=cpu gpu.workload_defaults.precision=bf16,fp32 gpu.workload_defaults.worker=fork",
    "model_version.guidance_scale=3,4.5,1e1 model_version.prediction=v,eps",
    "attention=original model_version.upcast_attention=true,false",
    "gpu=cpu scale=published,large model_version.native_size=256,512",
    "gpu=cpu 'model_version.unet.channel_mult=[1,2],[1],[1,2,4]' model_version.unet.num_heads=null",
    "optimizations=auto,none optimizations.channels_last=true,false optimizations.freezing=yes",
    "allocator=jemalloc,default allocator.library=null,/lib/x.so images=off",
    "protocol=published protocol.rounds=2,3 protocol.name=mine workload.batch_size=3,5",
    "attention.backend=math,flash compile.mode=off torch_env.requires_torch='2.0',null",
    "++workload.seed=1,2 attention=math,flash",
    "weights_seed=7 workload.seed='${weights_seed}',3 prompt='${oc.env:HOME}'",
    "gpu=cpu 'model_version.unet={num_res_blocks: 1}' weights_seed=1,2",
    "threads=auto,cores,2 threads.pinned=true,false",
    "threads=range(1,4) allocator=keep,default",
    "allocator=keep +allocator.variables.A=b,c",
    "hydra.sweep.subdir='${hydra.job.override_dirname}' gpu=cpu workload.seed=1,2 batch_size=1,2",
    "hydra.sweep.subdir='${hydra.job.num}_${hydra.overrides.task}' workload.seed=range(1,3)",
    "hydra.job.config.override_dirname.exclude_keys=[gpu] hydra.job.name=a "
    "'hydra.sweep.subdir=${hydra.job.name}/${hydra.job.override_dirname}' gpu=cpu weights=a,b",
)


@pytest.mark.parametrize("typed", TYPED)
def test_each_cell_is_what_hydra_alone_makes_of_it(typed: str, tmp_path: Path) -> None:
    with matrix_of(*shlex.split(typed)) as matrix:
        labels = distinct_labels(matrix.jobs)
        composition = SharedComposition(matrix.loader, matrix.master)
        jobs = compose_jobs(composition, matrix.jobs, labels, 0, tmp_path)
        assert len(jobs) == len(matrix.jobs) > 0
        for at, job in enumerate(jobs):
            config, subdir = matrix.by_hydra_alone(at)
            assert job.config == config
            assert repr(job.config) == repr(config)  # 1 and 1.0 and True are equal
            assert cell_hash(job.config) == cell_hash(config)
            assert (job.index, job.label, job.folder) == (at, labels[at], tmp_path / subdir)


@pytest.mark.parametrize(
    "typed",
    [
        "gpu=cpu attention=flash workload.seed=1,2",
        "gpu=cpu gpu.workload_defaults.height=96 workload.seed=1,2",
        "gpu=cpu ++weights_seed=1 model_version.native_size=64,128",
    ],
)
def test_so_it_is_at_a_scale_that_is_chosen_later(typed: str) -> None:
    with matrix_of(*typed.split()) as matrix:
        composition = SharedComposition(matrix.loader, matrix.master)
        for scale in ("small", "published"):
            for at, overrides in enumerate(matrix.jobs):
                composition.config(overrides)
                config, _ = matrix.by_hydra_alone(at, scale)
                assert composition.config(overrides, scale) == config


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("workload.seed=1", "workload.seed=x"), ("workload.seed=1", "workload.seed=null"),
        ("sampler.eta=0", "sampler.eta=high"), ("gpu.kind=cpu", "gpu.kind=[a]"),
        ("gpu.kind=cpu", "workload=3"), ("sampler.steps=5", "sampler.steps='???'"),
        ("weights_seed=1", "workload.sed=1"), ("attention=math", "attention=nope"),
        ("weights_seed=1", "+nothing=1"), ("images=true", "nothing@here=1"),
        ("images=true", "images.none=1"), ("batch_size='1'", "batch_size=1"),
    ],
)  # fmt: skip
def test_what_hydra_refuses_is_refused_in_its_words(good: str, bad: str) -> None:
    with matrix_of("gpu=cpu") as plain:
        matrix = Matrix(plain.loader, plain.master, [["gpu=cpu", good], ["gpu=cpu", bad]])
        composition = SharedComposition(matrix.loader, matrix.master)
        composition.config(matrix.jobs[0])
        with pytest.raises((HydraException, OmegaConfBaseException, ValueError)) as alone:
            matrix.by_hydra_alone(1)
        with pytest.raises(type(alone.value)) as shared:
            composition.config(matrix.jobs[1])
    assert str(shared.value) == str(alone.value)
    assert one_line(shared.value) == one_line(alone.value)


def test_hydra_composes_once_for_each_combination_of_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("attention=flash,math", "gpu=cpu", "workload.seed=range(0,500)", "weights_seed=3")
    with matrix_of(*typed) as matrix:
        composed: list[list[str]] = []
        load = matrix.loader.load_sweep_config

        def count(master: object, overrides: list[str]) -> object:
            composed.append(overrides)
            return load(matrix.master, overrides)

        monkeypatch.setattr(matrix.loader, "load_sweep_config", count)
        composition = SharedComposition(matrix.loader, matrix.master)
        jobs = compose_jobs(composition, matrix.jobs, distinct_labels(matrix.jobs), 0, tmp_path)
    assert len(jobs) == 1000
    assert composed == [["attention=flash", "gpu=cpu"], ["attention=math", "gpu=cpu"]]
    assert [(job.config.attention.backend, job.config.workload.seed) for job in jobs] == [
        (backend, seed) for backend in ("flash", "math") for seed in range(500)
    ]


def test_a_matrix_that_no_sweep_can_end_is_refused_before_it_is_written_out() -> None:
    axes = ("workload.seed=range(0,10000)", "weights_seed=range(0,10000)", "batch_size=1,2")
    with (
        pytest.raises(ConfigError, match=f"make 200,000,000 cells.*takes {MOST_CELLS:,} at most"),
        matrix_of(*axes),
    ):
        pass
