"""``implementation=diffusers_documented``: diffusers with its documented settings for speed.

The page is "Accelerate inference", https://huggingface.co/docs/diffusers/optimization/fp16, as of
August 2026 (docs/source/en/optimization/fp16.md of huggingface/diffusers, commit 58eb52c080). From
it come channels last for UNet and autoencoder, ``fuse_qkv_projections()`` of both,
scaled_dot_product_attention, and torch.compile with "max-autotune" of the UNet and of
``vae.decode``, with the four settings of the compiler that it lists. Those that are axes are set in
conf/implementation/diffusers_documented.yaml.
"""

from __future__ import annotations

import time

import torch
import torch._inductor.config as inductor
from torch._dynamo.utils import counters

from sd_bench.capabilities.torch_compat import Watcher
from sd_bench.config.schema import LATENT_CHANNELS, Config
from sd_bench.implementations.diffusers_networks import Diffusers
from sd_bench.records import Conversion
from sd_bench.sampling.inputs import PIXELS_PER_LATENT

#: The compiler's settings "for maximum speed", in that page's order.
SETTINGS = {
    "conv_1x1_as_mm": True,
    "coordinate_descent_tuning": True,
    "epilogue_fusion": False,
    "coordinate_descent_check_all_directions": True,
}
#: Calls until a graph that CUDA records is ready: compile, record, replay.
_CALLS_TO_BE_READY = 3


class DiffusersDocumented(Diffusers):
    """``Diffusers`` with the decoder compiled too, and with the page's compiler settings.

    The settings hold for the whole process. The decoder is compiled here, before anything is timed;
    ``conversion`` has the settings and the seconds that this takes.
    """

    def __init__(
        self, config: Config, device: torch.device, watcher: Watcher | None = None
    ) -> None:
        for name, value in SETTINGS.items():
            setattr(inductor, name, value)
        super().__init__(config, device, watcher)
        autoencoder = self.peer.autoencoder
        autoencoder.decode = torch.compile(autoencoder.decode, mode="max-autotune", fullgraph=True)
        begin = time.perf_counter()
        self._make_ready()
        self.conversion = Conversion(
            convert_s=0.0,  # the tensors are ours
            compile_s=time.perf_counter() - begin,
            cache="warm" if counters["inductor"]["fxgraph_cache_hit"] else "cold",
            settings={name: str(value) for name, value in SETTINGS.items()},
        )

    def _make_ready(self) -> None:
        """Compile the decoder for the images of this cell."""
        workload = self.config.workload
        latents = torch.zeros(
            workload.batch_size,
            LATENT_CHANNELS,
            workload.height // PIXELS_PER_LATENT,
            workload.width // PIXELS_PER_LATENT,
            device=self.device,
        )
        with self.running():
            for _ in range(_CALLS_TO_BE_READY if self.device.type == "cuda" else 1):
                self.decode(latents)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
