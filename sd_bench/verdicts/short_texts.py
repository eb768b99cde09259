"""Long texts as short names: cut at a space, and told apart."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping

#: How long a prompt may be as a name of rows.
LONGEST_NAME = 30


def cut(text: str, longest: int) -> str:
    """The text with at most that many characters, cut at a space where there is one."""
    if len(text) <= longest:
        return text
    begin = text[: longest - 1]
    at_space = begin.rpartition(" ")[0]
    return (at_space if len(at_space) > longest // 2 else begin).rstrip(" …") + "…"


def shorten_apart(texts: Iterable[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """A short form of each text that no other has: names of prompts, which may begin alike."""
    short = {text: cut(text, longest) for text in texts}
    for alike in _alike(short):
        begin = os.path.commonprefix(alike).rpartition(" ")[0]
        short |= {text: f"…{cut(text[len(begin) :].lstrip(), longest - 1)}" for text in alike}
    for alike in _alike(short):
        short |= {text: f"{short[text]} ({n})" for n, text in enumerate(alike, start=1)}
    return short


def _alike(short: Mapping[str, str]) -> list[list[str]]:
    """The texts that have one short form, for every such form."""
    members: dict[str, list[str]] = defaultdict(list)
    for text, form in short.items():
        members[form].append(text)
    return [texts for texts in members.values() if len(texts) > 1]
