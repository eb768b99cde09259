"""GPUs that are not NVIDIA's: what cannot run or cannot be proven there. Needs no torch.

Only eager cells run, with the attention that PyTorch chooses or an unfused one: whether flash, for
example, had run could not be proven.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from sd_bench.attention_backends import BACKENDS_BY_NAME
from sd_bench.capabilities.torch_builds import Build, name_build
from sd_bench.config.schema import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A maker of GPUs.

    ``gpus`` names them, ``torch_type`` is PyTorch's device type for them, ``build`` the platform
    that a PyTorch for them is made for.
    """

    gpus: str
    torch_type: str
    build: str


#: By the kind of device, as ``gpu.kind`` names it.
OTHER_MAKERS = {
    "rocm": Maker(gpus="AMD GPUs", torch_type="cuda", build="ROCm"),
    "mps": Maker(gpus="Apple GPUs", torch_type="mps", build="macOS on Apple silicon"),
    "xpu": Maker(gpus="Intel GPUs", torch_type="xpu", build="XPU"),
}


def torch_type(kind: str) -> str:
    """PyTorch's device type for a kind of device."""
    maker = OTHER_MAKERS.get(kind)
    return kind if maker is None else maker.torch_type


def why_unprovable(kind: str) -> str | None:
    """Why the kernels on a device of this kind cannot be identified, or None."""
    maker = OTHER_MAKERS.get(kind)
    return None if maker is None else f"the kernel names of {maker.gpus} are not known"


def why_other_maker_cannot(config: Config, build: Build | None) -> str | None:
    """Why a cell cannot run on a GPU that is not NVIDIA's, or None; None for other devices."""
    kind = config.gpu.kind
    maker = OTHER_MAKERS.get(kind)
    if maker is None:
        return None
    if not _is_made_for(kind, build):
        named = "this PyTorch" if build is None else name_build(build)
        return (
            f"gpu={config.gpu.name} needs a PyTorch made for {maker.build}, this is {named}: "
            "pytorch.org/get-started has the install command"
        )
    if config.compile.mode != "off":
        return f"torch.compile is not measured on {maker.gpus}: use compile=off"
    if not BACKENDS_BY_NAME[config.attention.backend].may_be_unfused:
        return (
            f"attention={config.attention.backend} cannot be distinguished from others on "
            f"{maker.gpus}: use auto, math or original"
        )
    return None


def _is_made_for(kind: str, build: Build | None) -> bool:
    if kind == "mps":
        return (platform.system(), platform.machine()) == ("Darwin", "arm64")
    if build is None:
        return True  # unknown here: the worker will see
    return (build.hip if kind == "rocm" else build.xpu) is not None
