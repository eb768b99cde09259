"""Kernel proofs of rounds, as a word for the cell."""

from __future__ import annotations

import pytest

from sd_bench.verdicts.proofs import ALLOW_A_CLAIM, name_proof, pool_proofs, say_proof
from tests.support.records import sample_record


@pytest.mark.parametrize(("proven", "word"), [(True, "proven"), (False, "missed"), (None, "none")])
def test_a_rounds_proof_in_a_word(proven: bool | None, word: str) -> None:
    assert name_proof(sample_record(1.0, proven=proven).kernel_proof) == word


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["proven", "none"], "proven"),
        (["proven", "missed", "proven"], "missed"),
        (["unproven", "proven", "unproven"], "unproven"),
        (["unproven", "missed"], "missed"),
        (["none"], "none"),
        ([], "none"),
    ],
)
def test_one_round_that_is_not_proven_is_enough(words: list[str], word: str) -> None:
    assert pool_proofs(words) == word


def test_what_cannot_be_seen_is_unproven_with_its_reason() -> None:
    proof = sample_record(1.0, attention="auto", unprovable="runs none of PyTorch's").kernel_proof
    assert proof is not None
    assert not proof.proven
    assert name_proof(proof) == "unproven"
    assert say_proof("unproven", proof.detail) == "unproven (runs none of PyTorch's)"
    assert say_proof("proven", "32 flash for 32 modules") == "proven"


def test_a_kernel_that_is_named_and_cannot_be_seen_is_a_missed_proof() -> None:
    record = sample_record(1.0, attention="flash", unprovable="runs none of PyTorch's")
    assert name_proof(record.kernel_proof) == "missed"
    assert "missed" not in ALLOW_A_CLAIM
