"""Composing once for many cells gives what Hydra would compose for each of them."""

from __future__ import annotations

import random
import shlex
import shutil
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
from sd_bench.paths import CONF_DIR
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
    "hydra.sweep.subdir='${hydra.runtime.choices.attention}_${attention.backend}_${hydra.job.num}' "
    "gpu=cpu attention=flash,math preset=none,optimized",
    "gpu=cpu ++attention.backend=flash,math +attention.upcast=true precision.name='${scale}',fp32",
    "hydra.job.config.override_dirname.exclude_keys=[gpu] hydra.job.name=a "
    "'hydra.sweep.subdir=${hydra.job.name}/${hydra.job.override_dirname}' gpu=cpu weights=a,b",
)


#: Cells of the random mix: more than any group has options.
NUM_MIXED = 40


@pytest.mark.slow
@pytest.mark.parametrize("typed", TYPED)
def test_each_cell_is_what_hydra_alone_makes_of_it(typed: str, tmp_path: Path) -> None:
    with matrix_of(*shlex.split(typed)) as matrix:
        assert_as_by_hydra_alone(matrix, tmp_path)


@pytest.mark.slow
def test_so_is_any_mix_of_options_of_the_real_groups(tmp_path: Path) -> None:
    """Every option of every group at least once, with random others."""
    draw = random.Random(22)
    columns = []
    for group in sorted(path for path in CONF_DIR.iterdir() if path.is_dir()):
        options = [file.stem for file in sorted(group.glob("*.yaml"))]
        if group.name not in ("hydra", "experiment"):
            drawn = [*options, *draw.choices(options, k=NUM_MIXED - len(options))]
            draw.shuffle(drawn)
            columns.append([f"{group.name}='{option}'" for option in drawn])
    jobs = list(map(list, zip(*columns, strict=True)))
    with matrix_of("gpu=cpu") as plain:
        assert_as_by_hydra_alone(Matrix(plain.loader, plain.master, jobs), tmp_path)


OPTIONS_OF_A_USER = {
    "attention/of_all.yaml": "# @package _global_\nattention: {backend: math}\nimages: false\n",
    "sampler/auto.yaml": "name: plms\nsteps: 5\n",
    "sampler/math.yaml": "name: ddim\nsteps: 3\n",
    "sampler/flash.yaml": "name: plms\nsteps: 4\n",
    "preset/follows.yaml": "# @package _global_\ndefaults:\n  - override /sampler: ${attention}\n",
    "preset/reaches.yaml": "# @package _global_\nallocator: {variables: {A: b}}\n",
    "precision/chained.yaml": "name: ${sampler.name}\n",
    "compile/nested.yaml": "mode: ${${preset.name}.backend}\n",
    "preset/names.yaml": "# @package _global_\npreset: {name: attention}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed",
    [
        "attention=math,flash preset=follows batch_size=1,2",
        "allocator=auto,keep,default preset=none,reaches weights_seed=1,2",
        "attention=of_all,math,flash images=true,false sampler=math,flash",
        "precision=chained,fp32 sampler=math,plms preset=none,follows attention=math",
        "compile=nested,off preset=names attention=math,flash attention.backend=cudnn,auto",
    ],
)
def test_options_of_a_user_may_depend_on_one_another(typed: str, tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF_DIR, conf)
    for name, text in OPTIONS_OF_A_USER.items():
        (conf / name).write_text(text)
    with matrix_of("gpu=cpu", *typed.split(), conf=conf) as matrix:
        assert_as_by_hydra_alone(matrix, tmp_path)


def assert_as_by_hydra_alone(matrix: Matrix, folder: Path) -> None:
    labels = distinct_labels(matrix.jobs)
    composition = SharedComposition(matrix.loader, matrix.master)
    jobs = compose_jobs(composition, matrix.jobs, labels, 0, folder)
    assert len(jobs) == len(matrix.jobs) > 0
    for at, job in enumerate(jobs):
        config, subdir = matrix.by_hydra_alone(at)
        assert job.config == config
        assert repr(job.config) == repr(config)  # 1 and 1.0 and True are equal
        assert cell_hash(job.config) == cell_hash(config)
        assert (job.index, job.label, job.folder) == (at, labels[at], folder / subdir)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "num_cells", "num_composed"),
    [
        ("attention=flash,math gpu=cpu workload.seed=range(0,500) weights_seed=3", 1000, 2),
        # One for the first cell, and one for every other option.
        (
            "gpu=cpu attention=flash,math,auto compile=off,default,max_autotune "
            "precision=fp32,bf16 optimizations=none,auto "
            "model_version=sd1_tiny,sd2_tiny batch_size=1,2",
            144,
            1 + 2 + 2 + 1 + 1 + 1 + 1,
        ),
        # Of these presets only optimized sets anything in attention.
        ("gpu=cpu preset=none,optimized,original_xformers attention=flash,math sampler=plms,ddim",
         12, 1 + 1 + 1 + 2 + 1),
    ],
)  # fmt: skip
def test_hydra_composes_once_for_each_part_that_differs(
    typed: str,
    num_cells: int,
    num_composed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with matrix_of(*typed.split()) as matrix:
        composed: list[list[str]] = []
        load = matrix.loader.load_sweep_config

        def count(master: object, overrides: list[str]) -> object:
            composed.append(overrides)
            return load(matrix.master, overrides)

        monkeypatch.setattr(matrix.loader, "load_sweep_config", count)
        composition = SharedComposition(matrix.loader, matrix.master)
        jobs = compose_jobs(composition, matrix.jobs, distinct_labels(matrix.jobs), 0, tmp_path)
    assert len(composed) == num_composed
    assert len(jobs) == len({repr(job.config) for job in jobs}) == num_cells


def test_a_matrix_that_no_sweep_can_end_is_refused_before_it_is_written_out() -> None:
    axes = ("workload.seed=range(0,10000)", "weights_seed=range(0,10000)", "batch_size=1,2")
    with (
        pytest.raises(
            ConfigError, match=f"make 200,000,000 cells; one command accepts at most {MOST_CELLS:,}"
        ),
        matrix_of(*axes),
    ):
        pass
