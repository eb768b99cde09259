"""Names of tensors that differ from the model's own: older names, and tensors to ignore.

There is one table for each, with a reason for every row. A name in neither table is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sd_bench.errors import WeightsError, printable
from sd_bench.weights.parts import UNET
from sd_bench.weights.stored_tensor import StoredTensor


@dataclass(frozen=True, slots=True)
class Renamed:
    """What ``pattern`` matches in a name is replaced with ``present``."""

    pattern: re.Pattern[str]
    present: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftAside:
    """Tensors whose names match ``pattern`` change no image."""

    pattern: re.Pattern[str]
    reason: str


OLD_NAMES = tuple(
    Renamed(re.compile(pattern), present, reason)
    for pattern, present, reason in (
        (
            r"(?:^|(?<=[./]))"
            r"(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.",
            "",
            "the prefixes that torch.compile and training on several devices add to a network",
        ),
        (
            r"^cond_stage_model\.transformer\.(?=embeddings\.|encoder\.|final_layer_norm\.)",
            "cond_stage_model.transformer.text_model.",
            "sd1's text encoder as some versions of transformers name it",
        ),
        (
            r"^text_encoder/(?=embeddings\.|encoder\.|final_layer_norm\.)",
            "text_encoder/text_model.",
            "a text encoder as some versions of transformers name it",
        ),
        (
            r"^(vae/.*\.attentions\.\d+\.)query\.",
            r"\1to_q.",
            "the autoencoder's attention in diffusers before 0.18",
        ),
        (r"^(vae/.*\.attentions\.\d+\.)key\.", r"\1to_k.", "the same"),
        (r"^(vae/.*\.attentions\.\d+\.)value\.", r"\1to_v.", "the same"),
        (r"^(vae/.*\.attentions\.\d+\.)proj_attn\.", r"\1to_out.0.", "the same"),
    )
)

_IMAGE_TOWER = "the image tower of CLIP, which the text encoder was published with"
_LOGIT_SCALE = "of the loss that CLIP was trained with"
_PROJECTION = "after the hidden states that the UNet uses"
_POSITIONS = "the numbers 0 to 76: the positions of tokens"

LEFT_ASIDE = tuple(
    LeftAside(re.compile(pattern), reason)
    for pattern, reason in (
        (r"model_ema\..*", "averaged copies, which the published scripts do not use"),
        (
            r"(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev|_next)?|alphas|betas"
            r"|sqrt_recip(m1)?_alphas(_cumprod)?|posterior_(variance|log_variance_clipped)"
            r"|posterior_mean_coef[12]",
            "the noise schedule; alphas_cumprod is compared with the model's",
        ),
        (
            r"(denoiser\.|model\.)?(log_)?sigmas",
            "the noise schedule in the form of k-diffusion and those that merge with it",
        ),
        (r"lvlb_weights|logvar|scale_factor", "of the training loss, or the published constant"),
        (r"(global_)?step|epoch|iteration|num_updates", "how long it was trained"),
        (r"v_pred|edm_v_pred|ztsnr", "marks of a kind of prediction or schedule, which is checked"),
        (r"first_stage_model\.(loss|model_ema|discriminator)\..*", "the autoencoder's training"),
        (r"cond_stage_model\.(model\.|transformer\.)?logit_scale", _LOGIT_SCALE),
        (r"cond_stage_model\.(model\.|transformer\.)?text_projection(\.weight)?", _PROJECTION),
        (r"cond_stage_model\.model\.attn_mask", "the causal mask, which is computed"),
        (r"cond_stage_model\.model\.visual\..*", _IMAGE_TOWER),
        (r"cond_stage_model\.transformer\.vision_model\..*", _IMAGE_TOWER),
        (r"cond_stage_model\.transformer\.visual_projection\.weight", _IMAGE_TOWER),
        (r"cond_stage_model\.(.*\.)?embeddings\.position_ids", _POSITIONS),
        (r"text_encoder/(text_model\.)?embeddings\.position_ids", _POSITIONS),
        (r"text_encoder/text_projection\.weight", _PROJECTION),
        (r"text_encoder/logit_scale", _LOGIT_SCALE),
        (r"text_encoder/(vision_model\..*|visual_projection\.weight)", _IMAGE_TOWER),
    )
)

_MOST_NAMED = 4


def is_left_aside(key: str, tensor: StoredTensor) -> bool:
    """Whether a tensor changes no image: a known extra, or one without any numbers."""
    return 0 in tensor.shape or any(extra.pattern.fullmatch(key) for extra in LEFT_ASIDE)


def with_present_keys(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The tensors with older names replaced by those of the layouts.

    Raises WeightsError if two tensors would then have the same name.
    """
    present: dict[str, StoredTensor] = {}
    first: dict[str, str] = {}
    prefix = _common_prefix(tensors)
    for key, tensor in tensors.items():
        name = _renamed(key, prefix)
        if name in present:
            raise WeightsError(
                f"holds {printable(first[name])} and {printable(key)}, which are both "
                f"{printable(name)}"
            )
        present[name], first[name] = tensor, key
    return present


def _renamed(key: str, prefix: str) -> str:
    key = _without_old_names(key)
    if prefix == _MISSING:
        return f"model.{key}" if key.startswith(_BARE_UNET) else key
    return _without_old_names(key.removeprefix(prefix)) if prefix else key


def _without_old_names(key: str) -> str:
    for old in OLD_NAMES:
        key = old.pattern.sub(old.present, key)
    return key


#: The start of a UNet's keys if "model." was lost, and a mark for that case.
_BARE_UNET, _MISSING = UNET.removeprefix("model."), "-model."


def _common_prefix(keys: Iterable[str]) -> str:
    """The prefix before all keys of the UNet, or ``_MISSING``; empty if there is none.

    Raises WeightsError if there are several prefixes, as it is unclear which UNet to use.
    """
    found: dict[str, None] = {}
    for key in map(_without_old_names, keys):
        before, is_unet, _ = key.partition(UNET)
        if is_unet and (not before or before.endswith(".")):
            found[before] = None
        elif key.startswith(_BARE_UNET):
            found[_MISSING] = None
    if "" in found or not found:
        return ""
    if len(found) > 1:
        named = ", ".join(printable(f"{p}{UNET}*") for p in list(found)[:_MOST_NAMED])
        raise WeightsError(f"holds several UNets ({named}): save only the one that you need")
    return next(iter(found))
