"""The text encoder's tensors: transformers' names, open_clip's names, shapes.

Checkpoints of sd1 have transformers' names, those of sd2 open_clip's, where q, k and v are one
matrix. diffusers' folders have transformers' names for both.
"""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.config.schema import TextEncoderConfig
from sd_bench.weights.parts import TEXT_ENCODER, Part, Place, Shape, linear, norm

#: A layer's names in transformers, and in open_clip: the name, the piece, the number of pieces.
_TEXT_LAYER = {
    "layer_norm1": ("ln_1.", 0, 1),
    "self_attn.q_proj": ("attn.in_proj_", 0, 3),
    "self_attn.k_proj": ("attn.in_proj_", 1, 3),
    "self_attn.v_proj": ("attn.in_proj_", 2, 3),
    "self_attn.out_proj": ("attn.out_proj.", 0, 1),
    "layer_norm2": ("ln_2.", 0, 1),
    "mlp.fc1": ("mlp.c_fc.", 0, 1),
    "mlp.fc2": ("mlp.c_proj.", 0, 1),
}


def text_encoder_parts(config: TextEncoderConfig) -> Iterator[Part]:
    """All tensors of a text encoder; ``config.library`` determines a checkpoint's names."""
    width, hidden = config.width, 4 * config.width
    shapes = {
        "layer_norm1": norm(width), "layer_norm2": norm(width),
        "mlp.fc1": linear(hidden, width), "mlp.fc2": linear(width, hidden),
    }  # fmt: skip
    named: list[tuple[str, Shape, Place]] = [
        (
            "embeddings.token_embedding.weight",
            (config.vocab_size, width),
            Place("token_embedding.weight"),
        ),
        (
            "embeddings.position_embedding.weight",
            (config.context_length, width),
            Place("positional_embedding"),
        ),
    ]
    for layer in range(config.layers):
        for name, (open_clip, piece, count) in _TEXT_LAYER.items():
            for suffix, shape in shapes.get(name, linear(width, width)).items():
                place = Place(f"transformer.resblocks.{layer}.{open_clip}{suffix}", piece, count)
                named.append((f"encoder.layers.{layer}.{name}.{suffix}", shape, place))
    for suffix, shape in norm(width).items():
        named.append((f"final_layer_norm.{suffix}", shape, Place(f"ln_final.{suffix}")))
    for name, shape, place in named:
        key = f"{TEXT_ENCODER}transformer.text_model.{name}"
        published = Place(key)
        if config.library == "open_clip":
            published = Place(f"{TEXT_ENCODER}model.{place.key}", place.piece, place.count)
        there = Place(f"text_encoder/text_model.{name}")
        yield Part(key, shape, published, published, there)


def text_encoder_keys(name: str) -> tuple[str, ...]:
    """The keys of the parts that, stacked on the first axis, are a parameter of our TextEncoder."""
    name = name.removeprefix("model.")
    prefix = f"{TEXT_ENCODER}transformer.text_model."
    fixed = {
        "token_embedding.weight": "embeddings.token_embedding.weight",
        "positional_embedding": "embeddings.position_embedding.weight",
        "ln_final.weight": "final_layer_norm.weight",
        "ln_final.bias": "final_layer_norm.bias",
    }
    if name in fixed:
        return (prefix + fixed[name],)
    _, _, layer, rest = name.split(".", 3)
    return tuple(
        f"{prefix}encoder.layers.{layer}.{theirs}.{rest.removeprefix(ours)}"
        for theirs, (ours, _, _) in _TEXT_LAYER.items()
        if rest.startswith(ours)
    )
