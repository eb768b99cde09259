"""transformers' CLIP tokenizer, made from the vocabulary that comes with open_clip."""

from __future__ import annotations

from typing import Any

from transformers import CLIPTokenizer

from sd_bench.config.schema import TextEncoderConfig
from sd_bench.sampling.clip_vocabulary import new_tokenizer

#: CLIP's spelling of the two tokens that open_clip spells differently.
_SPELLING = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}


def make_clip_tokenizer(config: TextEncoderConfig) -> Any:
    """A CLIPTokenizer that pads as the published model does; needs no files and no network."""
    known = new_tokenizer()
    vocabulary = {_SPELLING.get(word, word): number for word, number in known.encoder.items()}
    (pad_token,) = (word for word, number in vocabulary.items() if number == config.pad_token)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=list(known.bpe_ranks),
        pad_token=pad_token,
        model_max_length=config.context_length,
    )
