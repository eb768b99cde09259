"""Which series has which colour."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import to_hex

from analysis.charts.colours import colour_series, count_repeats
from sd_bench.attention_backends import BACKENDS
from sd_bench.verdicts.axes import PUBLISHED_PRESETS


def test_published_presets_have_the_first_five_default_colours() -> None:
    cycle = [to_hex(c) for c in matplotlib.rcParamsDefault["axes.prop_cycle"].by_key()["color"]]
    colours = colour_series(["flash", "optimized"])
    assert [colours[name] for name in PUBLISHED_PRESETS] == cycle[:5]
    assert colours["flash"] in cycle[5:]


def test_a_preset_has_the_same_colour_in_any_company() -> None:
    alone = colour_series(["optimized"])["optimized"]
    assert alone == colour_series(["flash", "math", "optimized", "original_xformers"])["optimized"]


def test_fifteen_other_series_have_fifteen_colours() -> None:
    names = [f"s{number}" for number in range(15)]
    colours = colour_series(names)
    assert len({colours[name] for name in [*names, *PUBLISHED_PRESETS]}) == 20


def test_any_number_of_series_has_colours() -> None:
    names = [f"s{number}" for number in range(100)]
    assert set(names) <= colour_series(names).keys()


def test_series_of_one_colour_are_counted_so_that_charts_can_tell_them_apart() -> None:
    names = [f"s{number}" for number in range(40)]
    colours = colour_series(names)
    repeats = count_repeats(colours)
    assert len({(colours[name], repeats[name]) for name in names}) == 40
    assert {repeats[name] for name in names[:15]} == {0}
    assert repeats["s15"] == 1


def test_a_backend_has_the_same_colour_in_any_company() -> None:
    labels = [backend.label for backend in BACKENDS]
    together = colour_series([*labels, "flash, compile default"])
    assert len({together[name] for name in [*labels, *PUBLISHED_PRESETS]}) == 12
    for backend in BACKENDS:
        assert colour_series([backend.label])[backend.label] == backend.colour
        assert together[backend.label] == backend.colour


def test_another_series_has_no_colour_of_a_backend_beside_it() -> None:
    colours = colour_series(["attention original", "flash", "fp32", "bf16"])
    assert len({colours[name] for name in ("attention original", "flash", "fp32", "bf16")}) == 4
