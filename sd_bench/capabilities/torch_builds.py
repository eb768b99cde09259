"""Which build of PyTorch has kernels for which NVIDIA GPU: one table, read without importing torch.

A binary made for a compute capability runs on that one and on later ones with the same major
number; PTX made for one runs on every later one (NVIDIA's CUDA C++ programming guide, "binary
compatibility" and "PTX compatibility"). The dry run uses the table, the worker the list of
architectures in its PyTorch.
"""

from __future__ import annotations

import ast
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sd_bench.capabilities.torch_features import Version, version_tuple

_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a PyTorch was made for, from its ``torch/version.py``.

    ``cuda`` is the version of CUDA that it was made with, ``hip`` of AMD's ROCm, ``xpu`` of Intel's
    toolkit. At most one is set; a build for CPUs or for Apple's GPUs has none.
    """

    version: Version
    cuda: Version | None = None
    hip: str | None = None
    xpu: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """Wheels for Linux of the versions ``first`` to ``last``, made with ``cuda``.

    ``capabilities`` are those that they hold binaries for. ``on_index``: they are on the Python
    package index, so pip installs them by default.
    """

    first: Version
    last: Version
    cuda: Version
    capabilities: tuple[Version, ...]
    on_index: bool = False
    machine: str = "x86_64"

    def has_kernels_for(self, capability: Version) -> bool:
        return any(runs_on(binary, capability) for binary in self.capabilities)


def _capabilities(text: str) -> tuple[Version, ...]:
    return tuple(version_tuple(word) for word in text.split())


_TO_VOLTA = _capabilities("3.7 5.0 6.0 7.0")
_TO_AMPERE = (*_TO_VOLTA, *_capabilities("7.5 8.0 8.6"))
_TO_HOPPER = _capabilities("5.0 6.0 7.0 7.5 8.0 8.6 9.0")
_FROM_TURING = _capabilities("7.5 8.0 8.6 9.0 10.0 12.0")
_FROM_VOLTA = ((7, 0), *_FROM_TURING)
_ARM_HOPPER = _capabilities("5.0 8.0 8.6 8.9 9.0")
_ARM_BLACKWELL = _capabilities("8.0 9.0 10.0 12.0")
_ARM_THOR = _capabilities("8.0 9.0 10.0 11.0 12.0")

#: Sources. For on_index: the CUDA libraries that the index's wheels depend on (1.13.1, 2.0.1,
#: 2.1.2, 2.4.1, 2.5.1, 2.6.0, 2.7.1, 2.8.0, 2.9.1, 2.10.0 to 2.13.0, 2.14.1). For capabilities:
#: pytorch/builder, manywheel/build_cuda.sh (1.12 to 2.0), .ci/manywheel/build_cuda.sh and
#: RELEASE.md of pytorch/pytorch (later ones), its issues #157517 (no Pascal with CUDA 12.8),
#: #172352 (no Volta with 12.8 from 2.11 on), #178665, #190355 and #190385 (2.12 to 2.15), #147953
#: and #182849 (Arm). Confirmed with the wheels of 1.12.1 (CUDA 10.2) and 2.15.0 (CUDA 13.2).
WHEELS = (
    Wheels(first=(1, 12), last=(1, 12), cuda=(10, 2), capabilities=_TO_VOLTA, on_index=True),
    Wheels(first=(1, 12), last=(1, 12), cuda=(11, 3), capabilities=_TO_AMPERE),
    Wheels(first=(1, 12), last=(1, 13), cuda=(11, 6), capabilities=_TO_AMPERE),
    Wheels(first=(1, 13), last=(2, 0), cuda=(11, 7), capabilities=_TO_AMPERE, on_index=True),
    Wheels(first=(2, 0), last=(2, 7), cuda=(11, 8), capabilities=(*_TO_VOLTA, *_TO_HOPPER)),
    Wheels(first=(2, 1), last=(2, 4), cuda=(12, 1), capabilities=_TO_HOPPER, on_index=True),
    Wheels(first=(2, 5), last=(2, 5), cuda=(12, 1), capabilities=_TO_HOPPER),
    Wheels(first=(2, 4), last=(2, 4), cuda=(12, 4), capabilities=_TO_HOPPER),
    Wheels(first=(2, 5), last=(2, 6), cuda=(12, 4), capabilities=_TO_HOPPER, on_index=True),
    Wheels(first=(2, 6), last=(2, 6), cuda=(12, 6), capabilities=_TO_HOPPER),
    Wheels(first=(2, 7), last=(2, 7), cuda=(12, 6), capabilities=_TO_HOPPER, on_index=True),
    Wheels(first=(2, 8), last=(2, 14), cuda=(12, 6), capabilities=_TO_HOPPER),
    Wheels(first=(2, 7), last=(2, 7), cuda=(12, 8), capabilities=_FROM_TURING),
    Wheels(first=(2, 8), last=(2, 10), cuda=(12, 8), capabilities=_FROM_VOLTA, on_index=True),
    Wheels(first=(2, 11), last=(2, 11), cuda=(12, 8), capabilities=_FROM_TURING),
    Wheels(first=(2, 8), last=(2, 8), cuda=(12, 9), capabilities=_FROM_VOLTA),
    Wheels(first=(2, 9), last=(2, 10), cuda=(13, 0), capabilities=_FROM_TURING),
    Wheels(first=(2, 11), last=(2, 14), cuda=(13, 0), capabilities=_FROM_TURING, on_index=True),
    Wheels(first=(2, 15), last=(2, 15), cuda=(13, 0), capabilities=_FROM_TURING),
    Wheels(first=(2, 12), last=(2, 14), cuda=(13, 2), capabilities=_FROM_TURING),
    Wheels(first=(2, 15), last=(2, 15), cuda=(13, 2), capabilities=_FROM_TURING, on_index=True),
    *(
        Wheels(first=first, last=last, cuda=cuda, capabilities=built_for, machine="aarch64")
        for first, last, cuda, built_for in (
            ((2, 6), (2, 7), (12, 6), _ARM_HOPPER),
            ((2, 8), (2, 10), (12, 8), _ARM_BLACKWELL),
            ((2, 9), (2, 15), (13, 0), _ARM_THOR),
            ((2, 12), (2, 15), (13, 2), _ARM_THOR),
        )
    ),
)


def runs_on(binary: Version, capability: Version) -> bool:
    """Whether a GPU of ``capability`` runs a binary made for the capability ``binary``."""
    return binary[0] == capability[0] and binary[1] <= capability[1]


def read_build(version_file: str) -> Build | None:
    """The build that the text of a ``torch/version.py`` describes, or None if it is not one."""
    try:
        statements = ast.parse(version_file).body
        found: dict[str, str | None] = {}
        for statement in statements:
            target: ast.expr | None = None
            if isinstance(statement, ast.AnnAssign):
                target = statement.target
            if isinstance(statement, ast.Assign):
                target = statement.targets[0]
            if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign):
                value = ast.literal_eval(statement.value) if statement.value else None
                found[target.id] = None if value is None else str(value)
        cuda = found.get("cuda")
        return Build(
            version=version_tuple(str(found["__version__"])),
            cuda=None if cuda is None else version_tuple(cuda),
            hip=found.get("hip"),
            xpu=found.get("xpu"),
        )
    except (SyntaxError, ValueError, KeyError):
        return None


def wheels_of(
    version: Version, cuda: Version | None = None, machine: str | None = None
) -> list[Wheels]:
    """The known wheels of a version for this machine; for every CUDA version if none is named."""
    here = machine or platform.machine()
    return [
        wheels
        for wheels in WHEELS
        if wheels.first <= version <= wheels.last
        and cuda in (None, wheels.cuda)
        and wheels.machine == here
    ]


def newest_capability(version: Version) -> Version:
    """The newest compute capability that any wheel of ``version`` is built for."""
    return max(c for wheels in wheels_of(version, machine="x86_64") for c in wheels.capabilities)


def newest_wheels_for(capability: Version, machine: str | None = None) -> Wheels | None:
    """The newest wheels with kernels for ``capability``, preferably on the package index."""
    here = machine or platform.machine()
    able = [w for w in WHEELS if w.machine == here and w.has_kernels_for(capability)]
    return max(able, key=lambda w: (w.last, w.on_index, w.cuda), default=None)


def why_build_cannot(
    version: Version, build: Build | None, capability: Version | None, machine: str | None = None
) -> str | None:
    """Why a PyTorch has no kernels for an NVIDIA GPU of ``capability``, by the table; or None.

    Also None if the table does not have the build, or the capability is unknown. Without ``build``
    every build of ``version`` is considered.
    """
    if build is not None and build.cuda is None:
        mend = _mend(version, capability or (8, 0), machine)
        return f"{name_build(build)}, not for NVIDIA GPUs: {mend}"
    known = wheels_of(version, None if build is None else build.cuda, machine)
    if capability is None or not known or any(w.has_kernels_for(capability) for w in known):
        return None
    binaries = sorted({binary for wheels in known for binary in wheels.capabilities})
    name = f"PyTorch {_dotted(version)}" if build is None else name_build(build)
    return _no_kernels(name, _list_capabilities(binaries), version, capability, machine)


def why_architectures_cannot(
    build: Build, architectures: Sequence[str], capability: Version
) -> str | None:
    """As `why_build_cannot`, by the architectures that a PyTorch lists: ``sm_80``, ``compute_90``.

    Also None if the list is empty or has another vendor's.
    """
    for word in architectures:
        kind, _, digits = word.partition("_")
        number = re.match(r"\d+", digits)
        if number is None:
            return None  # another vendor's architecture
        built_for = int(number[0][:-1]), int(number[0][-1])
        if runs_on(built_for, capability) or (kind == "compute" and built_for <= capability):
            return None
    if not architectures:
        return None
    built = " ".join(architectures)
    return _no_kernels(name_build(build), built, build.version, capability, None)


def _no_kernels(
    name: str, built_for: str, version: Version, capability: Version, machine: str | None
) -> str:
    return (
        f"{name} has kernels for {built_for}, but none for compute capability "
        f"{_dotted(capability)}: {_mend(version, capability, machine)}"
    )


def _mend(version: Version, capability: Version, machine: str | None) -> str:
    """What to install for a GPU of ``capability`` instead of a PyTorch of ``version``."""
    if version < (2, 0):
        return _mend_of_original(version, capability, machine)
    best = newest_wheels_for(capability, machine)
    if best is None:
        return "no wheel has them; PyTorch has to be built from source"
    index = "" if best.on_index else f" --index-url {index_url(best.cuda)}"
    older = "" if best.last == max(w.last for w in WHEELS) else " or older"
    return (
        f"install {_dotted(best.last)}{older} made with CUDA {_dotted(best.cuda)} "
        f"(pip install 'torch=={_dotted(best.last)}.*' torchvision{index})"
    )


def _mend_of_original(version: Version, capability: Version, machine: str | None) -> str:
    able = [w for w in wheels_of(version, machine=machine) if w.has_kernels_for(capability)]
    if not able:
        return (
            f"no wheel of PyTorch {_dotted(version)} has them; presets named *_pt2 run the "
            "original code on PyTorch 2"
        )
    if version != (1, 12):
        best = able[-1]
        return f"pip install 'torch=={_dotted(version)}.*' --index-url {index_url(best.cuda)}"
    return f"python -m sd_bench.environments create original --cuda {_dotted(able[0].cuda)}"


def index_url(cuda: Version) -> str:
    """The URL of PyTorch's index of wheels made with ``cuda``."""
    return f"{_INDEX}/{cuda_tag(cuda)}"


def cuda_tag(cuda: Version) -> str:
    """The CUDA version as wheels are named after it: ``cu113``."""
    return f"cu{cuda[0]}{cuda[1]}"


def name_build(build: Build) -> str:
    """The build in words, as in "PyTorch 2.15 made with CUDA 13.2"."""
    name = f"PyTorch {_dotted(build.version)}"
    if build.cuda is not None:
        return f"{name} made with CUDA {_dotted(build.cuda)}"
    for maker, its_version in (("ROCm", build.hip), ("XPU", build.xpu)):
        if its_version is not None:
            return f"{name} made for {maker}"
    return f"{name} made for CPUs"


def _list_capabilities(capabilities: Sequence[Version]) -> str:
    return ", ".join(map(_dotted, capabilities))


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
