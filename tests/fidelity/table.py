"""Every comparison, in the order of docs/fidelity.md, for the tests and for that page."""

from __future__ import annotations

from tests.fidelity import attention, files, networks, pipelines, samplers, tokenizers
from tests.fidelity.comparison import Comparison

SECTIONS: dict[str, list[Comparison]] = {
    "Tokenizers": tokenizers.COMPARISONS,
    "Networks": networks.COMPARISONS,
    "Weights through files": files.COMPARISONS,
    "Attention": attention.COMPARISONS,
    "Samplers": samplers.COMPARISONS,
    "Where diffusers' defaults are others": samplers.DIFFERENCES,
    "Whole pipeline": pipelines.COMPARISONS,
}
COMPARISONS = [comparison for section in SECTIONS.values() for comparison in section]
