"""Which counters of a slow round explain why it was slow."""

from __future__ import annotations

from analysis.comparison.slow_rounds import explain_slow_round

USUAL = {
    "total_s": 1.0, "system_s": 0.02, "minor_page_faults": 900.0, "major_page_faults": 0.0,
    "steal_s": 0.0, "involuntary_context_switches": 4.0, "full_collections": 0.0,
}  # fmt: skip


def explain(**mine: float) -> str:
    return explain_slow_round(2, {0: USUAL, 1: USUAL, 2: {**USUAL, "total_s": 2.0, **mine}})


def test_what_a_slow_round_had_more_of_is_named() -> None:
    assert explain() == ""
    assert explain(steal_s=0.5) == "0.5 s taken by the hypervisor"
    assert explain(minor_page_faults=250_900.0, system_s=0.42) == (
        "0.4 s more in the kernel, 250,000 more page faults"
    )
    assert explain(full_collections=1.0) == "1 more full garbage collections"


def test_what_all_rounds_have_explains_none() -> None:
    faulty = {**USUAL, "minor_page_faults": 250_000.0, "system_s": 0.4}
    assert explain_slow_round(0, {0: {**faulty, "total_s": 3.0}, 1: faulty, 2: faulty}) == ""


def test_records_without_counters_explain_nothing() -> None:
    assert explain_slow_round(0, {}) == explain_slow_round(0, {0: USUAL}) == ""
    assert explain_slow_round(1, {0: {}, 1: USUAL}) == ""
