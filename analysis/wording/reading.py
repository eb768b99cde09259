"""How to read tables and charts: explanations of headings, signs and statistics."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from analysis.comparison.flags import BOLD_EXPLANATION, EXPLANATIONS, explain
from analysis.glossary import HEADINGS
from analysis.wording.notes import FEW_ROUNDS, ONE_ROUND
from analysis.wording.shared_facts import Fact
from sd_bench.verdicts.judgement import ROUNDS_FOR_A_VERDICT

#: Headings that need an explanation, in the order of the report.
_EXPLAINED = (
    *("runtime [s]", "95 % interval [s]", "baseline [s]", "improvement", "speed-up"),
    *("95 % interval", "images/s", "UNet calls/s", "sampler step [s]", "text encoder [s]"),
    *("first UNet call [s]", "peak memory [GiB]", "kernel proof", "parity", "note"),
)


def explain_headings(headings: Collection[str]) -> list[Fact]:
    """The explanation of each heading that needs one, in a fixed order."""
    return [Fact(name, HEADINGS[name].text) for name in _EXPLAINED if name in headings]


def explain_signs(flags: Iterable[str], bold: bool) -> list[Fact]:
    """The explanation of each sign that occurs, and of bold if there are ``bold`` rows."""
    found = "".join(flags)
    signs = [
        Fact(sign, f"{_capital(text)}.") for sign, text in EXPLANATIONS.items() if sign in found
    ]
    return signs + (
        [Fact("Bold", _capital(BOLD_EXPLANATION.removeprefix("Bold: ")))] if bold else []
    )


def explain_few_rounds(fewest: int) -> list[Fact]:
    """What is missing if the cell with the ``fewest`` rounds has too few for a verdict."""
    if fewest >= ROUNDS_FOR_A_VERDICT:
        return []
    return [Fact("few rounds", f"{FEW_ROUNDS} {ONE_ROUND}" if fewest == 1 else FEW_ROUNDS)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def list_covered_notes() -> list[str]:
    """The notes of pages that this module already covers."""
    return [
        *explain("".join(EXPLANATIONS)),
        BOLD_EXPLANATION,
        *(FEW_ROUNDS, ONE_ROUND),
    ]
