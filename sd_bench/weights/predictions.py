"""What a file says of the kind of prediction that it was trained for: of noise (eps), or of v."""

from __future__ import annotations

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import printable
from sd_bench.weights.checkpoint import Checkpoint

#: Where a file says it, and what its words mean here; of other words the file is refused.
_WORDS = {
    "modelspec.prediction_type": {
        "epsilon": "eps", "eps": "eps", "v": "v", "v_prediction": "v", "v-prediction": "v",
    },
    "hyper_parameters.parameterization": {"eps": "eps", "v": "v"},
}  # fmt: skip
#: Names of architectures that say it in passing; those of others say nothing.
_ARCHITECTURES = {
    "modelspec.architecture": {
        "stable-diffusion-v2-512": "eps",
        "stable-diffusion-v2-768-v": "v",
    },
    "ss_base_model_version": {"sd_v2_512": "eps", "sd_v2_768_v": "v"},
}
#: Tensors that are there to say something, and hold no weights.
_MARKS = {"v_pred": "v"}
#: Tensors that mark what no schedule here is.
_OTHER_SCHEDULES = {"ztsnr": "a schedule that ends in pure noise (zero terminal SNR)"}
_IN_WORDS = {"eps": "noise (epsilon)", "v": "v"}


def predictions_otherwise(checkpoint: Checkpoint, model: ModelConfig) -> list[str]:
    """What the file says of its prediction otherwise than ``model``, in words."""
    found = [
        f"its key {key!r} stands for {words}" for key, words in _OTHER_SCHEDULES.items()
        if key in checkpoint.tensors
    ]  # fmt: skip
    for where, word, kind in _said(checkpoint):
        if kind is None:
            found.append(f"its {where} is {printable(repr(word))}, which no model here predicts")
        elif kind != model.prediction:
            wanted = _IN_WORDS[model.prediction]
            found.append(f"its {where} says that it predicts {_IN_WORDS[kind]}, not {wanted}")
    return found


def _said(checkpoint: Checkpoint) -> list[tuple[str, str, str | None]]:
    """Where it is said, in which word, and what that means (None: nothing that is known)."""
    said = checkpoint.statements
    found = [
        (where, said[where], words.get(said[where].lower()))
        for where, words in _WORDS.items()
        if where in said
    ]
    for where, names in _ARCHITECTURES.items():
        if (kind := names.get(said.get(where, "").lower())) is not None:
            found.append((where, said[where], kind))
    marks = ((f"key {key!r}", key, kind) for key, kind in _MARKS.items())
    return [*found, *(mark for mark in marks if mark[1] in checkpoint.tensors)]
