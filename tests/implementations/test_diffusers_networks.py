"""implementation=diffusers: our weights, our latents, and the named kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sd_bench.config.schema import Config
from sd_bench.implementations.building import build
from sd_bench.implementations.our_networks import build_networks
from tests.fidelity.comparison import relative_error
from tests.fidelity.files import save_multihead, save_published
from tests.support.composition import Compose
from tests.support.implementations import CPU, eager_proof, images_of, one_call
from tests.support.runnable import DIFFUSERS_BACKENDS

pytestmark = pytest.mark.slow

pytest.importorskip("diffusers")

#: Two steps of PLMS in fp32 gave 1e-6 to 2e-5, on one kind of processor.
SAME_LATENTS = 5e-5


def of_diffusers(tiny: Compose, *overrides: str) -> Config:
    return tiny("implementation=diffusers", "sampler.steps=2", *overrides)


@pytest.mark.parametrize(
    ("model", "attention"),
    [("sd1_tiny", "original"), *(("sd2_tiny", b) for b in DIFFUSERS_BACKENDS)],
)
def test_its_images_are_ours_and_its_kernels_those_that_are_named(
    tiny: Compose, model: str, attention: str
) -> None:
    cell = (f"model_version={model}", f"attention={attention}")
    expected = images_of(tiny("sampler.steps=2", *cell))
    peer = build(of_diffusers(tiny, *cell), CPU)
    images = images_of(peer.config, peer)
    assert relative_error(images.latents, expected.latents) < SAME_LATENTS
    assert relative_error(images.pixels, expected.pixels) < SAME_LATENTS
    assert len(peer.attention_modules) == 32
    proof = eager_proof(peer)
    assert proof.proven, proof.detail


def test_another_processor_than_the_named_one_is_not_proven(tiny: Compose) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    from sd_bench.implementations.diffusers_networks import Diffusers

    peer = Diffusers(of_diffusers(tiny, "attention=flash"), CPU)
    peer.peer.unet.set_attn_processor(AttnProcessor())
    proof = eager_proof(peer)
    assert not proof.proven
    assert proof.detail == "no attention for 32 modules"


@pytest.mark.parametrize("precision", ["bf16", "autocast"])
def test_an_upcast_computes_scores_in_fp32_but_for_autocast_which_undoes_it(
    tiny: Compose, precision: str
) -> None:
    """Therefore such a cell is unsupported (sd_bench.capabilities.diffusers_rules)."""
    cell = ("attention=original", f"precision={precision}")
    plain, upcast = (
        one_call(build(of_diffusers(tiny, *cell, f"attention.upcast={value}"), CPU))
        for value in ("false", "true")
    )
    assert torch.equal(plain, upcast) == (precision == "autocast")


@pytest.mark.parametrize(
    ("precision", "implementation"), [("autocast", "diffusers"), ("bf16", "diffusers_pipeline")]
)
def test_half_precisions_round_about_as_much_as_ours(
    tiny: Compose, precision: str, implementation: str
) -> None:
    cell = ("attention=math", "sampler.steps=2")
    exact = images_of(tiny(*cell)).latents
    ours = images_of(tiny(*cell, f"precision={precision}")).latents
    config = tiny(*cell, f"precision={precision}", f"implementation={implementation}")
    theirs = images_of(config).latents
    assert theirs.dtype == torch.float32
    assert 0 < relative_error(theirs, exact) < 2 * relative_error(ours, exact)


def test_optimizations_are_switched_on_and_change_no_result(tiny: Compose) -> None:
    from diffusers.models.attention_processor import FusedAttnProcessor2_0

    from sd_bench.implementations.diffusers_networks import Diffusers

    plain = Diffusers(of_diffusers(tiny, "attention=math"), CPU)
    optimized = Diffusers(
        of_diffusers(
            tiny,
            "attention=math",
            "optimizations.channels_last=true",
            "optimizations.fused_projections=true",
        ),
        CPU,
    )
    for peer, is_on in ((plain, False), (optimized, True)):
        for network in (peer.peer.unet, peer.peer.autoencoder):
            weight = network.get_submodule(
                "conv_in" if network is peer.peer.unet else "decoder.conv_in"
            ).weight
            assert weight.is_contiguous(memory_format=torch.channels_last) == is_on
            processors = {type(p) for p in network.attn_processors.values()}
            assert (processors == {FusedAttnProcessor2_0}) == is_on
        assert eager_proof(peer).detail == "32 math for 32 modules"
    assert relative_error(one_call(optimized), one_call(plain)) < SAME_LATENTS


@pytest.mark.parametrize("layout", ["published", "multihead", "diffusers"])
def test_a_checkpoint_of_any_layout_gives_what_the_same_weights_gave(
    tiny: Compose, tmp_path: Path, layout: str
) -> None:
    config = of_diffusers(tiny, "attention=original")
    path = tmp_path / ("folder" if layout == "diffusers" else "weights.ckpt")
    if layout == "diffusers":
        _save_folder(config, path)
    else:
        {"published": save_published, "multihead": save_multihead}[layout]("sd2_tiny", path)
    loaded = build(of_diffusers(tiny, "attention=original", f"weights={path}"), CPU)
    ours, theirs = build_networks(loaded.config, CPU)[1], build_networks(config, CPU)[1]
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
    assert torch.equal(one_call(loaded), one_call(build(config, CPU)))


def _save_folder(config: Config, folder: Path) -> None:
    from sd_bench.implementations.diffusers_networks import build_diffusers

    peer = build_diffusers(config, CPU)
    networks = {"text_encoder": peer.text_encoder, "unet": peer.unet, "vae": peer.autoencoder}
    for name, network in networks.items():
        network.save_pretrained(folder / name)
