"""The text of ``python -m sd_bench --help``, read from conf/ without Hydra, which is slow."""

from __future__ import annotations

from importlib import metadata

from sd_bench.capabilities.implementations import list_implementations
from sd_bench.command_lines import shown
from sd_bench.paths import CONF_DIR

_HEADER = """\
sd_bench measures Stable Diffusion: every cell of a matrix of choices, each in a fresh process.

{examples}
Choices: GROUP=OPTION, or GROUP=OPTION,OPTION with -m. Later settings override earlier ones:
the gpu's defaults, scale, protocol, preset, experiment, the command line.
"""
_FOOTER = """
Single values: NAME=VALUE, or NAME=VALUE,VALUE with -m.

  workload.batch_size=3   prompt="A photo"            workload.height=512   workload.width=512
  workload.guidance_scale=9.0   workload.seed=1       sampler.steps=50    protocol.n_iter=2
  protocol.rounds=10      protocol.budget=10min       attention.disable_flash=true
  prompt=[a,b]            prompt_file=prompts.txt     negative_prompt="text" (one prompt per line)
  weights=FILE            (.ckpt, .safetensors, or a diffusers folder; default: random)
  threads=4               (or auto, cores: threads on the CPU)    threads.pinned=true
  images=false            time_file=times.txt         dry_run=true             traceback=true
  telemetry=false         profile=true                verbose=true
  num_gpus=all            (one worker per GPU)        hydra.sweep.dir=FOLDER  (where records go)

To continue an interrupted sweep: resume=last, or resume=true hydra.sweep.dir=FOLDER. Rounds with
a record are not run again; retry_failed=true runs the failed ones again; mix_environments=true
accepts rounds from another machine or with other packages; more_rounds=N adds rounds to the cells
whose comparisons are undecided.

On the nodes behind Slurm or Ray: hydra/launcher=slurm or ray, cluster=SITE; {program} status FOLDER
shows such a sweep's progress (docs/clusters.md).
What to set on this machine, and what it gains: {program} tune (--help has its options).
All values: {program} --cfg job. Hydra's own flags: {program} --hydra-help.
"""
#: Modules with arguments, and what they do.
_EXAMPLES = (
    ("sd_bench", "", "one cell"),
    ("sd_bench", " -m batch_size=1,2,4 attention=flash,math", "a matrix"),
    ("sd_bench", " -m dry_run=true attention=flash,xformers", "what would run here"),
    ("analysis", "", "charts, tables, a report"),
)


def help_text() -> str:
    """The help: a header, the groups with their options, single values.

    Raises ConfigError if another package's entry point cannot be used.
    """
    groups: dict[str, list[str]] = {}
    for file in sorted(CONF_DIR.glob("*/*.yaml")):
        groups.setdefault(file.parent.name, []).append(file.stem)
    groups["implementation"] += [e.name for e in list_implementations().values() if e.conf]
    lines = [f"  {group:15}{', '.join(_sorted(options))}" for group, options in groups.items()]
    footer = _FOOTER.replace("{program}", shown("sd_bench"))
    return "\n".join([_HEADER.replace("{examples}", _examples()), *lines, footer])


def _examples() -> str:
    typed = [f"{shown(module)}{arguments}" for module, arguments, _ in _EXAMPLES]
    width = max(map(len, typed)) + 4
    meanings = (meaning for _, _, meaning in _EXAMPLES)
    return "".join(f"  {line:{width}}{m}\n" for line, m in zip(typed, meanings, strict=True))


def version_text() -> str:
    """The versions of this project, PyTorch and Hydra."""
    names = ("sd_bench", "torch", "hydra-core")
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _sorted(options: list[str]) -> list[str]:
    """Words in alphabetical order, then numbers by size."""
    return sorted(options, key=lambda o: (o.isdigit(), int(o) if o.isdigit() else 0, o))
