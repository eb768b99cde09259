"""Which CUDA version an environment's PyTorch is made with, and which GPUs it supports."""

from __future__ import annotations

from sd_bench.capabilities.torch_builds import (
    Build,
    Wheels,
    cuda_tag,
    index_url,
    wheels_of,
    why_build_cannot,
)
from sd_bench.capabilities.torch_features import Version, version_tuple
from sd_bench.devices_table import list_capabilities
from sd_bench.environments.definition import Definition
from sd_bench.errors import ConfigError

#: The GPUs of the published study, and the H100.
STUDY_GPUS = ("p100", "t4", "a10", "v100", "a100", "h100")
#: The packages that are built for a CUDA version.
_MADE_WITH_CUDA = ("torch==", "torchvision==")
_MACHINE = "x86_64"


def check_cuda(wanted: Definition, cuda: str) -> None:
    """Raise ConfigError if no wheel of the environment's PyTorch is made with ``cuda``."""
    known = [_dotted(wheels.cuda) for wheels in _wheels(wanted)]
    if cuda not in known:
        raise ConfigError(
            f"--cuda {cuda}: no wheel of PyTorch {wanted.torch} is made with it; use one of "
            f"{', '.join(known)}"
        )


def pip_lines(wanted: Definition, cuda: str | None) -> list[str]:
    """The lines of the pip section, for PyTorch made with ``cuda``.

    The Python package index has one build of each version, PyTorch's index has the others.
    """
    if cuda is None or _on_index(wanted) == cuda:
        return wanted.pip
    version = version_tuple(cuda)
    lines = [
        f"{line}+{cuda_tag(version)}" if line.startswith(_MADE_WITH_CUDA) else line
        for line in wanted.pip
    ]
    return [f"--extra-index-url {index_url(version)}", *lines]


def describe_build(wanted: Definition, cuda: str | None, by_conda: bool) -> str:
    """What the environment's PyTorch is made with, and what to do for GPUs it does not support."""
    its_cuda = cuda or (wanted.conda_cuda if by_conda else None) or _on_index(wanted)
    build = Build(version=version_tuple(wanted.torch), cuda=version_tuple(its_cuda))
    capabilities = list_capabilities()
    why = {
        gpu: why_build_cannot(build.version, build, capabilities[gpu], _MACHINE)
        for gpu in STUDY_GPUS
    }
    able = ", ".join(gpu for gpu, reason in why.items() if reason is None)
    build_text = f"its PyTorch {wanted.torch} is made with CUDA {its_cuda}: it supports {able}"
    mends: dict[str, list[str]] = {}
    for gpu, reason in why.items():
        if reason is not None:
            mends.setdefault(reason.partition(": ")[2], []).append(gpu)
    mend_texts = (f"for {', '.join(gpus)}: {mend}" for mend, gpus in mends.items())
    return "; ".join([build_text, *mend_texts])


def _wheels(wanted: Definition) -> list[Wheels]:
    return wheels_of(version_tuple(wanted.torch), machine=_MACHINE)


def _on_index(wanted: Definition) -> str:
    return next(_dotted(wheels.cuda) for wheels in _wheels(wanted) if wheels.on_index)


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
