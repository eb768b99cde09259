"""The keys of our networks' weights in the published checkpoints.

They are written down here independently of sd_bench.weights, which must agree with them.
"""

from __future__ import annotations

from torch import Tensor, nn

from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.weights.parts import TEXT_ENCODER

#: The names of the parts of a text encoder layer in the published sd1 checkpoint (those of
#: transformers), by ours (those of open_clip); q, k and v are separate there.
_SD1_LAYER_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_SD1_OTHERS = {
    "model.token_embedding.weight": "embeddings.token_embedding.weight",
    "model.positional_embedding": "embeddings.position_embedding.weight",
    "model.ln_final.weight": "final_layer_norm.weight",
    "model.ln_final.bias": "final_layer_norm.bias",
}
_SD1_TEXT_PREFIX = "cond_stage_model.transformer.text_model."


def published(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """The state of a UNet with attention=original, or an autoencoder, under published keys."""
    return {prefix + key: value for key, value in network.state_dict().items()}


def published_text_encoder(encoder: TextEncoder, library: str) -> dict[str, Tensor]:
    """The state under the names of the library that the model was published with."""
    if library == "open_clip":
        return published(encoder, TEXT_ENCODER)
    checkpoint = {}
    for key, value in encoder.state_dict().items():
        if key in _SD1_OTHERS:
            checkpoint[_SD1_OTHERS[key]] = value
            continue
        layer, part = key.removeprefix("model.transformer.resblocks.").split(".", 1)
        head = f"encoder.layers.{layer}."
        if part.startswith("attn.in_proj_"):
            kind = part.removeprefix("attn.in_proj_")
            for name, third in zip("qkv", value.chunk(3), strict=True):
                checkpoint[f"{head}self_attn.{name}_proj.{kind}"] = third
        else:
            module, kind = part.rsplit(".", 1)
            checkpoint[f"{head}{_SD1_LAYER_PARTS[module]}.{kind}"] = value
    return {_SD1_TEXT_PREFIX + key: value for key, value in checkpoint.items()}
