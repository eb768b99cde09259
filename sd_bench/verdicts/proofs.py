"""What kernel proofs say of a cell: whether the kernels that ran are those of its name."""

from __future__ import annotations

from collections.abc import Iterable

from sd_bench.records import KernelProof

PROVEN, NOT_PROVEN, NO_PROOF = "proven", "not proven", "none"


def name_proof(proof: KernelProof | None) -> str:
    """The word for a round's proof; `NO_PROOF` where nobody looked."""
    if proof is None:
        return NO_PROOF
    return PROVEN if proof.proven else NOT_PROVEN


def pool_proofs(words: Iterable[str]) -> str:
    """The word for a cell: `PROVEN` only if every ``ok`` round that was looked at is."""
    found = set(words)
    return next((word for word in (NOT_PROVEN, PROVEN) if word in found), NO_PROOF)
