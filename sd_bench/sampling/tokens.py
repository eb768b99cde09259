"""Turn prompts into tokens with the tokenizer that each model was published with.

Both tokenizers use CLIP's byte-pair encoding; they differ in how text is cleaned and padded.
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
    """Tokens [B, 77] of ``prompts``: start, text cut to 75 tokens, end, the model's padding."""
    tokenizer = tokenizer_of(config.library)
    rows = torch.full((len(prompts), config.context_length), config.pad_token)
    for row, prompt in zip(rows, prompts, strict=True):
        text = tokenizer.encode(prompt)[: _room(config)]
        tokens = [tokenizer.sot_token_id, *text, tokenizer.eot_token_id]
        row[: len(tokens)] = torch.tensor(tokens)
    return rows


def cut_off(prompt: str, config: TextEncoderConfig) -> str:
    """The part of ``prompt`` that does not fit and is left out, decoded from its tokens."""
    tokenizer = tokenizer_of(config.library)
    return str(tokenizer.decode(tokenizer.encode(prompt)[_room(config) :])).strip()


def _room(config: TextEncoderConfig) -> int:
    return config.context_length - 2  # without the start and end tokens


@lru_cache(maxsize=2)
def tokenizer_of(library: str) -> Any:
    """The tokenizer as ``library`` behaves; cached, because reading the vocabulary is slow."""
    tokenizer = new_tokenizer()
    if library == "transformers":
        tokenizer.clean_fn = _cleaned_as_transformers_does
        _respell_special_tokens(tokenizer)
    return tokenizer


def _respell_special_tokens(tokenizer: Any) -> None:
    """Recognise CLIP's spelling of the start and end tokens in a prompt, not open_clip's."""
    spelling = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    pattern = tokenizer.pat.pattern
    for theirs, published in spelling.items():
        pattern = pattern.replace(theirs, re.escape(published))
    tokenizer.pat = regex.compile(pattern, regex.IGNORECASE)
    tokenizer.cache = {published: theirs for theirs, published in spelling.items()}


def _cleaned_as_transformers_does(text: str) -> str:
    """Clean text as transformers does: unlike open_clip, without decoding HTML entities or
    repairing broken encodings.
    """
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).lower().strip()
