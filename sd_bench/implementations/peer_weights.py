"""The same weights for a peer: our networks' tensors under the names of diffusers' layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from sd_bench.config.schema import ModelConfig
from sd_bench.networks.autoencoder import Autoencoder
from sd_bench.networks.text_encoder import TextEncoder
from sd_bench.networks.unet import UNet
from sd_bench.weights.checkpoint_fit import same_numbers
from sd_bench.weights.layout import part_keys
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import AUTOENCODER, TEXT_ENCODER, UNET

#: A network's weights, by their names in the peer.
Weights = Mapping[str, Tensor]


def in_diffusers_layout(
    model: ModelConfig, networks: tuple[TextEncoder, UNet, Autoencoder]
) -> dict[str, Weights]:
    """The weights of ``networks`` for "text_encoder", "unet" and "vae" of a diffusers pipeline.

    They are views of our parameters, in their dtype and on their device, and take no extra memory.
    Shapes are ours: where diffusers has a 1x1 convolution, ours may be a linear layer.
    """
    text_encoder, unet, autoencoder = networks
    by_part: dict[str, Tensor] = {}
    for network, prefix in ((text_encoder, TEXT_ENCODER), (unet, UNET), (autoencoder, AUTOENCODER)):
        by_part.update(_by_part(network, prefix))
    found: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for part in parts(model):
        assert part.diffusers.count == 1  # q, k and v are separate there
        name, _, key = part.diffusers.key.partition("/")
        # transformers dropped this level in version 5; diffusers' folders still have it.
        found[name][key.removeprefix("text_model.")] = by_part[part.key]
    return dict(found)


def _by_part(network: nn.Module, prefix: str) -> Iterable[tuple[str, Tensor]]:
    """The parts that make up the parameters of ``network``, without biases of zeros."""
    for name, parameter in network.named_parameters():
        sources = part_keys(prefix + name)
        if sources:
            yield from zip(sources, parameter.detach().chunk(len(sources)), strict=True)


def hand_over(weights: Weights, module: nn.Module) -> None:
    """Make ``weights``, not copies, the parameters of ``module``, which is on the meta device.

    Raises RuntimeError, naming the keys, unless ``module`` has exactly these.
    """
    shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
    shaped = {
        key: tensor.view(shapes[key])
        if key in shapes and same_numbers(tuple(tensor.shape), tuple(shapes[key]))
        else tensor
        for key, tensor in weights.items()
    }
    module.load_state_dict(shaped, strict=True, assign=True)
