"""A table of what runs where: each published preset on each GPU of the study.

    python -m benchmarks.what_runs_where [--write]

Makes the checks of the dry run for devices and environments that need not be present, and prints
the table, or writes it between its marks in docs/gpus.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sd_bench.capabilities.composition import compose_config
from sd_bench.capabilities.support_rules import Host, unsupported_reason
from sd_bench.capabilities.torch_builds import Build, newest_wheels_for
from sd_bench.capabilities.torch_features import Version, version_tuple
from sd_bench.config.schema import Config
from sd_bench.devices_table import list_capabilities
from sd_bench.environments.cuda_builds import STUDY_GPUS
from sd_bench.environments.definition import definition

PAGE = Path(__file__).parents[1] / "docs" / "gpus.md"
BEGIN, END = "<!-- what runs where -->", "<!-- end of what runs where -->"
_ORIGINAL = ("original_no_xformers", "original_xformers")
_OPTIMIZED = (
    *("original_no_xformers_pt2", "original_xformers_pt2"),
    *("optimized_math", "optimized", "optimized_compile"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python environment, and how to create it."""

    presets: tuple[str, ...]
    made_by: str
    build: Build
    has_xformers: bool

    @property
    def name(self) -> str:
        assert self.build.cuda is not None
        torch, cuda = (f"{major}.{minor}" for major, minor in (self.build.version, self.build.cuda))
        return f"{torch}, CUDA {cuda} ({self.made_by})"


def list_environments() -> list[Environment]:
    """The environments of ``environments create``, and the last PyTorch for a V100."""
    original, optimized = (version_tuple(definition(n).torch) for n in ("original", "optimized"))
    for_volta = newest_wheels_for((7, 0), "x86_64")
    assert for_volta is not None
    return [
        _environment(_ORIGINAL, "venv", original, (10, 2), has_xformers=False),
        _environment(_ORIGINAL, "venv, `--cuda 11.3`", original, (11, 3), has_xformers=False),
        _environment(_ORIGINAL, "conda", original, (11, 3), has_xformers=True),
        _environment(_OPTIMIZED, "venv or conda", optimized, (13, 2), has_xformers=True),
        _environment(_OPTIMIZED, "by hand", for_volta.last, for_volta.cuda, has_xformers=True),
    ]


def _environment(
    presets: tuple[str, ...], made_by: str, torch: Version, cuda: Version, has_xformers: bool
) -> Environment:
    build = Build(version=torch, cuda=cuda)
    return Environment(presets=presets, made_by=made_by, build=build, has_xformers=has_xformers)


def why_not(preset: str, gpu: str, environment: Environment) -> str | None:
    """Why the dry run refuses the preset there, or ``None`` if it runs."""
    host = Host(
        kind="cuda",
        capability=list_capabilities()[gpu],
        torch=environment.build.version,
        has_xformers=environment.has_xformers,
        has_compiler=True,
        build=environment.build,
    )
    return unsupported_reason(_configuration(gpu, preset), host)


@cache
def _configuration(gpu: str, preset: str) -> Config:
    return compose_config(f"gpu={gpu}", f"preset={preset}")


def make_table() -> str:
    """The table in Markdown, with the numbered reasons below it."""
    reasons: list[str] = []
    rows = [
        "| preset | PyTorch (made by) | " + " | ".join(g.upper() for g in STUDY_GPUS) + " |",
        "|" + " --- |" * (2 + len(STUDY_GPUS)),
    ]
    for environment in list_environments():
        for preset in environment.presets:
            cells = [preset, environment.name]
            for gpu in STUDY_GPUS:
                reason = why_not(preset, gpu, environment)
                if reason is not None and reason not in reasons:
                    reasons.append(reason)
                cells.append("yes" if reason is None else f"no ({reasons.index(reason) + 1})")
            rows.append("| " + " | ".join(cells) + " |")
    notes = [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*rows, "", *notes])


def main() -> None:
    """Print the table, or write it into its page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="into docs/gpus.md")
    table = make_table()
    if not parser.parse_args().write:
        print(table)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
