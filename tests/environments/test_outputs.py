"""The same numbers of parameters and the same latents under every PyTorch."""

from __future__ import annotations

import json

import pytest
import torch

from tests.fidelity.comparison import relative_error
from tests.support.outputs import ATTENTIONS, FILE, MODELS, latents, parameters

KNOWN = json.loads(FILE.read_text(encoding="utf-8"))
#: fp32 sums in a different order: 5e-6 to 1.4e-5 between PyTorch 1.12.1 and 2.15.
TOLERANCE = 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_networks_have_as_many_parameters(model: str) -> None:
    assert parameters(model) == KNOWN["parameters"][model]


@pytest.mark.slow
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("model", MODELS)
def test_the_latents_are_the_same(model: str, attention: str) -> None:
    found = latents(model, attention)
    expected = torch.tensor(KNOWN["latents"][model][attention]).view(found.shape)
    assert relative_error(found, expected) < TOLERANCE


def test_the_models_latents_differ() -> None:
    """Otherwise the tests above would hold for anything."""
    one, other = (torch.tensor(KNOWN["latents"][model]["math"]) for model in ("sd1", "sd2"))
    assert relative_error(one, other) > 0.1
