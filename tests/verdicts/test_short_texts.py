"""Prompts as names of rows: short and distinct."""

from __future__ import annotations

from sd_bench.verdicts.short_texts import LONGEST_NAME, shorten_apart


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
