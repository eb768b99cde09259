"""The parts of a checkpoint: each tensor's name here, its shape, and its place in each layout.

There are three layouts. *published*: one Lightning file with the original code's keys and the
UNet's attention as ``to_q``, ``to_k``, ``to_v``. *multihead*: the same, but with the UNet's
attention in nn.MultiheadAttention's form. *diffusers*: a folder with a folder for each network.
"""

from __future__ import annotations

from dataclasses import dataclass

UNET = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
TEXT_ENCODER = "cond_stage_model."
LAYOUTS = ("published", "multihead", "diffusers")

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor in a file, or one of ``count`` equal pieces of it along the first axis."""

    key: str
    piece: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of a model, with q, k and v as separate parts.

    ``key`` is its name here: the published name, or for both text encoders that of sd1.
    """

    key: str
    shape: Shape
    published: Place
    multihead: Place
    diffusers: Place

    def place(self, layout: str) -> Place:
        """Where a checkpoint of ``layout`` stores the part."""
        place: Place = getattr(self, layout)
        return place


#: A module's published name, its diffusers name, and the shapes of its parameters.
Module = tuple[str, str, dict[str, Shape]]


def linear(out_features: int, in_features: int, bias: bool = True) -> dict[str, Shape]:
    """The shapes of a linear layer's parameters, by name."""
    shapes: dict[str, Shape] = {"weight": (out_features, in_features)}
    return shapes | {"bias": (out_features,)} if bias else shapes


def conv(out_channels: int, in_channels: int, size: int) -> dict[str, Shape]:
    """The shapes of a convolution's parameters, by name."""
    return {"weight": (out_channels, in_channels, size, size), "bias": (out_channels,)}


def norm(channels: int) -> dict[str, Shape]:
    """The shapes of a normalisation's parameters, by name."""
    return {"weight": (channels,), "bias": (channels,)}
