"""Reasons that are alike are one, and none is too long to read."""

from __future__ import annotations

from analysis.truncation import LONGEST_NAME, cut, shorten_apart, shorten_kinds


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


def test_long_names_are_cut_where_they_still_differ() -> None:
    begin = "a photograph of an astronaut riding "
    texts = ["a cat", begin + "a horse on the moon", begin + "a bicycle", begin + "a horse on Mars"]
    assert list(shorten_apart(texts).values()) == [
        "a cat",
        "…horse on the moon",
        "…bicycle",
        "…horse on Mars",
    ]
    assert all(len(short) <= LONGEST_NAME for short in shorten_apart(texts).values())


def test_names_that_cannot_be_cut_apart_are_numbered() -> None:
    texts = [f"{'very ' * 20}{'long ' * 20}{animal}" for animal in ("cat", "dog")]
    texts += [f"{text}{'x' * 60}{end}" for text in ("b ",) for end in "12"]
    short = shorten_apart(texts)
    assert len(set(short.values())) == len(texts)
