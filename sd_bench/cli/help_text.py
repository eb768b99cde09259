"""What ``python -m sd_bench --help`` prints: read from conf/, without Hydra, at once."""

from __future__ import annotations

from importlib import metadata

from sd_bench.paths import CONF_DIR

_HEADER = """\
sd_bench measures Stable Diffusion: every point of a matrix of choices, each in a fresh process.

  python -m sd_bench                                              one cell
  python -m sd_bench -m batch_size=1,2,4 attention=flash,math     a matrix
  python -m sd_bench -m dry_run=true attention=flash,xformers     what would run here
  python -m analysis                                              charts, tables, a report

Choices: GROUP=OPTION, and with -m GROUP=OPTION,OPTION. What stands later wins:
the gpu's defaults, scale, protocol, preset, experiment, the command line.
"""
_FOOTER = """
Single values: NAME=VALUE, and with -m NAME=VALUE,VALUE.

  workload.batch_size=3   prompt="A photo"            workload.height=512   workload.width=512
  workload.guidance_scale=9.0   workload.seed=1       sampler.steps=50    protocol.n_iter=2
  protocol.rounds=10      protocol.budget=10min       attention.disable_flash=true
  prompt=[a,b]            prompt_file=prompts.txt     negative_prompt="text" (one prompt a line)
  weights=FILE            (.ckpt, .safetensors, or a folder of diffusers; default: random)
  images=false            time_file=times.txt         dry_run=true             traceback=true
  telemetry=false         profile=true                verbose=true
  num_gpus=all            (a worker on each GPU)      hydra.sweep.dir=FOLDER  (where records go)

Go on with a sweep that was ended: resume=last, or resume=true hydra.sweep.dir=FOLDER. Rounds with
a record are not run again; retry_failed=true runs those that failed; mix_environments=true lets
rounds of another machine or of other packages join; more_rounds=N adds rounds to the cells whose
comparisons are undecided.

All values: python -m sd_bench --cfg job. Hydra's own flags: python -m sd_bench --hydra-help.
"""


def help_text() -> str:
    """The whole help: header, the groups with their options, single values."""
    groups: dict[str, list[str]] = {}
    for file in sorted(CONF_DIR.glob("*/*.yaml")):
        groups.setdefault(file.parent.name, []).append(file.stem)
    lines = [f"  {group:15}{', '.join(_sorted(options))}" for group, options in groups.items()]
    return "\n".join([_HEADER, *lines, _FOOTER])


def version_text() -> str:
    """This project's version, and those of what it stands on."""
    names = ("sd_bench", "torch", "hydra-core")
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _sorted(options: list[str]) -> list[str]:
    """Numbers by their size, words by the alphabet."""
    return sorted(options, key=lambda o: (o.isdigit(), int(o) if o.isdigit() else 0, o))
