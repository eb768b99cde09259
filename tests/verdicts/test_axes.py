"""Values of axes: plain, printable, and in the order in which people read them."""

from __future__ import annotations

from typing import Any

import pytest

from sd_bench.verdicts.axes import PUBLISHED_PRESETS, order_values, to_choice, to_one_line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("flash", "flash"),
        (4, 4),
        (4.0, 4),
        (7.5, 7.5),
        (True, "true"),
        (10**30, str(10**30)),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (["a", 1], "['a', 1]"),
    ],
)
def test_any_json_value_becomes_text_or_an_ordinary_number(value: Any, expected: Any) -> None:
    assert to_choice(value) == expected
    assert type(to_choice(value)) is type(expected)


def test_text_is_one_printable_line() -> None:
    assert to_one_line("two\n  lines\t\x1b[31mred\ud800") == "two lines ?[31mred?"


def test_a_number_too_long_to_print_is_not_an_error() -> None:
    assert to_one_line(10**5000) == "a number too long to print"


def test_numbers_are_in_numeric_order() -> None:
    assert order_values("batch_size", [16, 2, 1, 2, 4]) == [1, 2, 4, 16]


def test_presets_are_in_the_published_order_and_unknown_ones_follow() -> None:
    values = ["zebra", *reversed(PUBLISHED_PRESETS), "apple", None]
    assert order_values("preset", values) == [
        *PUBLISHED_PRESETS,
        "apple",
        "zebra",
        None,
    ]


def test_twins_stand_beside_their_originals() -> None:
    values = ["original_xformers_pt2", "optimized", "original_xformers"]
    assert order_values("preset", values) == [
        "original_xformers",
        "original_xformers_pt2",
        "optimized",
    ]


def test_mixed_types_can_be_sorted() -> None:
    assert order_values("steps", ["many", None, 50, 4.5]) == [4.5, 50, "many", None]
