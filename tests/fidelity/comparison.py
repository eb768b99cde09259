"""A comparison: two results, the distance between them, and the distance allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest distance of equal results, or the smallest distance of different ones.

    ``rests_on`` explains the number.
    """

    name: str
    limit: float
    rests_on: str
    is_least: bool = False

    def allows(self, error: float) -> bool:
        return error > self.limit if self.is_least else error <= self.limit

    def __str__(self) -> str:
        return f"{'above' if self.is_least else 'at most'} {self.limit:g}"


NETWORK = Tolerance(
    "network",
    1e-4,
    "fp32 rounds at 6e-8, and two kernels that sum in another order differ by a few roundings per "
    "layer. Over some hundred layers this has grown to 1e-7 to 1e-5; 1e-4 leaves room for "
    "other processors, and the faults of tests/fidelity/test_sensitivity.py stay above it.",
)
TRAJECTORY = Tolerance(
    "trajectory",
    1e-4,
    "Both sides continue from their own latents, so errors of one step go into the next. diffusers "
    "keeps its schedule in fp32, where 1 - alpha at the last timesteps has four digits left (ours "
    "is in double precision), and computes its steps in another order.",
)
PIPELINE = Tolerance(
    "pipeline",
    1e-3,
    "As trajectory, with the networks' own differences, which guidance multiplies by up to 9 in "
    "each of 50 steps, and the autoencoder after them.",
)
ATTENTION = Tolerance(
    "attention",
    1e-5,
    "The same network with the same weights but for the order of sums in 32 attention modules; "
    "their logits are spread like trained ones (tests/fidelity/test_attention_spread.py), so "
    "that a scale wrong by a hundredth in one of them moves the output by 5e-3.",
)
EXACT = Tolerance("exact", 0.0, "Integers, or copies of numbers: nothing is rounded.")
DIFFERENCE = Tolerance(
    "difference",
    TRAJECTORY.limit,
    "Where diffusers' defaults differ from the published code, the results must differ by more "
    "than a trajectory may: with those defaults the comparisons above would have failed.",
    is_least=True,
)
TOLERANCES = (NETWORK, TRAJECTORY, PIPELINE, ATTENTION, EXACT, DIFFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Measures how far two results are apart.

    ``measure`` computes both results and returns their relative distance (no unit). ``needs`` are
    the modules that it imports beyond those that sd_bench needs.
    """

    name: str
    against: str
    tolerance: Tolerance
    measure: Callable[[], float]
    needs: tuple[str, ...] = ()
    slow: bool = False

    @property
    def key(self) -> str:
        """A name that no other comparison has."""
        return f"{self.name} | {self.against}"


def relative_error(ours: Tensor, reference: Tensor) -> float:
    """|ours - reference| / |reference|, Euclidean. Shapes must be equal: nothing broadcasts."""
    if ours.shape != reference.shape:
        raise ValueError(f"shapes differ: {tuple(ours.shape)} and {tuple(reference.shape)}")
    reference = reference.double()
    return ((ours.double() - reference).norm() / reference.norm()).item()


def worst_error(ours: Iterable[Tensor], reference: Iterable[Tensor]) -> float:
    """The largest relative error of any pair; both sides must have the same length."""
    return max(relative_error(a, b) for a, b in zip(ours, reference, strict=True))
