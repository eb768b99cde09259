"""Which colour each series has, and that everybody can distinguish them."""

from __future__ import annotations

import itertools
import random

import pytest

from analysis.charts.colours import (
    LOST,
    PALETTE,
    SAVED,
    TOTAL,
    colour_parts,
    colour_series,
    number_variants,
)
from sd_bench.attention_backends import BACKENDS
from sd_bench.measurement.kernel_names import CLASSES
from sd_bench.verdicts.axes import PUBLISHED_PRESETS
from tests.support.colour_vision import FAR_ENOUGH, SIGHTS, contrast, difference_seen

LABELS = [backend.label for backend in BACKENDS]
IMPLEMENTATIONS = [
    *("sd_bench", "diffusers", "diffusers_documented", "diffusers_pipeline"),
    *("openvino", "onnxruntime"),
]
TWINS = [
    *("original_no_xformers_pt2", "original_xformers_pt2"),
    *("original_no_checkpointing_pt2", "original_half_attention_pt2"),
]
MODES = ["default", "reduce_overhead", "max_autotune"]


def looks_of(names: list[str]) -> set[tuple[str, int]]:
    colours = colour_series(names)
    return set(zip(colours.values(), number_variants(colours).values(), strict=True))


@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_colours_can_be_distinguished_with_any_sight(sight: str) -> None:
    for one, other in itertools.combinations(PALETTE, 2):
        assert difference_seen(one, other, sight) >= FAR_ENOUGH, (one, other)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(
    "parts",
    [
        colour_parts(["text encoder", "denoising", "autoencoder"]),
        colour_parts(name.replace("_", " ") for name in CLASSES),
    ],
    ids=["stages", "classes"],
)
def test_parts_of_a_bar_can_be_distinguished_with_any_sight(
    parts: dict[str, str], sight: str
) -> None:
    for one, other in itertools.combinations(parts.values(), 2):
        assert difference_seen(one, other, sight) >= FAR_ENOUGH


@pytest.mark.parametrize("sight", SIGHTS)
def test_saved_and_lost_time_can_be_distinguished_with_any_sight(sight: str) -> None:
    for one, other in itertools.combinations((SAVED, LOST, TOTAL), 2):
        assert difference_seen(one, other, sight) >= FAR_ENOUGH


@pytest.mark.parametrize("paper", ["#ffffff", "#16181c"], ids=["light", "dark"])
def test_every_colour_stands_out_from_the_paper(paper: str) -> None:
    assert all(contrast(colour, paper) >= 1.5 for colour in PALETTE)


def test_every_backend_and_implementation_has_its_own_colour() -> None:
    colours = colour_series([*LABELS, *IMPLEMENTATIONS, "optimized_compile"])
    assert set(PALETTE) - set(colours.values()) == set(), "in the palette, and nobody's"
    assert set(colours.values()) - set(PALETTE) == set(), "not in the palette"
    assert len(set(colours.values())) == len(colours), "two have one colour"
    for backend in BACKENDS:
        assert colours[backend.label] == backend.colour


def test_the_published_presets_have_five_colours() -> None:
    assert len(set(colour_series(PUBLISHED_PRESETS).values())) == 5


@pytest.mark.parametrize(
    ("preset", "backend"),
    [
        ("original_no_xformers", "attention original"),
        ("original_xformers", "xformers"),
        ("optimized_math", "math"),
        ("optimized", "auto"),
    ],
)
def test_a_preset_of_one_backend_has_its_colour(preset: str, backend: str) -> None:
    colours = colour_series([preset, backend])
    assert colours[preset] == colours[backend]


@pytest.mark.parametrize(
    "name",
    [
        *("flash (bf16)", "flash, compile default", "flash, fp16", "flash (fp16), E1"),
        *("flash, seed 2", "flash, #0123456", "flash, PyTorch 1.12.1"),
    ],
)
def test_flash_has_one_colour_whatever_else_is_in_the_name(name: str) -> None:
    assert colour_series([name])[name] == colour_series(["flash"])["flash"]


def test_a_colour_depends_neither_on_order_nor_on_company() -> None:
    names = [
        *LABELS, *PUBLISHED_PRESETS, *IMPLEMENTATIONS, "seed 1", "seed 2", "allocator keep", "new",
        *(f"flash, compile {mode}" for mode in MODES), "fp32", "compile off",
    ]  # fmt: skip
    together = colour_series(names)
    shuffled = random.Random(0).sample(names, len(names))
    assert colour_series(shuffled) == together
    assert all(colour_series([name]) == {name: together[name]} for name in names)


@pytest.mark.parametrize(
    "names",
    [
        [*LABELS, *(f"{label}, compile {mode}" for label in LABELS for mode in MODES)],
        [*PUBLISHED_PRESETS, *TWINS],
        [*LABELS, *PUBLISHED_PRESETS, *IMPLEMENTATIONS],
        ["fp32", "autocast", "fp16", "bf16"],
        ["compile off", *(f"compile {mode}" for mode in MODES)],
        ["torch_env original", "torch_env current", "torch_env optimized"],
        ["plms", "ddim", "dpm_solver"],
        ["upcast true", "upcast default", "upcast false"],
        [f"flash, seed {seed}" for seed in range(9)],
        [f"s{number}" for number in range(100)],
    ],
)
def test_any_two_series_of_a_chart_look_different(names: list[str]) -> None:
    assert len(looks_of(names)) == len(names)


@pytest.mark.parametrize(
    "names",
    [["fp32", "autocast", "fp16", "bf16"], ["compile off", *(f"compile {m}" for m in MODES)]],
)
def test_values_of_one_axis_have_a_colour_each(names: list[str]) -> None:
    assert len(set(colour_series(names).values())) == len(names)


def test_numbered_series_take_every_colour_of_the_palette() -> None:
    names = [f"seed {number}" for number in range(len(PALETTE))]
    assert set(colour_series(names).values()) == set(PALETTE)


def test_a_compile_mode_has_one_hatch_in_any_company() -> None:
    for names in (["math, compile default"], ["math", "flash", "math, compile default"]):
        assert number_variants(colour_series(names))["math, compile default"] == 1
