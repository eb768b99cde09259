"""What kernel proofs say of a cell: whether the kernels that ran are those of its name.

A proof is missed where the profiler saw other kernels than those that the cell names. It is
unproven where none can be seen (a peer whose kernels are not PyTorch's) and the cell names none:
then nothing is wrong, and nothing is shown either.
"""

from __future__ import annotations

from collections.abc import Iterable

from sd_bench.records import KernelProof

PROVEN, NOT_PROVEN, NO_PROOF, UNPROVEN = "proven", "missed", "none", "unproven"

#: The words that allow a claim. With `UNPROVEN` it is made with a remark.
ALLOW_A_CLAIM = (PROVEN, UNPROVEN)

#: What an unproven cell may name: the choice that leaves the kernel open.
_NAMES_NO_KERNEL = "auto"


def name_proof(proof: KernelProof | None) -> str:
    """The word for a round's proof; `NO_PROOF` where none was taken.

    A cell that names a kernel that cannot be seen has missed its proof.
    """
    if proof is None:
        return NO_PROOF
    if proof.proven:
        return PROVEN
    names_none = proof.expected == _NAMES_NO_KERNEL
    return UNPROVEN if proof.unprovable and names_none else NOT_PROVEN


def pool_proofs(words: Iterable[str]) -> str:
    """The word for a cell: `PROVEN` only if every ``ok`` round that was looked at is."""
    found = set(words)
    return next((word for word in (NOT_PROVEN, UNPROVEN, PROVEN) if word in found), NO_PROOF)


def say_proof(word: str, detail: str) -> str:
    """The word as it stands in a table: `UNPROVEN` with its reason, the proof's ``detail``."""
    return f"{word} ({detail})" if word == UNPROVEN and detail else word
