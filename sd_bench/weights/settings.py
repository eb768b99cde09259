"""Compare the settings in a diffusers folder with a model; an unknown setting is refused.

Settings for which the weights were trained must be the model's. How to take steps does not depend
on the weights; here ``sampler=`` determines it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import printable

_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}
#: diffusers' defaults for settings that a scheduler's file does not have.
_SCHEDULER_DEFAULTS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
}
#: Switches that select another noise schedule or prediction, with the value that means off.
_SCHEDULER_OFF = {
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "use_flow_sigmas": False,
    "use_dynamic_shifting": False,
    "predict_epsilon": True,
    "snr_shift_scale": None,
}
#: Settings of how to take steps, what to clip and where to begin, which ``sampler=`` determines.
_HOW_TO_STEP = frozenset({
    "algorithm_type", "clip_sample", "clip_sample_range", "corrector_order", "disable_corrector",
    "dynamic_thresholding_ratio", "eta", "euler_at_final", "final_sigmas_type", "flow_shift",
    "interpolation_type", "lambda_min_clipped", "lower_order_final", "noise_sampler_seed",
    "original_inference_steps", "predict_x0", "predictor_order", "sample_max_value",
    "set_alpha_to_one", "set_alpha_to_zero", "shift_terminal", "sigma_max", "sigma_min",
    "skip_prk_steps", "solver_order", "solver_p", "solver_type", "steps_offset", "tau_func",
    "tensor_format", "thresholding", "time_shift_type", "timestep_scaling", "timestep_spacing",
    "timestep_type", "timesteps", "use_beta_sigmas", "use_exponential_sigmas", "use_karras_sigmas",
    "use_lu_lambdas", "variance_type",
})  # fmt: skip
#: diffusers' schedulers for models that predict noise or v on a schedule of betas.
_SCHEDULERS = frozenset({
    "DDIMScheduler", "DDIMInverseScheduler", "DDIMParallelScheduler", "DDPMScheduler",
    "DDPMParallelScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverMultistepInverseScheduler", "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler",
    "PNDMScheduler", "SASolverScheduler", "UniPCMultistepScheduler",
})  # fmt: skip
_NORM_GROUPS, _NORM_EPS, _TEXT_NORM_EPS = 32, 1e-5, 1e-5


def settings_otherwise(configs: Mapping[str, Mapping[str, Any]], model: ModelConfig) -> list[str]:
    """In words, each setting that contradicts ``model`` or is unknown."""
    unet, text = model.unet, model.text_encoder
    widths = [unet.model_channels * m for m in unet.channel_mult]
    heads = [unet.num_heads or width // (unet.num_head_channels or width) for width in widths]
    wanted: dict[str, dict[str, Any]] = {
        "unet": {
            "attention_head_dim": heads,
            "act_fn": "silu",
            "norm_num_groups": _NORM_GROUPS,
            "norm_eps": _NORM_EPS,
            "flip_sin_to_cos": True,
            "freq_shift": 0,
            "center_input_sample": False,
            "mid_block_scale_factor": 1,
            "resnet_time_scale_shift": "default",
            "class_embed_type": None,
            "time_cond_proj_dim": None,
        },
        "vae": {
            "scaling_factor": model.latent_scale,
            "shift_factor": None,
            "act_fn": "silu",
            "norm_num_groups": _NORM_GROUPS,
        },
        "text_encoder": {
            "hidden_act": text.activation,
            "num_attention_heads": text.heads,
            "layer_norm_eps": _TEXT_NORM_EPS,
        },
    }
    found = list(
        _scheduler_otherwise(configs["scheduler"], model) if "scheduler" in configs else ()
    )
    for network, values in wanted.items():
        stored = configs.get(network, {})
        found += [
            _otherwise(network, name, stored[name], value)
            for name, value in values.items()
            if name in stored and not _agrees(stored[name], value)
        ]
    return found


def _scheduler_otherwise(stored: Mapping[str, Any], model: ModelConfig) -> Iterator[str]:
    wanted = {
        "prediction_type": _PREDICTIONS[model.prediction],
        "num_train_timesteps": model.schedule.num_timesteps,
        "beta_start": model.schedule.linear_start,
        "beta_end": model.schedule.linear_end,
        "beta_schedule": "scaled_linear",
    }
    kind = stored.get("_class_name")
    if kind is not None and kind not in _SCHEDULERS:
        yield f"scheduler's _class_name is {_shown(kind)}, which is not one of this model's kind"
    for name, value in wanted.items():
        if not _agrees(found := stored.get(name, _SCHEDULER_DEFAULTS[name]), value):
            yield _otherwise("scheduler", name, found, value)
    for name, off in _SCHEDULER_OFF.items():
        if name in stored and stored[name] is not None and stored[name] != off:
            yield _otherwise("scheduler", name, stored[name], off)
    known = {*wanted, *_SCHEDULER_OFF, *_HOW_TO_STEP}
    for name, value in stored.items():
        if name not in known and not name.startswith("_") and value not in (None, False):
            yield f"scheduler's {printable(name)} is {_shown(value)}, an unknown setting"


def _otherwise(network: str, name: str, stored: Any, wanted: Any) -> str:
    return f"{network}'s {name} is {_shown(stored)}, not {wanted!r}"


def _shown(value: Any) -> str:
    return printable(repr(value))


def _agrees(stored: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):  # numbers of heads: one for all levels, or one per level
        return stored == wanted or (type(stored) is int and set(wanted) == {stored})
    return bool(stored == wanted)
