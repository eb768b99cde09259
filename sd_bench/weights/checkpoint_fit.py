"""Which model a checkpoint holds, and whether it is exactly the requested one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import WeightsError, printable
from sd_bench.regular_files import open_regular
from sd_bench.sampling.schedule import make_schedule
from sd_bench.weights.checkpoint import Checkpoint
from sd_bench.weights.key_names import is_left_aside
from sd_bench.weights.layout import BIAS
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import TEXT_ENCODER, Shape
from sd_bench.weights.predictions import predictions_otherwise
from sd_bench.weights.settings import settings_otherwise
from sd_bench.weights.stored_tensor import LARGEST_FILE, STORABLE_DTYPES, StoredTensor

#: How many keys an error shows at most.
_MOST_SHOWN = 3


def expected_shapes(model: ModelConfig, layout: str) -> dict[str, Shape]:
    """The tensors that a file of ``layout`` must hold for ``model``."""
    shapes = {}
    for part in parts(model):
        place = part.place(layout)
        shapes[place.key] = (part.shape[0] * place.count, *part.shape[1:])
    return shapes


def same_numbers(stored: Shape, wanted: Shape) -> bool:
    """Whether shapes differ only in trailing ones, like a 1x1 convolution and a linear layer."""
    rank = min(len(stored), len(wanted))
    return stored[:rank] == wanted[:rank] and {*stored[rank:], *wanted[rank:]} <= {1}


def likeness(checkpoint: Checkpoint, model: ModelConfig) -> float:
    """The share of ``model``'s tensors that the checkpoint has in the right shape."""
    expected = expected_shapes(model, checkpoint.layout)
    fitting = sum(
        same_numbers(checkpoint.tensors[key].shape, shape)
        for key, shape in expected.items()
        if key in checkpoint.tensors
    )
    return fitting / len(expected)


def recognise(checkpoint: Checkpoint, models: Iterable[ModelConfig]) -> list[str]:
    """The names of the models that the checkpoint is most like; several if they are equally likely.

    Keys and shapes do not distinguish sd2 (512-base) from sd2_768, but a diffusers folder's
    scheduler does, and so does what a file says about its kind of prediction.
    """
    found = [(likeness(checkpoint, model), model) for model in models]
    best = max((share for share, _ in found), default=0.0)
    names = [m for share, m in found if share == best > 0.5]
    consistent = [m.name for m in names if not contradictions(checkpoint, m)]
    return consistent or [m.name for m in names]


def check_fits(
    checkpoint: Checkpoint,
    model: ModelConfig,
    models: Iterable[ModelConfig],
    ignore_extra_keys: bool = False,
) -> None:
    """Raise WeightsError unless the checkpoint holds exactly ``model``.

    The error suggests one of ``models`` if that fits. With ``ignore_extra_keys`` the checkpoint may
    also hold unknown tensors.
    """
    named = f"{checkpoint.path}"
    problem = _misfit(checkpoint, model) or next(iter(contradictions(checkpoint, model)), None)
    if problem is None and not ignore_extra_keys:
        problem = _extra(checkpoint, model)
    if problem is None:
        return
    others = [name for name in recognise(checkpoint, models) if name != model.name]
    if others and model.name not in recognise(checkpoint, models):
        raise WeightsError(
            f"{named}: holds {' or '.join(others)}, not {model.name} ({problem}): "
            f"add model_version={others[0]}"
        )
    raise WeightsError(f"{named}: does not fit model_version={model.name}: {problem}")


def _misfit(checkpoint: Checkpoint, model: ModelConfig) -> str | None:
    """What is wrong with the model's tensors: a different shape, missing, or an unusable dtype."""
    expected, tensors = expected_shapes(model, checkpoint.layout), checkpoint.tensors
    for key, shape in expected.items():
        if key in tensors and not same_numbers(tensors[key].shape, shape):
            return f"{key} has the shape {tensors[key].shape}, not {shape}"
    if missing := [key for key in expected if key not in tensors]:
        return f"it lacks {_some(missing)}"
    for key in expected:
        if tensors[key].dtype not in STORABLE_DTYPES:
            return f"{key} is {tensors[key].dtype}; weights are {', '.join(STORABLE_DTYPES)}"
    return None


def _extra(checkpoint: Checkpoint, model: ModelConfig) -> str | None:
    """A text on the unknown tensors and what to do about them; ``None`` if there are none."""
    expected = expected_shapes(model, checkpoint.layout)
    extra = [
        key
        for key, tensor in checkpoint.tensors.items()
        if key not in expected and not _may_be_left(key, tensor, checkpoint, model)
    ]
    if not extra:
        return None
    return (
        f"it holds {_some(extra)}, which the model does not have; if they change no image, "
        "add ignore_extra_keys=true"
    )


def _some(keys: list[str]) -> str:
    shown = ", ".join(printable(key) for key in keys[:_MOST_SHOWN])
    return shown if len(keys) <= _MOST_SHOWN else f"{shown} and {len(keys) - _MOST_SHOWN} more"


def _may_be_left(
    key: str, tensor: StoredTensor, checkpoint: Checkpoint, model: ModelConfig
) -> bool:
    after_the_last_used = f"{TEXT_ENCODER}model.transformer.resblocks.{model.text_encoder.layers}."
    return (
        is_left_aside(key, tensor)
        or key.startswith(after_the_last_used)
        or (checkpoint.layout == "multihead" and key.endswith(BIAS))
    )


def contradictions(checkpoint: Checkpoint, model: ModelConfig) -> list[str]:
    """In words, each statement of the checkpoint about its model that contradicts ``model``."""
    found = [
        *settings_otherwise(checkpoint.configs, model),
        *predictions_otherwise(checkpoint, model),
    ]
    return found if _schedule_agrees(checkpoint, model) else [_OTHER_SCHEDULE]


_OTHER_SCHEDULE = "its noise schedule (alphas_cumprod) is different"
#: Small checkpoints store their schedule in half precision, which rounds by at most 5e-4.
_SCHEDULE_TOLERANCE = 1e-3
_SCHEDULE_DTYPES = ("float64", "float32", "float16")


def _schedule_agrees(checkpoint: Checkpoint, model: ModelConfig) -> bool:
    """Whether the noise schedule in a Lightning file, if there is one, is the model's."""
    stored = checkpoint.tensors.get("alphas_cumprod")
    if stored is None or stored.dtype not in _SCHEDULE_DTYPES:
        return True
    wanted = make_schedule(model.schedule).alphas_cumprod
    if stored.shape != (len(wanted),) or stored.strides is not None:
        return False
    with open_regular(stored.file, LARGEST_FILE) as stream:
        stream.seek(stored.offset)
        content = stream.read(stored.nbytes)
    if len(content) < stored.nbytes:
        raise WeightsError(f"{stored.file}: is cut off at byte {stored.offset + len(content)}")
    numbers = np.frombuffer(content, dtype=np.dtype(stored.dtype)).astype(np.float64)
    return np.allclose(numbers, wanted, rtol=0, atol=_SCHEDULE_TOLERANCE)
