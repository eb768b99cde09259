"""The files that a round saves beside its record: the final latents and the images."""

from __future__ import annotations

import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sd_bench.records import Output
from sd_bench.sampling.text_to_image import Images


def save_output(
    folder: Path,
    stem: str,
    images: Images,
    prompts: list[str],
    seeds: list[int],
    negative_prompt: str,
    facts: dict[str, Any] | None,
    stage_sketches: dict[str, list[float]] | None = None,
) -> Output:
    """Save latents as float32 ``.npy`` [B, 4, H, W] and, with ``facts``, each image as a PNG.

    A text chunk of each PNG holds the cell's facts, the prompts and the seed. Raises OSError if a
    file cannot be written.
    """
    latents = images.latents.detach().float().cpu().numpy()
    latents_file = folder / f"{stem}-latents.npy"
    stream = io.BytesIO()
    np.save(stream, latents)
    latents_file.write_bytes(stream.getvalue())  # np.save's own errors do not say why
    image_files = []
    if facts is not None:
        pixels = (
            (images.pixels.detach().float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        )
        for i, (array, prompt, seed) in enumerate(zip(pixels, prompts, seeds, strict=True)):
            file = folder / f"{stem}-image-{i}.png"
            made_of = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": seed}
            info = PngInfo()
            info.add_text("sd_bench", json.dumps({**facts, **made_of}))
            Image.fromarray(array).save(file, pnginfo=info)
            image_files.append(file.name)
    return Output(
        latents_file=latents_file.name,
        latents_sha256=hashlib.sha256(latents.tobytes()).hexdigest(),
        image_files=image_files,
        image_seeds=seeds,
        prompts=prompts,
        negative_prompt=negative_prompt,
        latents_mean=_finite(latents.mean(dtype=np.float64)),
        latents_std=_finite(latents.std(dtype=np.float64)),
        stage_sketches=stage_sketches or {},
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
