"""Answers: what each sentence states, and that none claims what is not proven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sd_bench.records import Record
from sd_bench.verdicts.answers import Answer, Compared, answer_all, list_sentences
from sd_bench.verdicts.cells import pool_records
from sd_bench.verdicts.comparisons import Comparison, compare_cells
from sd_bench.verdicts.parity import Parity
from tests.support.records import sample_record

SAME_PICTURE = Parity(distance=0.01, allowed=0.05)
OTHER_PICTURE = Parity(distance=0.31, allowed=0.05)
UNKNOWN_PICTURE = Parity(allowed=0.05, reason="latents not kept")


def rounds(mean_s: float, count: int = 10, spread: float = 0.005) -> list[float]:
    return [mean_s * (1 + spread * ((7 * at) % 10 - 4.5) / 3) for at in range(count)]


def against(mean_s: float, count: int = 10, spread: float = 0.005) -> Comparison:
    """Flash with these seconds against math at 2 s, whose rounds vary differently."""
    math_s = rounds(2.0, count, spread=0.0)
    records = records_of("math", math_s) + records_of("flash", rounds(mean_s, count, spread))
    return compared_in(records)["flash"]


def records_of(attention: str, seconds: Sequence[float], **changes: Any) -> list[Record]:
    return [
        sample_record(second, attention=attention, round_index=at, **changes)
        for at, second in enumerate(seconds)
    ]


def compared_in(records: list[Record]) -> dict[str, Comparison]:
    comparisons = compare_cells(pool_records(records))
    return {str(each.cell["attention"]): each for each in comparisons}


def answer(comparison: Comparison, **facts: Any) -> Answer:
    known = {"name": "flash", "baseline_name": "math (fp32 inside)", "place": "at batch size 4"}
    compared = Compared(comparison=comparison, **{"parity": SAME_PICTURE, **known, **facts})
    return answer_all([compared])[0]


def test_faster() -> None:
    found = answer(against(1.6))
    assert found.word == "faster"
    assert found.claims_difference
    assert found.sentence == (
        "flash is 1.250 times as fast as math (fp32 inside) at batch size 4, 1.246 to 1.255; "
        "same picture within 5e-2."
    )


def test_slower_is_stated_as_the_time_that_it_takes() -> None:
    found = answer(against(2.6))
    assert (found.word, found.claims_difference) == ("slower", True)
    assert found.sentence.startswith(
        "flash takes 1.300 times as long as math (fp32 inside) at batch size 4, 1.295 to 1.305; "
    )


def test_the_same_says_within_what() -> None:
    found = answer(against(2.0, spread=0.002))
    assert (found.word, found.claims_difference) == ("same", False)
    assert found.sentence == (
        "flash and math (fp32 inside) are equally fast at batch size 4, within 1 % "
        "(0.999 to 1.001); same picture within 5e-2."
    )


def test_unclear_says_between_what_and_what_decides() -> None:
    found = answer(against(1.96, count=8, spread=0.05))
    assert (found.word, found.claims_difference) == ("unclear", False)
    assert found.sentence.startswith(
        "No verdict on flash against math (fp32 inside) at batch size 4: between 0.98 and 1.07 "
        "times as fast after 8 rounds; "
    )
    assert found.sentence.endswith(" would probably decide.")


@pytest.mark.parametrize(
    ("count", "estimate"), [(1, "1.26 times as fast after 1 round"), (3, "after 3 rounds")]
)
def test_too_few_rounds_claim_nothing(count: int, estimate: str) -> None:
    found = answer(against(1.6, count=count))
    assert (found.word, found.claims_difference) == ("too few rounds", False)
    assert f"{estimate}; a verdict needs at least 6 rounds." in found.sentence
    assert found.sentence.startswith("No verdict on flash against math (fp32 inside) at batch")


@pytest.mark.parametrize("mean_s", [1.6, 2.0, 2.6])
@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            {"parity": OTHER_PICTURE},
            "they draw different pictures (distance 0.31, at most 5e-2 allowed)",
        ),
        (
            {"parity": UNKNOWN_PICTURE},
            "whether they draw the same picture is not known (latents not kept)",
        ),
        ({"proof": "missed"}, "the attention kernels of flash are not proven"),
        ({"proof": "none"}, "the attention kernels of flash are not proven"),
        (
            {"baseline_proof": "none"},
            "the attention kernels of math (fp32 inside) are not proven",
        ),
        (
            {"proof": "none", "baseline_proof": "none", "parity": OTHER_PICTURE},
            "they draw different pictures (distance 0.31, at most 5e-2 allowed), and the attention "
            "kernels of flash and math (fp32 inside) are not proven",
        ),
    ],
)
def test_a_doubt_comes_first_and_forbids_every_claim(
    mean_s: float, facts: dict[str, Any], why: str
) -> None:
    found = answer(against(mean_s), **facts)
    assert (found.word, found.claims_difference) == ("no claim", False)
    assert found.sentence == (
        f"No claim on flash against math (fp32 inside) at batch size 4: {why}."
    )
    assert "times as" not in found.sentence


WHY = "it runs none of PyTorch's"


@pytest.mark.parametrize(
    ("facts", "whose"),
    [
        ({"proof": "unproven", "proof_detail": WHY}, f"flash ({WHY})"),
        ({"baseline_proof": "unproven"}, "math (fp32 inside)"),
        (
            {"proof": "unproven", "baseline_proof": "unproven"},
            "flash and math (fp32 inside)",
        ),
    ],
)
@pytest.mark.parametrize(
    ("mean_s", "count", "spread", "word"),
    [
        (1.6, 10, 0.005, "faster"),
        (2.6, 10, 0.005, "slower"),
        (2.0, 10, 0.002, "same"),
        (1.6, 3, 0.005, "too few rounds"),
    ],
)
def test_kernels_that_cannot_be_seen_add_a_remark_to_the_sentence(
    mean_s: float, count: int, spread: float, word: str, facts: dict[str, Any], whose: str
) -> None:
    comparison = against(mean_s, count, spread)
    found = answer(comparison, **facts)
    assert found.word == word == answer(comparison).word
    remark = f"; unproven: the attention kernels of {whose} cannot be seen."
    assert found.sentence == answer(comparison).sentence.removesuffix(".") + remark


@pytest.mark.parametrize(
    ("parity", "why"),
    [
        (
            Parity(distance=0.31, allowed=0.05, stage="text_encode", stage_distance=0.2),
            "distance 0.31, at most 5e-2 allowed; it differs from the text encoder on, by 20 %",
        ),
        (
            Parity(distance=0.31, allowed=0.05, stage="unet_call", stage_distance=0.12),
            "distance 0.31, at most 5e-2 allowed; the UNet's first call already differs by 12 %",
        ),
        (
            Parity(distance=0.31, allowed=0.05, stage="denoise", stage_distance=0.3),
            "distance 0.31, at most 5e-2 allowed; it differs from a later UNet call on, or by the "
            "sampler",
        ),
        (
            Parity(distance=0.01, allowed=0.05, stage="vae_decode", stage_distance=0.12),
            "only the decoder differs, by 12 %, at most 5e-2 allowed",
        ),
    ],
)
def test_a_peer_that_differs_is_named_with_the_stage_and_without_a_speed_up(
    parity: Parity, why: str
) -> None:
    records = [
        sample_record(second, implementation=name, round_index=at)
        for name, mean_s in (("sd_bench", 2.0), ("diffusers", 1.6))
        for at, second in enumerate(rounds(mean_s, spread=0.0 if name == "sd_bench" else 0.005))
    ]
    comparisons = compare_cells(pool_records(records), "implementation=sd_bench")
    (peer,) = (c for c in comparisons if c.cell["implementation"] == "diffusers")
    assert peer.verdict is not None
    assert peer.verdict.word == "faster"
    found = answer(peer, name="diffusers", baseline_name="sd_bench", place="", parity=parity)
    assert (found.word, found.claims_difference) == ("no claim", False)
    assert found.sentence == (
        f"No claim on diffusers against sd_bench: they draw different pictures ({why})."
    )


def test_the_digits_of_a_distance_are_those_of_tolerances() -> None:
    far = Parity(distance=1.234e-3, allowed=1e-3)
    assert "(distance 1.2e-3, at most 1e-3 allowed)" in answer(against(1.6), parity=far).sentence


def test_a_baseline_has_no_sentence() -> None:
    found = answer(compared_in(records_of("math", [2.0]) + records_of("flash", [1.0]))["math"])
    assert (found.word, found.sentence) == ("baseline", "")


def test_nothing_to_compare() -> None:
    found = answer(compared_in(records_of("math", rounds(2.0)))["math"])
    assert (found.word, found.sentence) == ("no baseline", "Nothing to compare: nothing varies.")


def test_a_failed_baseline_is_named_as_the_reason() -> None:
    failed = records_of("math", [2.0], status="oom", reason="out of memory", batch_size=2)
    measured = records_of("math", [2.0]) + records_of("flash", [1.0])
    both = [*measured, *failed, *records_of("flash", [1.5], batch_size=2)]
    comparisons = compare_cells(pool_records(both))
    without = next(c for c in comparisons if c.difference is None and c.cell.is_measured)
    assert answer(without).sentence == (
        "No verdict on flash at batch size 4: its baseline has no times (out of memory)."
    )


@pytest.mark.parametrize(
    ("status", "sentence_expected"),
    [
        ("unsupported", "cudnn at batch size 2 cannot run here: needs a CUDA device."),
        ("oom", "cudnn at batch size 2 ran out of memory: needs a CUDA device."),
        ("timeout", "cudnn at batch size 2 took too long and was stopped: needs a CUDA device."),
    ],
)
def test_a_cell_without_times_says_where_and_why(status: str, sentence_expected: str) -> None:
    at_1, at_2 = cudnn_at_two_batch_sizes("ok", status)
    assert at_1.sentence.startswith("No verdict on cudnn against math at batch size 1: ")
    assert (at_2.word, at_2.sentence) == (status, sentence_expected)


def test_what_fails_in_every_place_alike_is_stated_once() -> None:
    answers = cudnn_at_two_batch_sizes("unsupported", "unsupported")
    assert list_sentences(answers) == ["cudnn cannot run here: needs a CUDA device."]


def cudnn_at_two_batch_sizes(*statuses: str) -> list[Answer]:
    """The answers of cuDNN, with math as its baseline."""
    records: list[Record] = []
    for batch_size, status in enumerate(statuses, start=1):
        reason = None if status == "ok" else "needs a CUDA device"
        records += records_of("math", [2.0], batch_size=batch_size)
        records += records_of("cudnn", [1.0], status=status, reason=reason, batch_size=batch_size)
    return answer_all(
        [
            Compared(
                comparison=each,
                name="cudnn",
                baseline_name="math",
                place=f"at batch size {each.cell['batch_size']}",
                parity=SAME_PICTURE,
            )
            for each in compare_cells(pool_records(records))
            if each.cell["attention"] == "cudnn"
        ]
    )
