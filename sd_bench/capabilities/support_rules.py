"""What cannot run where, and why: one table of rules, read without importing torch.

The needs of attention backends are in ``attention_backends.py``.

If a rule is missing here, the worker notices: it tries each backend on a small input before it
builds anything, and reports the cell as unsupported with PyTorch's reason.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sd_bench.attention_backends import BACKENDS_BY_NAME, Need
from sd_bench.capabilities.implementations import why_implementation_cannot
from sd_bench.capabilities.optimization_rules import OPTIMIZATION_RULES
from sd_bench.capabilities.other_makers import why_other_maker_cannot
from sd_bench.capabilities.torch_builds import Build, newest_capability, why_build_cannot
from sd_bench.capabilities.torch_features import can
from sd_bench.config.schema import Config
from sd_bench.records.old_names import rename_presets

SM = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the rules need to know of the device and of the interpreter that runs the worker.

    ``packages`` are those of the implementations' packages that it can import; ``build`` is what
    its PyTorch was made for, None if unknown.
    """

    kind: str
    capability: SM | None
    torch: tuple[int, int]
    has_xformers: bool
    has_compiler: bool
    packages: frozenset[str] = frozenset()
    build: Build | None = None
    has_c_compiler: bool = True


Rule = tuple[Callable[[Config, Host], bool], str]


def _below(host: Host, capability: SM) -> bool:
    return host.kind == "cuda" and host.capability is not None and host.capability < capability


def _widest_head(config: Config) -> int:
    return max(config.model_version.unet.head_widths)


def _is_unmet(need: Need, config: Config, host: Host) -> bool:
    """Whether the cell lacks what its attention backend needs."""
    if need.device not in (None, host.kind):
        return False
    if need.since is not None and not can(host.torch, need.since):
        return False
    if need.before is not None and can(host.torch, need.before):
        return False
    if need.below is not None and not _below(host, need.below):
        return False
    return (
        need.runs_on not in (None, host.kind)
        or (need.feature is not None and not can(host.torch, need.feature))
        or (need.capability is not None and _below(host, need.capability))
        or (need.package == "xformers" and not host.has_xformers)
        or (need.precisions is not None and config.precision.name not in need.precisions)
        or (need.head_width is not None and _widest_head(config) > need.head_width)
    )


def _switches_one_off(config: Config) -> bool:
    """Whether a backend other than cuDNN attention, which PyTorch 2.0 lacks, is switched off."""
    return bool({*config.attention.disabled} - {"cudnn"})


#: The newest compute capability that the wheels of PyTorch 1.12 are built for.
TORCH_1_12_CAPABILITY = newest_capability((1, 12))

RULES: tuple[Rule, ...] = (
    (
        lambda c, h: _switches_one_off(c) and not can(h.torch, "scaled_dot_product_attention"),
        "PyTorch before 2.0 has no attention backends to switch off",
    ),
    (
        lambda c, h: (
            c.attention.backend == "math"
            and c.attention.upcast is True
            and not can(h.torch, "upcast of math attention as a switch")
        ),
        "the math backend computes in fp32 from PyTorch 2.5 on",
    ),
    (
        lambda c, h: (
            c.precision.name == "autocast"
            and h.kind == "cpu"
            and can(h.torch, "scaled_dot_product_attention")
            and not can(h.torch, "autocast of scaled_dot_product_attention on a CPU")
        ),
        "PyTorch 2.0 cannot autocast attention with a mask on a CPU: use precision=bf16",
    ),
    (
        lambda c, h: c.calls_compiler and not can(h.torch, "torch.compile"),
        "torch.compile needs PyTorch 2",
    ),
    *((rule.applies, rule.reason) for rule in OPTIMIZATION_RULES),
    (
        lambda c, h: c.compile.mode != "off" and _below(h, (7, 0)),
        "torch.compile needs compute capability 7.0: use compile=off",
    ),
    (
        lambda c, h: c.calls_compiler and h.kind == "cpu" and not h.has_compiler,
        "torch.compile on a CPU needs a C++ compiler: install g++",
    ),
    (
        lambda c, h: c.calls_compiler and h.kind == "cuda" and not h.has_c_compiler,
        "torch.compile on a GPU needs a C compiler, with which Triton builds its launchers: "
        "install gcc, or name one in the variable CC",
    ),
    (
        lambda c, h: (
            c.precision.name == "fp16" and h.kind == "cpu" and not can(h.torch, "fp16 on a CPU")
        ),
        "fp16 on a CPU needs PyTorch 2.2",
    ),
    (
        lambda c, h: c.precision.name == "bf16" and _below(h, (8, 0)),
        "bf16 needs compute capability 8.0",
    ),
)


def unsupported_reason(config: Config, host: Host) -> str | None:
    """Why ``config`` cannot run on ``host``, or None."""
    if host.kind == "cuda" and (why := why_build_cannot(host.torch, host.build, host.capability)):
        return why
    if (why := why_other_maker_cannot(config, host.build)) is not None:
        return why
    needs = BACKENDS_BY_NAME[config.attention.backend].needs
    reasons = [need.reason for need in needs if _is_unmet(need, config, host)]
    if (why := why_implementation_cannot(config, host)) is not None:
        reasons.append(why)
    reasons += [reason for applies, reason in RULES if applies(config, host)]
    return next(iter(reasons), None)


def with_stand_ins(presets: str, capability: SM | None) -> str:
    """``presets``, separated by commas, for a device of this compute capability.

    If PyTorch 1.12 has no kernels for the device, each preset of the original code is followed by
    its variant on PyTorch 2 (``NAME_pt2``).
    """
    if capability is None or capability <= TORCH_1_12_CAPABILITY:
        return rename_presets(presets)
    named = rename_presets(presets).split(",")
    both = ((name, f"{name}_pt2") if name.startswith("original") else (name,) for name in named)
    return ",".join(name for names in both for name in names)


#: The variables that switch torch.compile off, with the value that does; all is eager then.
_COMPILE_SWITCHES = {"TORCH_COMPILE_DISABLE": "1", "TORCHDYNAMO_DISABLE": "1"}
#: Debugging variables that keep functions or graphs from the compiler.
_COMPILE_FILTERS = ("TORCHDYNAMO_DEBUG_FUNCTION", "TORCH_COMPILE_OVERRIDE_BACKENDS")


def compile_switch(variables: Mapping[str, str]) -> str | None:
    """How one of the environment's ``variables`` disables torch.compile, in words, or None."""
    for name, value in _COMPILE_SWITCHES.items():
        if variables.get(name) == value:
            return f"{name}={value} switches torch.compile off"
    for name in _COMPILE_FILTERS:
        if variables.get(name):
            return f"{name}={variables[name]} makes torch.compile skip the network"
    return None


def has_cpp_compiler() -> bool:
    """Whether torch.compile would find its C++ compiler here (its own search: CXX, g++)."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", usual)) is not None


def has_c_compiler() -> bool:
    """Whether Triton would find a C compiler here (its own search: CC, gcc, clang)."""
    named = os.environ.get("CC")
    return any(map(shutil.which, (named,) if named else ("gcc", "clang")))
