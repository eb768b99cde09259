"""Our tokens compared with those of the tokenizer that each model was published with."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import open_clip
import torch
from open_clip.tokenizer import default_bpe

from sd_bench.sampling.tokens import tokenise
from tests.fidelity.comparison import EXACT, Comparison
from tests.fidelity.ours import fp32_config

#: Where tokenizers tend to differ: space, case, accents in both Unicode forms, scripts without
#: spaces, symbols of several code points, HTML entities, contractions, digits, broken encodings,
#: length, and text that looks like a special token.
PROMPTS = [
    "",
    " ",
    "A photo",
    "  A\tphoto \n of   a CAT  ",
    "It's the artist's, we'll see; they'd've DON'T",
    "1234567890 3.14 x2",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m STRASSE stra\u00dfe",
    "\u5bcc\u58eb\u5c71\u306e\u5199\u771f \uc11c\uc6b8 \u041c\u043e\u0441\u043a\u0432\u0430",
    "\U0001f469\u200d\U0001f680 on the moon \U0001f319!!!",
    "salt &amp; pepper &lt;b&gt; &amp;amp; &eacute;",
    "caf\u00c3\u00a9 \u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d",
    "\u201ccurly\u201d \u2018quotes\u2019 \u2014 dash\u2026",
    "(masterpiece:1.2), [blurry], {a|b} <lora:x:0.8> --ar 16:9 #tag @you",
    "word " * 74,
    "word " * 75,
    "word " * 76,
    "an endless prompt about nothing in particular, " * 40,
    "x" * 300,
    "a <|startoftext|> b<|endoftext|>c",
    "a <start_of_text> b<end_of_text>c",
]


def share_of_different_tokens(
    model_version: str, theirs: Callable[[list[str]], torch.Tensor]
) -> float:
    """The share of all 77 tokens of all prompts that differ."""
    ours = tokenise(PROMPTS, fp32_config(model_version).model_version.text_encoder)
    return (ours != theirs(PROMPTS)).float().mean().item()


def by_transformers(prompts: list[str]) -> torch.Tensor:
    """Tokens as diffusers' pipelines get them for sd1."""
    tokens = transformers_tokenizer("<|endoftext|>")(
        prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    return tokens.input_ids


def by_open_clip(prompts: list[str]) -> torch.Tensor:
    """Tokens as the published sd2 code gets them."""
    return open_clip.tokenize(prompts)


@lru_cache(maxsize=2)
def transformers_tokenizer(pad_token: str) -> Any:
    """CLIPTokenizer of transformers, with vocabulary and merges from open_clip.

    open_clip includes the list of merges that CLIP was published with.
    """
    from transformers import CLIPTokenizer

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    merges = [(left, right) for left, right in map(str.split, lines[1 : 49152 - 256 - 2 + 1])]
    letters = _byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad_token, model_max_length=77)


def _byte_letters() -> list[str]:
    """The printable letter that represents each byte, in the order of the vocabulary.

    Printable bytes represent themselves and come first; the others follow from U+0100 on.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printing)
    return [chr(code) for code in [*printing, *range(0x100, 0x100 + others)]]


COMPARISONS = [
    Comparison(
        name=f"tokens sd1, {len(PROMPTS)} prompts",
        against="transformers CLIPTokenizer",
        tolerance=EXACT,
        measure=partial(share_of_different_tokens, "sd1", by_transformers),
        needs=("transformers",),
    ),
    Comparison(
        name=f"tokens sd2, {len(PROMPTS)} prompts",
        against="open_clip's tokenizer",
        tolerance=EXACT,
        measure=partial(share_of_different_tokens, "sd2", by_open_clip),
    ),
]
