"""Reasons and warnings as people read them: alike ones put together, long ones cut.

Messages such as CUDA's out of memory hold process ids and sizes, so that no two are equal. Texts
that differ in nothing but their numbers are one kind, and are said with "…" where they differ.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

#: How long a reason in a table or a warning in a note may be; the CSV files have the whole text.
LONGEST = 160

#: How long a prompt may be as a name of rows.
LONGEST_NAME = 30

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)*")


def shorten_kinds(texts: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """For each text the short form of its kind, in the order in which they first occur."""
    members: dict[str, list[str]] = defaultdict(list)
    short: dict[str, str] = dict.fromkeys(texts, "")
    for text in short:
        members[_NUMBER.sub("…", text)].append(text)
    for alike in members.values():
        said = cut(_merged(alike), longest)
        short |= dict.fromkeys(alike, said)
    return short


def cut(text: str, longest: int = LONGEST) -> str:
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


def _merged(alike: Sequence[str]) -> str:
    """Texts that differ in their numbers only as one, with "…" for the numbers that differ."""
    if len(alike) == 1:
        return alike[0]
    words = _NUMBER.split(alike[0])
    numbers = zip(*(_NUMBER.findall(text) for text in alike), strict=True)
    shown = [each[0] if len(set(each)) == 1 else "…" for each in numbers]
    return "".join(word + number for word, number in zip(words, [*shown, ""], strict=True))
