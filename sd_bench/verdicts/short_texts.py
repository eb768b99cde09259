"""Shorten long texts to names that are cut at a space and stay distinct."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping

#: The most characters of a prompt in the name of a row.
LONGEST_NAME = 30


def cut(text: str, longest: int) -> str:
    """The text shortened to at most ``longest`` characters, if possible at a space."""
    if len(text) <= longest:
        return text
    begin = text[: longest - 1]
    at_space = begin.rpartition(" ")[0]
    return (at_space if len(at_space) > longest // 2 else begin).rstrip(" …") + "…"


def shorten_apart(texts: Iterable[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """A short form of each text, by text; no two are equal, even if texts begin alike."""
    short = {text: cut(text, longest) for text in texts}
    for alike in _alike(short):
        begin = os.path.commonprefix(alike).rpartition(" ")[0]
        short |= {text: f"…{cut(text[len(begin) :].lstrip(), longest - 1)}" for text in alike}
    for alike in _alike(short):
        short |= {text: f"{short[text]} ({n})" for n, text in enumerate(alike, start=1)}
    return short


def _alike(short: Mapping[str, str]) -> list[list[str]]:
    """The groups of texts that have the same short form."""
    members: dict[str, list[str]] = defaultdict(list)
    for text, form in short.items():
        members[form].append(text)
    return [texts for texts in members.values() if len(texts) > 1]
