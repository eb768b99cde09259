"""Which model a checkpoint holds, and whether it holds exactly the one that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import WeightsError
from sd_bench.sampling.schedule import make_schedule
from sd_bench.weights.checkpoint import Checkpoint
from sd_bench.weights.layout import BIAS
from sd_bench.weights.model_parts import parts
from sd_bench.weights.parts import TEXT_ENCODER, Shape
from sd_bench.weights.stored_tensor import STORABLE_DTYPES

#: What full checkpoints hold beside the networks: the noise schedule, other losses' weights, and
#: parts of the text encoders that no image depends on.
LEFTOVERS = re.compile(
    r"model_ema\..*"
    r"|(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?|betas|lvlb_weights|logvar|scale_factor"
    r"|sqrt_recip(m1)?_alphas_cumprod"
    r"|posterior_(variance|log_variance_clipped|mean_coef[12])"
    r"|first_stage_model\.(loss|model_ema)\..*"
    r"|cond_stage_model\.logit_scale"
    r"|cond_stage_model\.model\.(logit_scale|text_projection|attn_mask)"
    r"|cond_stage_model\.transformer\.(text_model\.embeddings\.position_ids|text_projection\.weight)"
    r"|text_encoder/(text_model\.embeddings\.position_ids|text_projection\.weight)"
)


def expected_shapes(model: ModelConfig, layout: str) -> dict[str, Shape]:
    """The tensors that a file of ``layout`` must hold for ``model``."""
    shapes = {}
    for part in parts(model):
        place = part.place(layout)
        shapes[place.key] = (part.shape[0] * place.count, *part.shape[1:])
    return shapes


def same_numbers(stored: Shape, wanted: Shape) -> bool:
    """Whether shapes differ in trailing ones at most, as a 1x1 convolution and a linear layer."""
    rank = min(len(stored), len(wanted))
    return stored[:rank] == wanted[:rank] and {*stored[rank:], *wanted[rank:]} <= {1}


def likeness(checkpoint: Checkpoint, model: ModelConfig) -> float:
    """The share of ``model``'s tensors that the checkpoint holds in the right shape."""
    expected = expected_shapes(model, checkpoint.layout)
    fitting = sum(
        same_numbers(checkpoint.tensors[key].shape, shape)
        for key, shape in expected.items()
        if key in checkpoint.tensors
    )
    return fitting / len(expected)


def recognise(checkpoint: Checkpoint, models: Iterable[ModelConfig]) -> list[str]:
    """The names of the models that it is most like; several where keys and shapes are the same.

    Keys and shapes do not tell sd2 (512-base) from sd2_768: a diffusers folder's scheduler does.
    """
    found = [(likeness(checkpoint, model), model) for model in models]
    best = max((share for share, _ in found), default=0.0)
    names = [m for share, m in found if share == best > 0.5]
    said = [m.name for m in names if not contradictions(checkpoint, m)]
    return said or [m.name for m in names]


def check_fits(checkpoint: Checkpoint, model: ModelConfig, models: Iterable[ModelConfig]) -> None:
    """Raises WeightsError unless it holds exactly ``model``; ``models`` are those to suggest."""
    named = f"{checkpoint.path}"
    problem = _misfit(checkpoint, model) or next(iter(contradictions(checkpoint, model)), None)
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
    """The first tensors that are missing, of another shape, of no use as weights, or too many."""
    expected, tensors = expected_shapes(model, checkpoint.layout), checkpoint.tensors
    for key, shape in expected.items():
        if key in tensors and not same_numbers(tensors[key].shape, shape):
            return f"{key} has the shape {tensors[key].shape}, not {shape}"
    if missing := [key for key in expected if key not in tensors]:
        return f"it lacks {_some(missing)}"
    if extra := [
        k for k in tensors if k not in expected and not _may_be_left(k, checkpoint, model)
    ]:
        return f"it holds {_some(extra)}, which the model has not"
    for key in expected:
        if tensors[key].dtype not in STORABLE_DTYPES:
            return f"{key} is {tensors[key].dtype}; weights are {', '.join(STORABLE_DTYPES)}"
    return None


def _some(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


def _may_be_left(key: str, checkpoint: Checkpoint, model: ModelConfig) -> bool:
    after_the_last_used = f"{TEXT_ENCODER}model.transformer.resblocks.{model.text_encoder.layers}."
    return (
        LEFTOVERS.fullmatch(key) is not None
        or key.startswith(after_the_last_used)
        or (checkpoint.layout == "multihead" and key.endswith(BIAS))
    )


_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}
_ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu"}


def contradictions(checkpoint: Checkpoint, model: ModelConfig) -> list[str]:
    """What the settings in a diffusers folder say otherwise than ``model``, in words."""
    unet, text, schedule = model.unet, model.text_encoder, model.schedule
    widths = [unet.model_channels * m for m in unet.channel_mult]
    heads = [unet.num_heads or width // (unet.num_head_channels or width) for width in widths]
    wanted: dict[str, dict[str, Any]] = {
        "scheduler": {
            "prediction_type": _PREDICTIONS[model.prediction],
            "num_train_timesteps": schedule.num_timesteps,
            "beta_start": schedule.linear_start,
            "beta_end": schedule.linear_end,
            "beta_schedule": "scaled_linear",
        },
        "unet": {"attention_head_dim": heads},
        "text_encoder": {
            "hidden_act": _ACTIVATIONS[text.activation],
            "num_attention_heads": text.heads,
        },
    }
    said_otherwise = [
        f"{network}'s {name} is {said[name]!r}, not {value!r}"
        for network, values in wanted.items()
        for name, value in values.items()
        if name in (said := checkpoint.configs.get(network, {})) and not _agrees(said[name], value)
    ]
    return said_otherwise if _schedule_agrees(checkpoint, model) else [_OTHER_SCHEDULE]


_OTHER_SCHEDULE = "its noise schedule (alphas_cumprod) is another one"
#: Half precision, in which small checkpoints keep their schedule, rounds by at most 5e-4.
_SCHEDULE_TOLERANCE = 1e-3


def _schedule_agrees(checkpoint: Checkpoint, model: ModelConfig) -> bool:
    """Whether the schedule that a Lightning file carries, if it does, is the model's."""
    stored = checkpoint.tensors.get("alphas_cumprod")
    wanted = make_schedule(model.schedule).alphas_cumprod
    if stored is None or stored.dtype not in ("float64", "float32", "float16"):
        return True
    with stored.file.open("rb") as stream:
        stream.seek(stored.offset)
        numbers = np.frombuffer(stream.read(stored.nbytes), dtype=np.dtype(stored.dtype))
    return len(numbers) == len(wanted) and np.allclose(
        numbers.astype(np.float64), wanted, rtol=0, atol=_SCHEDULE_TOLERANCE
    )


def _agrees(said: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):  # the number of heads, one for all levels or one for each
        return said == wanted or (isinstance(said, int) and set(wanted) == {said})
    return bool(said == wanted)
