"""Prompts to tokens, as the tokenizer that each model was published with makes them.

Both are CLIP's byte-pair encoding; they differ in how text is cleaned and in the padding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import regex
import torch
from torch import Tensor

from sd_bench.config.schema import TextEncoderConfig
from sd_bench.sampling.clip_vocabulary import new_tokenizer


def tokenise(prompts: Sequence[str], config: TextEncoderConfig) -> Tensor:
    """Prompts to [B, 77] tokens: start, text cut to 75, end, the model's own padding."""
    tokenizer = tokenizer_of(config.library)
    rows = torch.full((len(prompts), config.context_length), config.pad_token)
    for row, prompt in zip(rows, prompts, strict=True):
        text = tokenizer.encode(prompt)[: _room(config)]
        tokens = [tokenizer.sot_token_id, *text, tokenizer.eot_token_id]
        row[: len(tokens)] = torch.tensor(tokens)
    return rows


def cut_off(prompt: str, config: TextEncoderConfig) -> str:
    """What of ``prompt`` does not fit and is left out, in the tokenizer's own words."""
    tokenizer = tokenizer_of(config.library)
    return str(tokenizer.decode(tokenizer.encode(prompt)[_room(config) :])).strip()


def _room(config: TextEncoderConfig) -> int:
    return config.context_length - 2  # for the start and the end


@lru_cache(maxsize=2)
def tokenizer_of(library: str) -> Any:
    """Reading the vocabulary takes a few tenths of a second."""
    tokenizer = new_tokenizer()
    if library == "transformers":
        tokenizer.clean_fn = _cleaned_as_transformers_does
        _respell_special_tokens(tokenizer)
    return tokenizer


def _respell_special_tokens(tokenizer: Any) -> None:
    """Let CLIP's own spelling of start and end stand for them in a prompt, and no longer
    open_clip's."""
    spelling = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    pattern = tokenizer.pat.pattern
    for theirs, published in spelling.items():
        pattern = pattern.replace(theirs, re.escape(published))
    tokenizer.pat = regex.compile(pattern, regex.IGNORECASE)
    tokenizer.cache = {published: theirs for theirs, published in spelling.items()}


def _cleaned_as_transformers_does(text: str) -> str:
    """Unlike open_clip's: no HTML entities resolved, no broken encodings repaired."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).lower().strip()
