"""The axes on which cells are compared: their names, values, and the order of the values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from sd_bench.attention_backends import BACKENDS
from sd_bench.devices_table import list_devices

#: The value of one axis after `to_choice`, safe to group, sort and print.
Choice = str | int | float | None

#: Axes that determine which picture is drawn, not how; they are read from a record's ``config``.
PICTURE_AXES = (
    *("seed", "prompt", "negative_prompt"),
    *("guidance_scale", "eta", "weights_seed"),
)

#: Every axis: those of a record's ``choices``, and those of the picture.
AXES = (
    *("gpu", "model_version", "preset", "implementation", "attention", "compile"),
    *("optimizations", "precision", "torch_env"),
    *("allocator", "threads", "sampler", "steps", "height", "width"),
    *("n_iter", "batch_size", "weights"),
    "upcast",
    *PICTURE_AXES,
)

#: Axes that determine how much is computed; cells that differ in one of them never share a chart.
WORKLOAD_AXES = ("model_version", "height", "width", "steps", "n_iter")

#: The five published presets, in the published order.
PUBLISHED_PRESETS = (
    "original_no_xformers",
    "original_xformers",
    "optimized_math",
    "optimized",
    "optimized_compile",
)

_ORDER: dict[str, tuple[str, ...]] = {
    "torch_env": ("original", "current", "optimized"),
    "threads": ("auto", "cores"),
    "model_version": ("sd1", "sd2", "sd2_768"),
    "preset": (
        *("original_no_xformers", "original_no_xformers_pt2"),
        *("original_xformers", "original_xformers_pt2"),
        *("original_no_checkpointing_pt2", "original_half_attention_pt2"),
        *("optimized_math", "optimized", "optimized_compile"),
        *("diffusers_xformers", "diffusers_xformers_compile"),
        *("diffusers_sdpa", "diffusers_sdpa_compile"),
    ),
    "implementation": (
        *("sd_bench", "diffusers", "diffusers_documented", "diffusers_pipeline", "openvino"),
    ),
    "attention": tuple(backend.name for backend in BACKENDS),
    "optimizations": ("none",),
    "compile": ("off", "default", "reduce_overhead", "max_autotune"),
    "precision": ("fp32", "autocast", "fp16", "bf16"),
    "allocator": ("default", "keep", "jemalloc", "tcmalloc"),
    "sampler": ("plms", "ddim", "dpm_solver"),
    "weights": ("random",),
    "upcast": ("true", "default", "false"),
}

#: The value of an axis in records that do not have it, such as those older than the axis.
_BEFORE: dict[str, Choice] = {
    **{"allocator": "default", "threads": "auto"},
    **{"implementation": "sd_bench", "optimizations": "none"},
}

_LARGEST_EXACT_INT = 2**53

#: The most characters of a prompt that are kept.
_LONGEST_TEXT = 300


def rank(axis: str, value: Choice) -> tuple[int, float, str]:
    """A sort key: known values in their defined order, then numbers, then text, then None."""
    known = list_devices() if axis == "gpu" else _ORDER.get(axis, ())
    if isinstance(value, str):
        place = known.index(value.lower()) if value.lower() in known else None
        return (2, 0.0, value) if place is None else (0, float(place), value)
    return (3, 0.0, "") if value is None else (1, float(value), "")


def order_values(axis: str, values: Iterable[Choice]) -> list[Choice]:
    """The distinct values of an axis in the order in which they are shown."""
    return sorted(set(values), key=lambda value: rank(axis, value))


def read_choices(choices: Mapping[str, Any]) -> dict[str, Choice]:
    """The value of every axis in a record's ``choices``; an axis it lacks has its old default."""
    read = {axis: to_choice(choices.get(axis)) for axis in AXES}
    for axis, before in _BEFORE.items():
        if read[axis] is None:
            read[axis] = before
    return read


def picture_choices(config: Mapping[str, Any]) -> dict[str, Choice]:
    """The `PICTURE_AXES` of a configuration; ``None`` for those that it does not have.

    Several prompts become one text; a text that is too long for a table is cut and ends in a digest
    of the whole.
    """
    groups = {name: config.get(name) for name in ("workload", "sampler")}
    workload, sampler = (g if isinstance(g, Mapping) else {} for g in groups.values())
    prompt = config.get("prompt")
    prompts = prompt if isinstance(prompt, list | tuple) else [prompt]
    return {
        "seed": to_choice(workload.get("seed")),
        "prompt": _to_text(" | ".join(to_one_line(each) for each in prompts if each is not None)),
        "negative_prompt": _to_text(config.get("negative_prompt")),
        "guidance_scale": to_choice(workload.get("guidance_scale")),
        "eta": to_choice(sampler.get("eta")),
        "weights_seed": to_choice(config.get("weights_seed")),
    }


def _to_text(value: Any) -> Choice:
    text = to_choice(value)
    if not isinstance(text, str) or len(text) <= _LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[:_LONGEST_TEXT].rstrip()}… ({digest})"


def to_choice(value: Any) -> Choice:
    """Any JSON value as a short text or an ordinary number."""
    if type(value) is str:  # the most common case
        return to_one_line(value) or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) <= _LARGEST_EXACT_INT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) <= _LARGEST_EXACT_INT else value
    return to_one_line(value) or None


def to_one_line(value: Any) -> str:
    """Any value as one line of printable text."""
    if type(value) is str and value.isprintable() and "  " not in value:
        return value.strip(" ")
    try:
        text = str(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        text = "a number too long to print"
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
