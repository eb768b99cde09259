"""The text encoder: its mask, its layers, and its input tokens."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
import torch

from sd_bench.implementations.our_networks import build_networks
from sd_bench.measurement.kernel_proof import profile_call
from sd_bench.sampling.tokens import tokenise
from tests.support.composition import Compose

CPU = torch.device("cpu")
START, END = 49406, 49407


def test_attention_is_causal(tiny: Compose) -> None:
    """A later token changes nothing before it; garbage in the mask would show here."""
    encoder, _, _ = build_networks(tiny(), CPU)
    tokens = torch.randint(0, 49406, (1, 77))
    other = tokens.clone()
    other[0, 40] += 1
    with torch.no_grad():
        a, b = encoder(tokens), encoder(other)
    assert torch.equal(a[:, :40], b[:, :40])
    assert not torch.equal(a[:, 40:], b[:, 40:])


def test_it_ends_in_the_final_norm(tiny: Compose) -> None:
    encoder, _, _ = build_networks(tiny(), CPU)
    with torch.no_grad():
        encoder.model.ln_final.weight.fill_(1.0)
        encoder.model.ln_final.bias.zero_()
        hidden = encoder(torch.randint(0, 49406, (2, 77)))
    torch.testing.assert_close(hidden.mean(-1), torch.zeros(2, 77), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.std(-1, unbiased=False), torch.ones(2, 77), atol=1e-3, rtol=0)


def test_the_native_fused_path_is_not_taken_in_eval_mode(tiny: Compose) -> None:
    encoder, _, _ = build_networks(tiny(), CPU)
    encoder.eval()
    with torch.no_grad():
        ran = profile_call(CPU, lambda: encoder(torch.zeros(1, 77, dtype=torch.long)))
    assert ran.fused["native_multi_head_attention"] == 0


@pytest.mark.slow
def test_each_model_pads_as_its_own_tokenizer_does(tiny: Compose) -> None:
    sd1 = tiny("model_version=sd1").model_version.text_encoder
    sd2 = tiny("model_version=sd2").model_version.text_encoder
    one, two = tokenise(["A photo"], sd1)[0].tolist(), tokenise(["A photo"], sd2)[0].tolist()
    assert one[:4] == two[:4] == [START, 320, 1125, END]
    assert set(one[4:]) == {END}
    assert set(two[4:]) == {0}
    assert tokenise([""], sd2)[0].tolist() == [START, END] + [0] * 75


def test_it_is_built_without_network(tiny: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tried to use the network")

    monkeypatch.setattr(socket, "socket", refuse)
    encoder, _, _ = build_networks(tiny(), CPU)
    tokens = tokenise(["A photo"], tiny().model_version.text_encoder)
    with torch.no_grad():
        assert encoder(tokens).shape == (1, 77, 48)


@pytest.mark.slow
def test_an_eager_round_imports_no_compiler_and_no_library_of_other_networks() -> None:
    program = (
        "import json, sys, sd_bench.execution.fork_server as server; server._import_all(); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = set(json.loads(answer.stdout))
    assert "torch.nn" in imported
    others = {"open_clip", "transformers", "torchvision", "timm", "diffusers", "torch._dynamo"}
    assert not imported & others
