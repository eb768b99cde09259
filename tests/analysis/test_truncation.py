"""Similar reasons are merged, and none is too long to read."""

from __future__ import annotations

from analysis.truncation import cut, shorten_kinds


def test_texts_that_differ_in_numbers_are_one_kind_with_the_numbers_that_agree() -> None:
    texts = ["GPU 0 wants 2.5 GiB (pid 17)", "GPU 0 wants 13 GiB (pid 4242)"]
    assert shorten_kinds(texts) == dict.fromkeys(texts, "GPU 0 wants … GiB (pid …)")


def test_another_text_is_another_kind() -> None:
    assert shorten_kinds(["signal 9", "signal nine"]) == {
        "signal 9": "signal 9",
        "signal nine": "signal nine",
    }


def test_a_long_text_is_cut_at_a_space() -> None:
    short = cut("word " * 100, 22)
    assert short == "word word word word…"
    assert cut("x" * 50, 10) == "x" * 9 + "…"
    assert cut("short", 10) == "short"


def test_a_cut_at_a_number_that_differs_has_one_ellipsis() -> None:
    assert cut("process … has … GiB of it", 12) == "process…"
