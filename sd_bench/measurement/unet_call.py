"""The UNet call used for warm-up, for the kernel proof, and for the sketch of a prediction."""

from __future__ import annotations

import torch

from sd_bench.implementations.protocol import Implementation
from sd_bench.sampling.inputs import make_batch
from sd_bench.sampling.text_to_image import guided


class UNetCall:
    """A guided UNet call with exactly the inputs of the first sampling step.

    A kept prediction is moved off the device, where it would count as memory.
    """

    def __init__(self, implementation: Implementation) -> None:
        batch = make_batch(implementation.config, 0, implementation.device)
        tokens = torch.cat([batch.negative_tokens, batch.tokens])
        self.context = implementation.encode_text(tokens)
        scale = implementation.config.workload.guidance_scale
        self._model = guided(implementation, self.context, scale)
        self._inputs = batch.latents, max(implementation.sampler.timesteps)
        self._last: torch.Tensor | None = None
        self._prediction: torch.Tensor | None = None

    def __call__(self) -> torch.Tensor:
        self._last = None
        self._last = self._model(*self._inputs)
        return self._last

    def keep_prediction(self) -> None:
        """Move the last call's prediction off the device, if a call was made."""
        if self._last is not None:
            self._prediction = self._last.cpu()
        self._last = None

    @property
    def prediction(self) -> torch.Tensor:
        """The kept prediction; makes one more call if there is none."""
        if self._prediction is None:
            if self._last is None:
                self()
            self.keep_prediction()
        assert self._prediction is not None
        return self._prediction
