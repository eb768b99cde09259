"""Kernel proofs of rounds as the word of a cell."""

from __future__ import annotations

import pytest

from sd_bench.verdicts.proofs import name_proof, pool_proofs
from tests.support.records import sample_record


@pytest.mark.parametrize(
    ("proven", "word"), [(True, "proven"), (False, "not proven"), (None, "none")]
)
def test_a_rounds_proof_in_a_word(proven: bool | None, word: str) -> None:
    assert name_proof(sample_record(1.0, proven=proven).kernel_proof) == word


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["proven", "none"], "proven"),
        (["proven", "not proven", "proven"], "not proven"),
        (["none"], "none"),
        ([], "none"),
    ],
)
def test_one_round_that_is_not_proven_is_enough(words: list[str], word: str) -> None:
    assert pool_proofs(words) == word
