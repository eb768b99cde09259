"""CLIP's text tower, built from open_clip without its vision tower and without the network."""

from __future__ import annotations

from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from sd_bench.config.schema import TextEncoderConfig

_ACTIVATIONS = {"gelu": nn.GELU, "quick_gelu": QuickGELU}


class TextEncoder(nn.Module):
    """Tokens [B, 77] to the hidden states [B, 77, width] that the UNet attends to.

    sd1 uses all of ViT-L/14's layers; sd2 uses ViT-H/14 up to the penultimate layer, and the
    layer after it is not built. Both end in the tower's final layer norm.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.model = TextTransformer(
            context_length=config.context_length,
            vocab_size=config.vocab_size,
            width=config.width,
            heads=config.heads,
            layers=config.layers,
            output_dim=None,
            act_layer=_ACTIVATIONS[config.activation],
        )

    def fill_mask(self) -> None:
        """Compute the causal mask, which is no parameter: ``to_empty`` leaves garbage in it."""
        mask = self.model.attn_mask
        mask.copy_(self.model.build_causal_mask().to(mask))

    def train(self, mode: bool = True) -> TextEncoder:
        """As any module's, but nn.MultiheadAttention stays in training mode.

        Without dropout that changes nothing but this: in eval mode PyTorch 2.0 runs its fused
        inference path, which ignores the backend switches and does not go with autocast.
        """
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.training = True
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.model.token_embedding(tokens) + self.model.positional_embedding
        x = self.model.transformer(x, attn_mask=self.model.attn_mask)
        return self.model.ln_final(x)
