"""Every comparison is within its tolerance, and docs/fidelity.md is up to date."""

from __future__ import annotations

import math

import pytest
import torch

from tests.fidelity.comparison import NETWORK, Comparison, relative_error, worst_error
from tests.fidelity.report import PAGE, page, read_page
from tests.fidelity.table import COMPARISONS
from tests.support.runnable import HAS_CPU_FLASH

CASES = [pytest.param(c, id=c.key, marks=[pytest.mark.slow] if c.slow else []) for c in COMPARISONS]


@pytest.mark.slow
@pytest.mark.parametrize("comparison", CASES)
def test_the_error_is_within_its_tolerance(comparison: Comparison) -> None:
    for module in comparison.needs:
        pytest.importorskip(module)
    error = comparison.measure()
    assert math.isfinite(error)
    assert comparison.tolerance.allows(error), f"{error:.2e}, not {comparison.tolerance}"


def test_every_comparison_has_its_own_key() -> None:
    assert len({comparison.key for comparison in COMPARISONS}) == len(COMPARISONS)


@pytest.mark.skipif(not HAS_CPU_FLASH, reason="the table has no flash attention then")
def test_the_page_shows_every_comparison_in_order_and_within_tolerance() -> None:
    shown = read_page(PAGE.read_text(encoding="utf-8"))
    assert list(shown) == [comparison.key for comparison in COMPARISONS]
    for comparison in COMPARISONS:
        assert comparison.tolerance.allows(shown[comparison.key]), comparison.key


def test_a_page_is_read_back_as_it_was_written() -> None:
    pytest.importorskip("diffusers")  # the page names its version
    errors = {comparison.key: 10.0**-i for i, comparison in enumerate(COMPARISONS)}
    assert read_page(page(errors)) == pytest.approx(errors)


def test_the_error_is_relative_and_of_equal_shapes_only() -> None:
    reference = torch.tensor([3.0, 4.0])
    assert relative_error(reference + torch.tensor([0.0, 0.5]), reference) == pytest.approx(0.1)
    assert worst_error([reference, reference * 1.2], [reference, reference]) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="shapes differ"):
        relative_error(torch.ones(1, 2), torch.ones(2))
    with pytest.raises(ValueError, match="argument 2 is longer"):
        worst_error([reference], [reference, reference])
    assert not NETWORK.allows(math.nan)
