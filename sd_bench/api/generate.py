"""``sd_bench.generate``: draws images with the networks and the sampler that are measured."""

from __future__ import annotations

import dataclasses
import tempfile
import threading
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sd_bench.api.errors import as_the_command_says_it, check_override
from sd_bench.api.own_hydra import own_hydra
from sd_bench.capabilities.composition import compose_config
from sd_bench.command_lines import name_of
from sd_bench.config.hydra_arguments import parse_argument
from sd_bench.config.overrides import parse_overrides
from sd_bench.config.schema import Config
from sd_bench.errors import ConfigError
from sd_bench.execution.cell import Cell
from sd_bench.execution.pinning import pinned, recognised_model
from sd_bench.execution.plan import make_plan
from sd_bench.screens.bars import make_bar
from sd_bench.screens.console import make_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

    from sd_bench.implementations.protocol import Implementation
    from sd_bench.sampling.text_to_image import Images

#: The overrides that set the number of images.
_HOW_MANY = ("batch_size", "workload.batch_size")
_ONE_AT_A_TIME = threading.Lock()
#: The networks of the last call with their configuration.
_KEPT: list[tuple[Config, Implementation]] = []


def generate(
    prompt: str | Sequence[str], *overrides: str, keep: bool = True, progress: bool = True
) -> list[Image]:
    """Draw an image of a prompt, or of each of several, in this process.

    >>> import sd_bench
    >>> choices = ("weights=v1-5-pruned-emaonly.safetensors", "scale=published")
    >>> cat, dog = sd_bench.generate(["a cat", "a dog"], *choices)
    >>> cat.save("cat.png")

    Overrides are those of the command line. ``batch_size=4`` draws four images and takes the
    prompts in turn; ``workload.seed=7`` is the seed of the first image, the next has 8;
    ``negative_prompt=...`` says what to avoid. The default size and number of steps are those that
    a sweep measures on this device, which are small on a CPU. Without ``weights=FILE`` the weights
    are random, and the images are noise. ``keep=False`` frees the networks afterwards; otherwise
    the next call with the same choices reuses them.

    Returns PIL images in RGB of ``workload.width`` x ``workload.height`` pixels, one per image of
    the batch, each with its prompt and seed in ``info``. A round of the same cell saves the same
    pixels.

    Raises ConfigError, with the line that the command would print, if the request cannot be
    carried out here, and FloatingPointError if an image holds NaN or infinity. A prompt that is too
    long is cut, with a warning that says what was left out.
    """
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    with as_the_command_says_it():
        config = _config(prompts, overrides)
    with _ONE_AT_A_TIME:
        try:
            return _draw(config, progress)
        finally:
            if not keep:
                _KEPT.clear()


def _config(prompts: Sequence[str], overrides: Sequence[str]) -> Config:
    """The cell to draw. Raises ConfigError if it cannot be drawn, and whatever Hydra raises."""
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise ConfigError("prompt: give a string, or a list of strings")
    wanted = [check_override(override) for override in overrides]
    names = [name_of(override) for override in wanted]
    if given := next((name for name in names if name in ("prompt", "prompt_file")), None):
        raise ConfigError(f"{given}: the prompt is the first argument of generate; leave it out")
    for override in wanted:
        parsed = parse_argument(override)
        if parsed is not None and parsed.is_sweep_override():
            raise ConfigError(f"{override}: generate draws one cell; name one value")
    if not any(name in _HOW_MANY for name in names):
        wanted.append(f"workload.batch_size={len(prompts)}")
    with own_hydra():
        found = recognised_model(parse_overrides(wanted))
        model = [] if found is None else [f"model_version={found[1]}"]
        config = pinned(compose_config(*wanted, *model))
    config = dataclasses.replace(config, prompt=list(prompts))
    _check_can_be_drawn(config)
    return config


def _check_can_be_drawn(config: Config) -> None:
    if config.torch_env.name != "current":
        raise ConfigError(
            f"torch_env={config.torch_env.name}: generate draws with the PyTorch of this program; "
            "leave it out, or measure with run"
        )
    folder = Path(tempfile.gettempdir())
    cell = Cell(config=config, index=0, label="", folder=folder, sweep_folder=folder)
    (planned,) = make_plan([cell])
    if planned.reason is not None:
        raise ConfigError(planned.reason)


def _draw(config: Config, progress: bool) -> list[Image]:
    import torch
    from PIL.Image import fromarray

    from sd_bench.sampling.inputs import cut_prompts, image_prompts, image_seeds

    for sentence in cut_prompts(config):
        warnings.warn(sentence, stacklevel=3)
    images = _images(config, make_console() if progress else Console(quiet=True))
    if not bool(torch.isfinite(images.pixels).all()):
        raise FloatingPointError(
            f"precision={config.precision.name}: the image holds NaN or infinity; try bf16 or fp32"
        )
    pixels = (images.pixels.float() * 255).round().byte().permute(0, 2, 3, 1)  # [B, H, W, 3]
    drawn = [fromarray(array) for array in pixels.cpu().numpy()]
    facts = zip(drawn, image_prompts(config, 0), image_seeds(config, 0), strict=True)
    for image, prompt, seed in facts:
        image.info |= {"prompt": prompt, "negative_prompt": config.negative_prompt, "seed": seed}
    return drawn


def _images(config: Config, console: Console) -> Images:
    """Latents and pixels of the batch, on the device."""
    from sd_bench.sampling.inputs import make_batch

    steps = config.sampler.steps
    implementation = _built(config)
    batch = make_batch(config, 0, implementation.device, steps if config.sampler.eta > 0 else 0)
    with implementation.running(), _bar(console, steps) as bar:
        return implementation.generate(batch, bar)


def _built(config: Config) -> Implementation:
    """The networks, built unless they are those of the last call. Raises ConfigError."""
    from sd_bench.execution.worker import device_of, why_not_computed
    from sd_bench.implementations.building import build

    workload = dataclasses.replace(config.workload, seed=0)
    built_of = dataclasses.replace(config, prompt="", negative_prompt="", workload=workload)
    if not _KEPT or _KEPT[0][0] != built_of:
        _KEPT.clear()  # before building: both may not fit in memory
        device = device_of(config)
        if (why := why_not_computed(config, device)) is not None:
            raise ConfigError(why)
        _KEPT.append((built_of, build(config, device)))
    return _KEPT[0][1]


class _Steps:
    """A progress bar of sampler steps, which an implementation calls while it generates."""

    def __init__(self, console: Console, steps: int) -> None:
        self.progress = make_bar(console, "", "steps")
        self._task = self.progress.add_task("", total=steps)

    def step(self) -> None:
        self.progress.update(self._task, advance=1, refresh=True)

    def stage(self, name: str) -> None:
        """Do nothing: stages matter only when measuring."""


@contextmanager
def _bar(console: Console, steps: int) -> Iterator[_Steps]:
    bar = _Steps(console, steps)
    bar.progress.start()
    try:
        yield bar
    finally:
        bar.progress.stop()
