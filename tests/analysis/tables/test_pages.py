"""The contents of the tables: numbers worked out by hand, gaps with reasons, notes."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from analysis import compare, compare_by_axis, list_environments, load_records, summarise
from analysis.tables.files import write_tables
from analysis.tables.page import Page
from analysis.tables.pages import (
    make_axes_page,
    make_delta_page,
    make_resources_page,
    make_screen_page,
    make_summary_page,
)
from tests.support.records import (
    PRESETS,
    sample_environment,
    sample_record,
    write_main_sweep,
    write_sample,
    write_sweep,
)

#: The tables of a sweep with timed stages.
STEMS = ("summary", "delta", "resources")

Frames = tuple[pd.DataFrame, pd.DataFrame]


def frames(root: Path, baseline: str | None = None) -> Frames:
    rounds = load_records(root)
    return compare(summarise(rounds), baseline), list_environments(rounds)


def rows(page: Page, table: int = 0) -> list[dict[str, str]]:
    shown = page.tables[table]
    return [dict(zip(shown.headings, row, strict=True)) for row in shown.rows]


def notes(page: Page) -> str:
    return "\n".join(page.notes)


def test_the_summary_has_every_cell_with_its_numbers(tmp_path: Path) -> None:
    page = make_summary_page(*frames(write_main_sweep(tmp_path)))
    assert rows(page)[3] == {
        "batch size": "2",
        "attention": "flash",
        "runtime [s]": "4.20",
        "95 % interval [s]": "1.66 to 6.74",
        "images/s": "0.48",
        "UNet calls/s": "1.49",
        "kernel proof": "proven",
        "parity": "0",
    }
    assert len(rows(page)) == 6


def test_the_delta_has_percent_and_factor(tmp_path: Path) -> None:
    page = make_delta_page(*frames(write_main_sweep(tmp_path)))
    assert page.tables[0].title == "EPYC: against attention=math"
    assert rows(page)[4:] == [
        {
            "cell": "math, batch size 4",
            "verdict": "baseline",
            "speed-up": "1.00x",
            "95 % interval": "-",
            "improvement": "-",
            "runtime [s]": "10.39",
            "baseline [s]": "10.39",
            "parity": "reference",
            "kernel proof": "proven",
            "what would decide": "",
        },
        {
            "cell": "flash, batch size 4",
            "verdict": "too few rounds",
            "speed-up": "1.24x",
            "95 % interval": "1.10 to 1.39",
            "improvement": "+19.3 %",
            "runtime [s]": "8.39",
            "baseline [s]": "10.39",
            "parity": "0",
            "kernel proof": "proven",
            "what would decide": "at least 6 rounds",
        },
    ]


def test_notes_say_what_all_cells_share_and_the_baseline(tmp_path: Path) -> None:
    text = notes(make_screen_page(*frames(write_main_sweep(tmp_path))))
    assert (
        "All cells: EPYC, sd2, 128x128 pixels, 4 steps, n_iter 1, compile off, fp32, "
        "torch_env current, plms, weights random, 2 rounds." in text
    )
    assert (
        "Environment: AMD EPYC; PyTorch 2.15.0 on Python 3.11.7; commit 0123456789; "
        "12 rounds of 2026-11-23/10-00-00." in text
    )
    assert "Baseline: attention=math." in text
    assert "Fewer than 6 rounds: estimates, not verdicts." in text
    scaled = "image 128x128 instead of 512x512 pixels; 4 sampler steps instead of 50"
    assert text.count(f"Scaled down: {scaled}.") == 1


def test_ten_unscaled_rounds_need_no_excuse(tmp_path: Path) -> None:
    ten = [10.0 + number / 100 for number in range(10)]
    write_sweep(tmp_path, {(1, "math"): ten, (1, "flash"): [s / 2 for s in ten]})
    page = make_screen_page(*frames(tmp_path))
    assert "estimates" not in notes(page)
    assert "Scaled" not in notes(page)
    assert "no interval" not in notes(page)


def test_five_rounds_are_estimates(tmp_path: Path) -> None:
    ten = [10.0 + number / 100 for number in range(10)]
    write_sweep(tmp_path, {(1, "math"): ten, (1, "flash"): ten[:5]})
    page = make_summary_page(*frames(tmp_path))
    assert "estimates, not verdicts" in notes(page)
    assert [row["rounds"] for row in rows(page)] == ["10", "5"]


def test_one_round_has_no_interval(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0], (1, "flash"): [1.0]})
    page = make_summary_page(*frames(tmp_path))
    assert "95 % interval [s]" not in page.tables[0].headings
    assert "A cell with one round has no interval." in page.notes


def test_no_printed_interval_of_seconds_goes_below_zero(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [0.2, 1.0]})
    page = make_summary_page(*frames(tmp_path))
    assert rows(page)[0]["95 % interval [s]"] == "0.00 to 5.68"
    write_tables(*frames(tmp_path), {}, tmp_path)
    assert pd.read_csv(tmp_path / "summary.csv")["ci_low_s"][0] == pytest.approx(-4.4825, rel=1e-4)


def test_where_nothing_was_measured_the_notes_say_so(tmp_path: Path) -> None:
    for attention in ("math", "flash"):
        record = sample_record(status="oom", reason="12 GiB", attention=attention)
        write_sample(tmp_path, record)
    assert "No baseline: no cell was measured." in make_summary_page(*frames(tmp_path)).notes


def test_a_cell_that_could_not_run_keeps_its_row_and_reason(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    record = sample_record(
        status="unsupported", reason="needs capability 8.0", attention="cudnn", batch_size=2
    )
    write_sample(tmp_path, record)
    summary, delta = make_summary_page(*frames(tmp_path)), make_delta_page(*frames(tmp_path))
    for page, column in ((summary, "attention"), (delta, "cell")):
        (row,) = [row for row in rows(page) if row[column].startswith("cudnn")]
        assert row["note"] == "unsupported: needs capability 8.0"
        assert row["runtime [s]"] == row["parity"] == row["kernel proof"] == "-"


def test_doubtful_cells_are_marked_explained_and_not_bold(tmp_path: Path) -> None:
    ten = [10.0 + number / 100 for number in range(10)]
    seconds = {
        (1, "math"): ten,
        (1, "flash"): [s / 2 for s in ten],
        (1, "cudnn"): [s / 3 for s in ten],
    }
    write_sweep(tmp_path, seconds, changes={(1, "cudnn"): 0.5})
    page = make_summary_page(*frames(tmp_path))
    assert [row["runtime [s]"] for row in rows(page)] == ["10.04", "5.02", "3.348 ‡"]
    assert [row["parity"] for row in rows(page)] == ["reference", "0", "5.0e-01"]
    assert page.tables[0].bold == {1}
    assert "‡ the output differs from the baseline's" in notes(page)
    assert "†" not in notes(page)
    assert "Bold: the fastest" in notes(page)


def test_unproven_kernels_are_marked(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, proven=False))
    write_sample(tmp_path, sample_record(1.0, proven=None, attention="math"))
    page = make_summary_page(*frames(tmp_path))
    assert [row["kernel proof"] for row in rows(page)] == ["none", "missed"]
    assert all(row["runtime [s]"] == "1.00 †" for row in rows(page))
    assert "† the attention kernels" in notes(page)
    assert page.tables[0].bold == frozenset()


def test_kernels_that_cannot_be_seen_are_unproven_with_the_reason(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(1.0, attention="auto", unprovable="none of PyTorch's"))
    page = make_summary_page(*frames(tmp_path))
    (row,) = rows(page)
    assert row["kernel proof"] == "unproven (none of PyTorch's)"
    assert row["runtime [s]"] == "1.00 ◊"
    assert "◊ unproven: the attention kernels that ran cannot be seen" in notes(page)


def test_missing_parity_has_its_reason_in_the_cell(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0], (1, "flash"): [1.0]}, latents_file=None)
    parities = [row["parity"] for row in rows(make_summary_page(*frames(tmp_path)))]
    assert parities == ["reference", "- (latents not kept)"]


def test_environments_have_a_table_where_there_are_several(tmp_path: Path) -> None:
    for number, (name, bundle) in enumerate(PRESETS.items()):
        torch = "1.12.1" if bundle["torch_env"] == "original" else "2.15.0"
        environment = sample_environment(f"print of {torch}", torch=torch)
        started_at = f"2026-11-23T10:00:{number:02d}+00:00"
        record = sample_record(
            9.0 - number, preset=name, environment=environment, started_at=started_at, **bundle
        )
        write_sample(tmp_path, record)
    page = make_summary_page(*frames(tmp_path))
    assert [row["preset"] for row in rows(page)] == list(PRESETS)
    assert [row["environment"] for row in rows(page)] == (
        2 * ["PyTorch 1.12.1"] + 3 * ["PyTorch 2.15.0"]
    )
    which = rows(page, 1)
    assert [(row["environment"], row["PyTorch"], row["torch_env"]) for row in which] == [
        ("EPYC, PyTorch 1.12.1", "1.12.1", "original"),
        ("EPYC, PyTorch 2.15.0", "2.15.0", "optimized"),
    ]
    assert [row["rounds"] for row in which] == ["2", "3"]


def test_each_machine_has_its_own_delta_table(tmp_path: Path) -> None:
    for gpu in ("h100", "t4"):
        environment = sample_environment(gpu)
        write_sweep(
            tmp_path,
            {(1, "math"): [2.0], (1, "flash"): [1.0]},
            gpu=gpu,
            environment=environment,
        )
    page = make_delta_page(*frames(tmp_path))
    titles = [table.title for table in page.tables[:2]]
    assert titles == ["T4: against attention=math", "H100: against attention=math"]


def test_what_varies_has_a_column(tmp_path: Path) -> None:
    axes = ("width", "steps", "attention")
    write_sweep(tmp_path, {(256, 4, "math"): [1.0], (512, 50, "math"): [1.0]}, axes=axes)
    page = make_summary_page(*frames(tmp_path))
    assert [(row["pixels"], row["steps"]) for row in rows(page)] == [
        ("256x128", "4"),
        ("512x128", "50"),
    ]
    assert "All cells: EPYC, sd2, height 128, n_iter 1, math, compile off" in notes(page)


def test_several_baselines_have_a_column(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    cells = {("original_xformers",): [2.0], ("optimized",): [1.0]}
    write_sweep(tmp_path, cells, axes=("preset",), steps=50)
    page = make_delta_page(*frames(tmp_path))
    assert page.tables[0].title == "EPYC"
    assert [row["baseline"] for row in rows(page)[5:]] == [
        "attention=math",
        "original_xformers",
        "original_xformers",
    ]
    assert "Baselines: attention=math on EPYC; original_xformers on EPYC." in page.notes


def test_the_screen_shows_each_table_once(tmp_path: Path) -> None:
    for sweep in ("s1", "s2"):
        write_sample(tmp_path, sample_record(1.0, sweep=sweep, environment={}))
    titles = [table.title for table in make_screen_page(*frames(tmp_path)).tables]
    assert titles == [
        "Every cell",
        "CPU (1)",
        "CPU (2)",
        "Environments (never averaged together)",
    ]


def test_csv_holds_full_precision(tmp_path: Path) -> None:
    third = 1 / 3
    write_sweep(tmp_path, {(1, "math"): [third, 2 / 3], (1, "flash"): [third, third]})
    write_tables(*frames(tmp_path), {}, tmp_path)
    with (tmp_path / "summary_full.csv").open(newline="", encoding="utf-8") as stream:
        math_row, flash_row = csv.DictReader(stream)
    assert float(math_row["mean_s"]) == 0.5
    assert float(flash_row["mean_s"]) == third
    assert float(flash_row["images_per_s"]) == 1 / third
    expected = 100 * (1 - math.sqrt(0.5))  # the round ratios are 1 and 2
    assert float(flash_row["improvement_percent"]) == pytest.approx(expected, rel=1e-14)
    assert flash_row["attention"] == "flash"
    assert flash_row["fingerprint"] == "f00d"
    assert flash_row["sweeps"] == "2026-11-23/10-00-00"


def test_delta_csv_has_baseline_factor_and_trust(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    write_tables(*frames(tmp_path, "attention=flash"), {}, tmp_path)
    delta = pd.read_csv(tmp_path / "delta.csv")
    math_2 = delta[(delta["batch_size"] == 2) & (delta["attention"] == "math")].iloc[0]
    assert math_2["baseline"] == "attention=flash"
    assert math_2["baseline_s"] == pytest.approx(math.sqrt(4.0 * 4.4))
    assert math_2["cell_s"] == pytest.approx(math.sqrt(5.0 * 5.4))
    by_round = math.sqrt((4.0 / 5.0) * (4.4 / 5.4))
    assert math_2["speedup"] == pytest.approx(by_round)
    assert math_2["improvement_percent"] == pytest.approx(100 * (1 - 1 / by_round))
    assert (math_2["kernel_proof"], math_2["parity"]) == ("proven", 0.0)


def test_csv_survives_line_breaks_commas_and_quotes(tmp_path: Path) -> None:
    reason = 'failed: "a", b;\nc'
    write_sample(tmp_path, sample_record(status="failed", reason=reason))
    write_tables(*frames(tmp_path), {}, tmp_path)
    row = pd.read_csv(tmp_path / "summary.csv").iloc[0]
    assert row["reason"] == 'failed: "a", b; c'


def test_markdown_files_hold_the_tables(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    paths = write_tables(*frames(tmp_path), {}, tmp_path)
    written = [path.name for path in paths]
    assert sorted(written) == sorted(
        [
            *(f"{stem}.{suffix}" for stem in STEMS for suffix in ("md", "csv", "tex", "html")),
            "summary_full.csv",
            "delta_full.csv",
        ]
    )
    summary, delta = (tmp_path / "summary.md").read_text(), (tmp_path / "delta.md").read_text()
    assert "| 4 | flash | 8.4 | 3.3 to 13.5 | 0.48 | 0.744 | 0 | proven |" in summary
    assert (
        "| flash, batch size 4 | too few rounds | 1.24x | 1.10 to 1.39 | +19.3 % | 8.39 |" in delta
    )
    for text in (summary, delta):
        widths = {line.count("|") for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)}
        assert len(widths) == 1
        assert "Baseline: attention=math." in text


def test_delta_csv_has_what_people_use_and_the_full_one_the_rest(tmp_path: Path) -> None:
    write_main_sweep(tmp_path)
    write_tables(*frames(tmp_path), {}, tmp_path)
    delta, full = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("delta", "delta_full"))
    assert len(delta.columns) <= 25
    assert set(delta.columns) < set(full.columns)
    assert {"verdict", "speedup", "speedup_low", "parity", "kernel_proof"} <= set(delta.columns)
    summary, all_of_it = (
        pd.read_csv(tmp_path / f"{name}.csv") for name in ("summary", "summary_full")
    )
    assert len(summary.columns) <= 25
    assert set(summary.columns) < set(all_of_it.columns)


def csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_csv_files_hold_plain_values(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0], (1, "flash"): [1.0]}, scaled=("a", "b"))
    write_sample(tmp_path, sample_record(status="oom", reason="no memory", attention="cudnn"))
    for path in write_tables(*frames(tmp_path), {}, tmp_path):
        if path.suffix == ".csv":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"[\[\]{}]|\bnan\b|\bNone\b|Counter|object at|<", text), path
    (row, *_) = csv_rows(tmp_path / "summary_full.csv")
    assert row["scaled"] == "a; b"
    assert row["iteration_flags"] == row["drift_rounds"] == ""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_no_text_in_a_csv_is_a_formula(tmp_path: Path, sign: str) -> None:
    hostile = f"{sign}HYPERLINK(1)"
    record = sample_record(status="failed", reason=hostile, attention=hostile, weights=hostile)
    write_sample(tmp_path, record)
    for path in write_tables(*frames(tmp_path), {}, tmp_path):
        if path.suffix == ".csv":
            for row in csv_rows(path):
                texts = {name: text for name, text in row.items() if hostile in text}
                assert texts, path
                assert not any(t.startswith(("=", "+", "-", "@")) for t in texts.values()), texts


def test_rates_and_resources_are_a_table_with_one_batch_size_too(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): [2.0, 2.02], (1, "flash"): [1.0, 1.02]})
    page = make_resources_page(frames(tmp_path)[0])
    assert rows(page)[1] == {
        "batch size": "1",
        "attention": "flash",
        "images/s": "0.99",
        "sampler step [s]": "0.202",
        "text encoder [s]": "0.101",
        "denoising [s]": "0.808",
        "autoencoder [s]": "0.101",
        "first UNet call [s]": "3.00",
        "peak memory [GiB]": "2.24",
    }  # no energy was measured, and no column says so
    assert "Peak memory: of the process." in page.notes


def test_where_nothing_was_measured_there_are_no_resources(tmp_path: Path) -> None:
    write_sample(tmp_path, sample_record(status="oom", reason="12 GiB"))
    assert make_resources_page(frames(tmp_path)[0]).tables == []
    names = [path.name for path in write_tables(*frames(tmp_path), {}, tmp_path)]
    assert not any(name.startswith("resources") for name in names)


def test_an_interval_has_the_digits_of_its_width(tmp_path: Path) -> None:
    math_s = [10.0 + at / 10_000 for at in range(10)]
    flash_s = [10.96 + (7 * at % 10) / 1000 for at in range(10)]
    write_sweep(tmp_path, {(1, "math"): math_s, (1, "flash"): flash_s})
    (_, flash) = rows(make_delta_page(*frames(tmp_path)))
    low, high = flash["95 % interval"].split(" to ")
    assert low != high
    assert len(low) == len(high) == len(flash["speed-up"].removesuffix("x")) >= len("0.912")
    assert flash["improvement"].startswith("-9.6")
    assert len(flash["improvement"]) > len("-9.6 %")


def test_slower_than_half_is_shown_as_a_factor(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(1.0), (1, "flash"): ten(3.0)})
    (_, flash) = rows(make_delta_page(*frames(tmp_path)))
    assert (flash["speed-up"], flash["improvement"]) == ("0.33x", "3.00x slower")


def ten(mean_s: float) -> list[float]:
    """Ten rounds with this mean and a spread of 0.5 %."""
    return [mean_s * (1 + 0.005 * ((7 * at) % 10 - 4.5) / 3) for at in range(10)]


def test_ten_rounds_get_a_verdict(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(10.0), (1, "flash"): [*ten(8.0)[3:], *ten(8.0)[:3]]})
    (_, flash) = rows(make_delta_page(*frames(tmp_path)))
    assert flash["verdict"] == "faster"
    low, high = map(float, flash["95 % interval"].split(" to "))
    assert 1.2 < low <= float(flash["speed-up"].removesuffix("x")) <= high < 1.3


def test_the_fastest_cell_is_bold_if_its_parity_is_known_by_another_axis(tmp_path: Path) -> None:
    seconds = {
        ("math", "off"): ten(9.0),
        ("flash", "off"): ten(8.0),
        ("flash", "default"): ten(7.0),
    }
    axes = ("attention", "compile")
    write_sweep(tmp_path / "equal", seconds, axes)
    page = make_delta_page(*frames(tmp_path / "equal"))
    assert rows(page)[2]["parity"] == "- (no baseline; at parity with compile=off)"
    assert page.tables[0].bold == {2}
    write_sweep(tmp_path / "differs", seconds, axes, changes={("flash", "default"): 0.3})
    page = make_delta_page(*frames(tmp_path / "differs"))
    assert rows(page)[2]["parity"] == "- (no baseline; differs from compile=off)"
    assert page.tables[0].bold == {1}
    write_sweep(tmp_path / "unknown", seconds, axes, latents_file=None)
    assert make_delta_page(*frames(tmp_path / "unknown")).tables[0].bold == frozenset()


def test_doubts_about_a_speedup_stand_beside_it_and_are_explained(tmp_path: Path) -> None:
    write_sweep(tmp_path, {(1, "math"): ten(10.0)}, proven=False)
    write_sweep(tmp_path, {(1, "flash"): ten(8.0)}, latents_file=None)
    page = make_delta_page(*frames(tmp_path))
    assert rows(page)[1]["speed-up"] == "1.25x ¶?"
    assert "¶ the baseline's attention kernels are not proven" in notes(page)
    assert "? whether the output equals the baseline's is not known." in page.notes


def write_half_failed(root: Path, measured: int = 6) -> None:
    """Ten rounds of the baseline, the first one slow; round 0 of the cell ran out of memory."""
    write_sweep(root, {(1, "math"): [20.0] * (10 - measured) + ten(10.0)[:measured]})
    for at in range(10):
        if at < 10 - measured:
            record = sample_record(status="oom", reason="12 GiB", round_index=at)
        else:
            record = sample_record(ten(10.0)[at - 10 + measured], round_index=at)
        write_sample(root, record)


def test_speedup_verdict_and_baseline_seconds_are_of_the_same_rounds(tmp_path: Path) -> None:
    write_half_failed(tmp_path)
    (_, flash) = rows(make_delta_page(*frames(tmp_path)))
    mean_s = sum(ten(10.0)[:6]) / 6
    assert flash["baseline [s]"] == flash["runtime [s]"] == f"{mean_s:.2f}"
    assert (flash["speed-up"], flash["improvement"]) == (
        "1.00x ?",
        "0.0 %",
    )  # no round 0, no parity
    assert (flash["95 % interval"], flash["verdict"]) == ("1.00 to 1.00", "no claim")
    assert flash["note"] == "4 of 10 rounds oom: 12 GiB; 6 of 10 rounds paired"


def test_too_few_pairs_are_distinguished_from_too_few_rounds(tmp_path: Path) -> None:
    write_half_failed(tmp_path, measured=5)
    (_, flash) = rows(make_delta_page(*frames(tmp_path)))
    assert (flash["note"], flash["what would decide"]) == (
        "5 of 10 rounds oom: 12 GiB; 5 of 10 rounds paired",
        "at least 6 rounds",
    )


def test_a_disturbed_round_is_set_aside_from_runtime_and_speedup_and_named(
    tmp_path: Path,
) -> None:
    slow = [*ten(10.0)[:4], 60.0, *ten(10.0)[5:]]
    write_sweep(tmp_path, {(1, "math"): slow, (1, "flash"): ten(10.0)})
    page = make_delta_page(*frames(tmp_path))
    baseline, flash = rows(page)
    assert flash["speed-up"] == "1.00x"
    assert flash["runtime [s]"] == flash["baseline [s]"] == baseline["runtime [s]"]
    assert flash["verdict"] == "same"
    assert (
        "Set aside as disturbed where differences were estimated: round 4 of attention=math at "
        "batch 1 (6.0 times as long as usual)."
    ) in page.notes


def test_a_speedup_with_another_output_is_marked_and_not_bold(tmp_path: Path) -> None:
    seconds = {(1, "math"): ten(10.0), (1, "flash"): ten(8.0)}
    write_sweep(tmp_path, seconds, changes={(1, "flash"): 0.2})
    page = make_delta_page(*frames(tmp_path))
    assert rows(page)[1]["speed-up"] == "1.25x ‡"
    assert 1 not in page.tables[0].bold
    assert "the output differs" in notes(page)


def test_every_axis_that_varies_is_compared_with_the_others_equal(tmp_path: Path) -> None:
    seconds = {
        ("math", "off"): [10.0, 10.1],
        ("math", "default"): [8.0, 8.1],
        ("flash", "off"): [5.0, 5.1],
    }
    write_sweep(tmp_path, seconds, axes=("attention", "compile"))
    by_axis = compare_by_axis(summarise(load_records(tmp_path)))
    page = make_axes_page(by_axis)
    assert [table.title for table in page.tables] == [
        "EPYC: against attention=math, all but attention equal",
        "EPYC: against compile=off, all but compile equal",
    ]
    found = [[row["speed-up"] for row in rows(page, at)] for at in range(2)]
    assert found == [["1.00x", "1.99x"], ["1.00x", "1.25x"]]
    paths = write_tables(*frames(tmp_path), by_axis, tmp_path)
    table = pd.read_csv(next(p for p in paths if p.name == "delta_by_axis.csv"))
    assert sorted(set(table["axis"])) == ["attention", "compile"]


def test_versions_of_pytorch_are_an_axis(tmp_path: Path) -> None:
    for torch, runtime_s in (("1.12.1", 10.0), ("2.15.0", 5.0)):
        environment = sample_environment(torch, torch=torch)
        write_sample(tmp_path, sample_record(runtime_s, environment=environment, sweep=torch))
    by_axis = compare_by_axis(summarise(load_records(tmp_path)))
    (table,) = (deltas for axis, deltas in by_axis.items() if axis == "torch")
    found = {row.torch: row.speedup for row in table.itertuples()}
    assert found == pytest.approx({"1.12.1": 1.0, "2.15.0": 2.0})


def test_upcast_is_an_axis_and_not_mentioned_where_all_cells_are_equal(tmp_path: Path) -> None:
    write_sweep(tmp_path, {("true",): [4.0], ("false",): [2.0]}, ("upcast",), attention="math")
    page = make_delta_page(*frames(tmp_path, "upcast=true"))
    assert page.tables[0].title == "EPYC: against upcast=true"
    assert [(row["cell"], row["speed-up"]) for row in rows(page)] == [
        ("upcast true", "1.00x"),
        ("upcast false", "2.00x"),
    ]
    other = write_main_sweep(tmp_path / "equal")
    assert "upcast" not in str(make_screen_page(*frames(other)))


def test_backends_are_compared_whatever_each_computes_in(tmp_path: Path) -> None:
    seconds = {("math", "true"): [4.0], ("math", "false"): [3.0], ("flash", "false"): [1.0]}
    write_sweep(tmp_path, seconds, axes=("attention", "upcast"))
    page = make_delta_page(*frames(tmp_path, "attention=math"))
    assert make_summary_page(*frames(tmp_path)).tables[0].headings[1] == "attention, upcast"
    assert [row["speed-up"] for row in rows(page)] == ["1.00x", "1.00x", "3.00x"]
    assert rows(page)[2]["cell"] == "flash"


def test_weights_are_an_axis_that_is_never_mixed(tmp_path: Path) -> None:
    seconds = {
        (weights, attention): [runtime_s]
        for weights, runtime_s in (("random", 10.0), ("v2-1", 20.0))
        for attention in ("math", "flash")
    }
    write_sweep(tmp_path, seconds, axes=("weights", "attention"))
    page = make_delta_page(*frames(tmp_path, "attention=math"))
    assert {row["baseline [s]"] for row in rows(page) if "v2-1" in str(row)} == {"20.00"}
    assert {row["speed-up"] for row in rows(page)} == {"1.00x"}
