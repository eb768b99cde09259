"""The colours of the charts and of each series; those of backends are in their own table.

The colour of a series depends only on its name, so it is the same in every chart of every report.
All come from one palette: any two of its colours differ for readers with normal colour vision, with
deuteranopia and with protanopia (CIEDE2000 of at least 12; a test simulates it). Series of one
colour, such as "flash" and "flash, compile default", are distinguished by a hatch or a marker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from zlib import crc32

from sd_bench.attention_backends import BACKENDS

INK, FAINT_INK, GRID, PAPER = "#222222", "#595959", "#dddddd", "#ffffff"

BLUE, ORANGE, RED, TEAL, PLUM, AZURE, SAGE = (
    *("#0072b2", "#e69f00", "#c41400", "#27b1b1", "#894e62", "#149dff", "#89b189"),
)
MAGENTA, GREEN, CRIMSON, ROSE, LIME, SKY, MINT = (
    *("#c40089", "#00894e", "#ff004e", "#b17689", "#b1d889", "#76d8ff", "#76d8c4"),
)
WINE = "#760027"
PALETTE = (
    *(BLUE, ORANGE, RED, TEAL, PLUM, AZURE, SAGE),
    *(MAGENTA, GREEN, CRIMSON, ROSE, LIME, SKY, MINT, WINE),
)

#: Parts of a waterfall.
SAVED, LOST, TOTAL = BLUE, ORANGE, "#7f7f7f"

_BACKENDS = {backend.label: backend.colour for backend in BACKENDS}
_COLOUR_OF_BACKEND = {backend.name: backend.colour for backend in BACKENDS}

#: Presets that stand for one attention backend have that backend's colour.
_PRESETS = {
    "original_no_xformers": _COLOUR_OF_BACKEND["original"],
    "original_no_checkpointing": _COLOUR_OF_BACKEND["original"],
    "original_half_attention": _COLOUR_OF_BACKEND["original"],
    "original_xformers": _COLOUR_OF_BACKEND["xformers"],
    "optimized_math": _COLOUR_OF_BACKEND["math"],
    "optimized": _COLOUR_OF_BACKEND["auto"],
    "optimized_compile": MAGENTA,
    **{"diffusers_sdpa": CRIMSON, "diffusers_sdpa_compile": CRIMSON},
    **{"diffusers_xformers": ROSE, "diffusers_xformers_compile": ROSE},
}

_IMPLEMENTATIONS = {
    "sd_bench": GREEN,
    "diffusers": CRIMSON,
    "diffusers_documented": ROSE,
    "diffusers_pipeline": LIME,
    "openvino": SKY,
    "onnxruntime": MINT,
}

#: Values of axes that name a series when neither preset nor backend does.
_OTHER_CHOICES = {
    **{"fp32": RED, "autocast": TEAL, "fp16": BLUE, "bf16": ORANGE},
    **{"compile off": TEAL, "compile default": MAGENTA},
    **{"compile reduce_overhead": BLUE, "compile max_autotune": ORANGE},
    **{"torch_env original": RED, "torch_env current": BLUE, "torch_env optimized": TEAL},
    **{"plms": BLUE, "ddim": ORANGE, "dpm_solver": MAGENTA},
    **{"upcast true": RED, "upcast default": BLUE, "upcast false": ORANGE},
}

#: Parts of stacked bars: stages of an iteration, classes of kernel.
_PARTS = {
    **{"text encoder": ORANGE, "denoising": BLUE, "autoencoder": TEAL},
    **{"attention": BLUE, "matrix products": ORANGE, "convolutions": TEAL},
    **{"normalisation": MAGENTA, "element wise": LIME, "copies": RED, "other": PLUM},
    **{"idle": "#d8d8d8"},
}

_LISTED = {**_OTHER_CHOICES, **_IMPLEMENTATIONS, **_PRESETS, **_BACKENDS}

#: Numbers that distinguish series of one colour: they select hatch and marker.
_VARIANTS = {
    **{"compile default": 1, "compile reduce_overhead": 2, "compile max_autotune": 3},
    **{"diffusers_sdpa_compile": 1, "diffusers_xformers_compile": 1},
    **{"original_no_checkpointing": 4, "original_half_attention": 5, "_pt2": 6},
}

#: Follows a backend's name and shows the dtype that it computed in.
_WITH_DTYPE = re.compile(r" \([^()]*\)$")
_TWIN = re.compile(r"_pt2$")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


def colour_series(names: Iterable[str]) -> dict[str, str]:
    """A colour for each series, by its name alone."""
    return {name: _colour(name) for name in names}


def colour_parts(names: Iterable[str]) -> dict[str, str]:
    """A colour for each part of stacked bars, by its name alone."""
    return {name: _PARTS.get(name) or _hashed(name) for name in names}


def number_variants(colours: Mapping[str, str]) -> dict[str, int]:
    """A number for each name, different among names that share a colour.

    It selects hatch and marker. 0 is the plain colour; a listed variant has the same number
    everywhere, unless the chart has two series of that colour and variant.
    """
    taken: set[tuple[str, int]] = set()
    numbers = {}
    for name, colour in colours.items():
        number = _variant(name)
        while (colour, number) in taken:
            number += 1
        taken.add((colour, number))
        numbers[name] = number
    return numbers


def _colour(name: str) -> str:
    parts = _parts(name)
    listed = (_LISTED[base] for base, _ in parts if base in _LISTED)
    return next(listed, _hashed(parts[0][0]))


def _variant(name: str) -> int:
    """The number of the first listed variant in a name's parts; 0 without one."""
    (first, twin), *others = _parts(name)
    words = [first if first in _PRESETS else "", "_pt2" if twin else "", *(b for b, _ in others)]
    return next((_VARIANTS[word] for word in words if word in _VARIANTS), 0)


def _parts(name: str) -> list[tuple[str, bool]]:
    """The parts of ``flash (bf16), compile default`` without dtypes, and which end in ``_pt2``."""
    bare = (_WITH_DTYPE.sub("", part) for part in name.split(", "))
    return [(_TWIN.sub("", part), part != _TWIN.sub("", part)) for part in bare]


def _hashed(name: str) -> str:
    """A colour of the palette; names whose last numbers differ by one get different colours."""
    number = _LAST_NUMBER.search(name)
    begin = crc32(_LAST_NUMBER.sub("", name).encode())
    return PALETTE[(begin + (int(number[0]) if number else 0)) % len(PALETTE)]
