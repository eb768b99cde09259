"""Check what a file says about the prediction that it was trained for: noise (eps) or v."""

from __future__ import annotations

from sd_bench.config.schema import ModelConfig
from sd_bench.errors import printable
from sd_bench.weights.checkpoint import Checkpoint

#: Where a file names its kind of prediction, and what the words mean; other words are refused.
_WORDS = {
    "modelspec.prediction_type": {
        "epsilon": "eps", "eps": "eps", "v": "v", "v_prediction": "v", "v-prediction": "v",
    },
    "hyper_parameters.parameterization": {"eps": "eps", "v": "v"},
}  # fmt: skip
#: Names of architectures that imply a kind of prediction; other names imply nothing.
_ARCHITECTURES = {
    "modelspec.architecture": {
        "stable-diffusion-v2-512": "eps",
        "stable-diffusion-v2-768-v": "v",
    },
    "ss_base_model_version": {"sd_v2_512": "eps", "sd_v2_768_v": "v"},
}
#: Tensors that only mark a kind of prediction and are not weights.
_MARKS = {"v_pred": "v"}
#: Tensors that mark a schedule that no model here has.
_OTHER_SCHEDULES = {"ztsnr": "a schedule that ends in pure noise (zero terminal SNR)"}
_IN_WORDS = {"eps": "noise (epsilon)", "v": "v"}


def predictions_otherwise(checkpoint: Checkpoint, model: ModelConfig) -> list[str]:
    """In words, each statement of the file about its prediction that contradicts ``model``."""
    found = [
        f"its key {key!r} means {words}" for key, words in _OTHER_SCHEDULES.items()
        if key in checkpoint.tensors
    ]  # fmt: skip
    for where, word, kind in _find_statements(checkpoint):
        if kind is None:
            found.append(f"its {where} is {printable(repr(word))}, which no model here predicts")
        elif kind != model.prediction:
            wanted = _IN_WORDS[model.prediction]
            found.append(f"its {where} says that it predicts {_IN_WORDS[kind]}, not {wanted}")
    return found


def _find_statements(checkpoint: Checkpoint) -> list[tuple[str, str, str | None]]:
    """Each statement: where it is, its word, and the kind of prediction (None if unknown)."""
    statements = checkpoint.statements
    found = [
        (where, statements[where], words.get(statements[where].lower()))
        for where, words in _WORDS.items()
        if where in statements
    ]
    for where, names in _ARCHITECTURES.items():
        if (kind := names.get(statements.get(where, "").lower())) is not None:
            found.append((where, statements[where], kind))
    marks = ((f"key {key!r}", key, kind) for key, kind in _MARKS.items())
    return [*found, *(mark for mark in marks if mark[1] in checkpoint.tensors)]
