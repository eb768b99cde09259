"""How to read tables and charts: what headings, signs and statistics mean, each said once."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from analysis.comparison.flags import BOLD_EXPLANATION, EXPLANATIONS, explain
from analysis.wording.notes import FEW_ROUNDS, ONE_ROUND
from analysis.wording.shared_facts import Fact
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT

_HEADINGS = {
    "runtime [s]": (
        "Of a round: its timed iterations. In a table of differences the geometric mean over the "
        "rounds that were compared, without disturbed ones; in 'Every cell' the mean over all "
        "rounds."
    ),
    "95 % interval [s]": "The t interval of the mean runtime over all rounds.",
    "baseline [s]": "The runtime of the baseline over the same rounds.",
    "improvement": "(baseline - x) / baseline * 100: positive is faster.",
    "speed-up": "baseline / x: above 1 is faster.",
    "95 % interval": "Of the speed-up. The interval that decides a verdict is wider.",
    "images/s": "All images of the timed iterations over their time.",
    "UNet calls/s": (
        "One call per step on the whole guided batch (PLMS makes one more), over the denoising "
        "stage."
    ),
    "sampler step [s]": "The median step of a round, mean over the rounds.",
    "text encoder [s]": "Mean over the timed iterations, as are denoising and autoencoder.",
    "first UNet call [s]": "Before any warm-up: with a compiler it compiles.",
    "peak memory [GiB]": "The mean over the rounds; 1 GiB is 1024^3 bytes.",
    "kernel proof": "Whether the profiler saw the attention kernels that the cell names.",
    "parity": (
        "Relative L2 distance of the final latents of round 0 from the baseline's: 0 is the same "
        "picture to the last bit."
    ),
    "note": "What was special about the row, such as why it has no times.",
}


def explain_headings(headings: Collection[str]) -> list[Fact]:
    """What each heading means, as far as it does not say so itself, in a fixed order."""
    return [Fact(name, text) for name, text in _HEADINGS.items() if name in headings]


def explain_signs(flags: Iterable[str], bold: bool) -> list[Fact]:
    """What each sign that occurs means, and bold where ``bold`` rows do."""
    found = "".join(flags)
    signs = [
        Fact(sign, f"{_capital(text)}.") for sign, text in EXPLANATIONS.items() if sign in found
    ]
    return signs + (
        [Fact("Bold", _capital(BOLD_EXPLANATION.removeprefix("Bold: ")))] if bold else []
    )


def explain_few_rounds(fewest: int) -> list[Fact]:
    """What is missing where the cell with the fewest rounds has so few."""
    if fewest >= ROUNDS_FOR_A_VERDICT:
        return []
    return [Fact("few rounds", f"{FEW_ROUNDS} {ONE_ROUND}" if fewest == 1 else FEW_ROUNDS)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def list_covered_notes() -> list[str]:
    """The notes of pages that say what this module says."""
    return [
        *explain("".join(EXPLANATIONS)),
        BOLD_EXPLANATION,
        *(FEW_ROUNDS, ONE_ROUND),
    ]
