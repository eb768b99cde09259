"""Sum up kernel proofs: whether a cell ran the attention kernels that it names.

A proof is "missed" if the profiler saw other kernels than those that the cell names. It is
"unproven" if kernels cannot be seen (a peer whose kernels are not PyTorch's) and the cell names
none: nothing is wrong, but nothing is proven either.
"""

from __future__ import annotations

from collections.abc import Iterable

from sd_bench.records import KernelProof

PROVEN, NOT_PROVEN, NO_PROOF, UNPROVEN = "proven", "missed", "none", "unproven"

#: The words that allow a claim; with `UNPROVEN` a remark is added to it.
ALLOW_A_CLAIM = (PROVEN, UNPROVEN)

#: The attention that leaves the choice of kernel open; only such a cell can be unproven.
_NAMES_NO_KERNEL = "auto"


def name_proof(proof: KernelProof | None) -> str:
    """The word for a round's proof; `NO_PROOF` if there is none.

    If a cell names a kernel but kernels cannot be seen, its proof is missed.
    """
    if proof is None:
        return NO_PROOF
    if proof.proven:
        return PROVEN
    names_none = proof.expected == _NAMES_NO_KERNEL
    return UNPROVEN if proof.unprovable and names_none else NOT_PROVEN


def pool_proofs(words: Iterable[str]) -> str:
    """The word for a cell from those of its rounds: `PROVEN` only if every proof is."""
    found = set(words)
    return next((word for word in (NOT_PROVEN, UNPROVEN, PROVEN) if word in found), NO_PROOF)


def say_proof(word: str, detail: str) -> str:
    """The word as shown in a table: `UNPROVEN` is followed by the proof's ``detail``."""
    return f"{word} ({detail})" if word == UNPROVEN and detail else word
